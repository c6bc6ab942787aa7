"""Painters' hands: a picture as a watercolour, an oil painting or a pastel drawing.

All work on pictures as a screen shows them: [H, W, 3] float32 in 0..1.
"""

import numpy as np
from scipy import ndimage

from tools.world.noise import grain, mix, step

_PAPERS = ((0.98, 0.965, 0.93), (0.97, 0.97, 0.96), (0.985, 0.955, 0.90))
_CHALK_PAPERS = ((0.55, 0.50, 0.44), (0.42, 0.45, 0.52), (0.78, 0.72, 0.62), (0.30, 0.28, 0.32), (0.86, 0.82, 0.76))


def styled(picture: np.ndarray, style: str, rng: np.random.Generator) -> np.ndarray:
    """`picture` [H, W, 3] in one of `scene.STYLES`; a photo stays as it is but for a trace of grain."""
    if style == "watercolour":
        return _watercolour(picture, rng)
    if style == "oil":
        return _oil(picture, rng)
    if style == "pastel":
        return _pastel(picture, rng)
    noise = rng.standard_normal(picture.shape[:2], np.float32)[..., None]
    return np.clip(picture + 0.006 * noise, 0, 1)


def _watercolour(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flat washes with dark rims, granulating on white paper that shows at a ragged border."""
    x, y, size = _places(picture)
    wobble = grain(rng, 1.2, x * 1.1, y * 1.1) * size / 130
    washes = _flat(_shifted(picture, wobble, np.roll(wobble, 37, 1)), max(2, round(size / 96)))
    washes = mix(washes, picture, 0.3)
    grey = washes.mean(-1)
    rims = np.clip(1.8 * np.hypot(*np.gradient(grey)), 0, 0.32)
    bloom, tooth = grain(rng, 1.4, x * 0.9, y * 0.9), grain(rng, 0.5, x * 2.6, y * 2.6)
    paper = np.array(_PAPERS[rng.integers(len(_PAPERS))], np.float32)
    thin = np.clip(0.80 + 0.10 * bloom + 0.025 * tooth, 0.45, 1.0)
    ink = (1 - washes) * (1 + 1.1 * rims[..., None])
    painted = paper * (1 - np.clip(ink * thin[..., None], 0, 0.97))
    margin = np.minimum(
        np.minimum(x, 192 * picture.shape[1] / size - x), np.minimum(y, 192 * picture.shape[0] / size - y)
    )
    wide = rng.uniform(3, 11)
    inside = step(wide - 1.2, wide + 1.2, margin + 2.2 * grain(rng, 1.1, x * 1.5, y * 1.5))
    rim = inside * step(wide + 5, wide, margin + 2.0 * bloom) * 0.12
    return np.asarray(np.clip(mix(paper, painted * (1 - rim[..., None]), inside[..., None]), 0, 1))


def _oil(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thick strokes that follow the forms, with light caught on their ridges."""
    x, y, size = _places(picture)
    flat = _flat(picture, max(2, round(size / 96)))
    grey = ndimage.gaussian_filter(flat.mean(-1), size / 48)
    angle = np.arctan2(*np.gradient(grey)) + np.pi / 2 + 0.5 * grain(rng, 1.5, x * 0.7, y * 0.7)
    along = (np.cos(angle), np.sin(angle))
    bristles = rng.standard_normal(grey.shape).astype(np.float32)
    ridges = np.zeros_like(bristles)
    reach = size / 192 * 1.4
    for k in (-3, -2, -1, 0, 1, 2, 3):
        ridges += _shifted(bristles, along[0] * k * reach, along[1] * k * reach)
    ridges /= 7**0.5
    flat = mix(flat, picture, 0.25)
    strokes = _shifted(flat, along[0] * ridges * 1.1 * reach, along[1] * ridges * 1.1 * reach)
    grey = strokes.mean(-1, keepdims=True)
    rich = grey + (strokes - grey) * 1.25
    relief = np.roll(ridges, 1, 0) - ridges + np.roll(ridges, 1, 1) - ridges
    return np.asarray(np.clip(rich * (1 + 0.075 * ridges[..., None]) + 0.022 * relief[..., None], 0, 1), np.float32)


def _pastel(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft chalk in slanted hatching that leaves the tooth of a tinted paper bare."""
    x, y, size = _places(picture)
    soft = ndimage.gaussian_filter(picture, (size / 420, size / 420, 0))
    slant = rng.uniform(-0.9, 0.9)
    across, along = x * np.cos(slant) + y * np.sin(slant), y * np.cos(slant) - x * np.sin(slant)
    hatch = grain(rng, 0.9, across * 1.1, along * 0.6)
    tooth = grain(rng, 0.3, x * 2.4, y * 2.4)
    bright = float(np.clip(2.2 * picture.mean(), 0.2, 1.0))  # a night stays dark on dark paper
    chalk = 1 - (1 - soft) * np.float32(1 - 0.2 * bright)
    grey = chalk.mean(-1, keepdims=True)
    chalk = grey + (chalk - grey) * 1.45
    paper = np.array(_CHALK_PAPERS[rng.integers(len(_CHALK_PAPERS))], np.float32) * np.float32(bright)
    held = np.clip(0.82 + 0.05 * hatch + 0.2 * tooth, 0.25, 1)
    bare = mix(paper, chalk, 0.5)
    drawn = mix(bare, chalk * (1 + 0.02 * hatch[..., None]), held[..., None])
    return np.asarray(np.clip(drawn, 0, 1), np.float32)


def _places(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns and rows in 192nds of the picture's size, and that size in pixels."""
    height, width = picture.shape[:2]
    size = float((height * width) ** 0.5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(192 / size)
    return x, y, size


def _flat(picture: np.ndarray, reach: int) -> np.ndarray:
    """Kuwahara's filter: of the four squares of side `reach` + 1 that touch a pixel, the mean of the most even one."""
    side = reach + 1
    grey = picture.mean(-1)
    mean = ndimage.uniform_filter(picture, (side, side, 0), mode="nearest")
    level = mean.mean(-1)
    spread = ndimage.uniform_filter(grey * grey, side, mode="nearest") - level * level
    half = (reach + 1) // 2
    rows, columns = np.arange(grey.shape[0]), np.arange(grey.shape[1])
    best, least = None, None
    for down in (-half, half):
        for right in (-half, half):
            at = np.ix_(np.clip(rows + down, 0, len(rows) - 1), np.clip(columns + right, 0, len(columns) - 1))
            if best is None or least is None:
                best, least = mean[at], spread[at]
                continue
            better = spread[at] < least
            least = np.where(better, spread[at], least)
            best = np.where(better[..., None], mean[at], best)
    assert best is not None
    return np.asarray(best, np.float32)


def _shifted(values: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Every pixel from a little to the `right` and `down` of it [H, W]."""
    rows, columns = np.indices(values.shape[:2])
    low = np.clip(np.rint(rows + down), 0, values.shape[0] - 1).astype(np.int32)
    aside = np.clip(np.rint(columns + right), 0, values.shape[1] - 1).astype(np.int32)
    return np.asarray(values[low, aside])
