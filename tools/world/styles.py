"""Painters' hands: a picture as a watercolour, an oil painting or a pastel drawing.

What a hand adds is coarser than a pixel: grain of single pixels is noise to whoever has to learn the picture.

All work on pictures as a screen shows them: [H, W, 3] float32 in 0..1.
"""

import numpy as np
from scipy import ndimage

from tools.world.noise import grain, mix, step

_PAPERS = ((0.98, 0.965, 0.93), (0.97, 0.97, 0.96), (0.985, 0.955, 0.90))
_CHALK_PAPERS = ((0.55, 0.50, 0.44), (0.42, 0.45, 0.52), (0.78, 0.72, 0.62), (0.30, 0.28, 0.32), (0.86, 0.82, 0.76))


def styled(picture: np.ndarray, style: str, rng: np.random.Generator) -> np.ndarray:
    """`picture` [H, W, 3] in one of `scene.STYLES`; a photo stays as it is."""
    if style == "watercolour":
        return _watercolour(picture, rng)
    if style == "oil":
        return _oil(picture, rng)
    if style == "pastel":
        return _pastel(picture, rng)
    return picture


def _watercolour(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clear washes with darker rims on white paper, which shows through them and at a border."""
    x, y, size = _places(picture)
    wobble = grain(rng, 1.5, x * 1.1, y * 1.1) * size / 150
    washes = _flat(_shifted(picture, wobble, np.roll(wobble, 37, 1)), max(2, round(size / 96)))
    washes = mix(washes, picture, 0.35)
    rims = np.clip(1.5 * np.hypot(*np.gradient(washes.mean(-1))), 0, 0.22)
    bloom, pools = grain(rng, 1.7, x * 0.8, y * 0.8), grain(rng, 1.2, x * 1.6, y * 1.6)
    paper = np.array(_PAPERS[rng.integers(len(_PAPERS))], np.float32)
    # Pigment takes light away in proportion to its layer, so that thick layers are deep in colour and never grey.
    layer = np.clip(0.82 + 0.13 * bloom + 0.05 * pools + 1.2 * rims, 0.35, 1.5)
    painted = paper * np.clip(washes, 0.02, 1) ** layer[..., None]
    grey = painted.mean(-1, keepdims=True)
    painted = grey + (painted - grey) * 1.2
    margin = np.minimum(
        np.minimum(x, 192 * picture.shape[1] / size - x), np.minimum(y, 192 * picture.shape[0] / size - y)
    )
    wide = rng.uniform(-14, 9)  # below zero: painted to the edge of the sheet
    inside = step(wide - 1.6, wide + 1.6, margin + 2.0 * grain(rng, 1.6, x * 1.3, y * 1.3))
    return np.asarray(np.clip(mix(paper, painted, inside[..., None]), 0, 1), np.float32)


def _oil(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Broad strokes that follow the forms, their ridges catching the light."""
    x, y, size = _places(picture)
    reach = size / 192
    flat = mix(_flat(picture, max(2, round(size / 72))), picture, 0.3)
    grey = ndimage.gaussian_filter(flat.mean(-1), size / 32)
    angle = np.arctan2(*np.gradient(grey)) + np.pi / 2 + 0.35 * grain(rng, 1.8, x * 0.6, y * 0.6)
    along = (np.cos(angle), np.sin(angle))
    bristles = ndimage.gaussian_filter(rng.standard_normal(grey.shape).astype(np.float32), 0.9 * reach)
    ridges = np.zeros_like(bristles)
    for k in range(-4, 5):
        ridges += _shifted(bristles, along[0] * k * 1.5 * reach, along[1] * k * 1.5 * reach)
    ridges /= ridges.std()
    strokes = _shifted(flat, along[0] * ridges * 0.6 * reach, along[1] * ridges * 0.6 * reach)
    grey = strokes.mean(-1, keepdims=True)
    rich = grey + (strokes - grey) * 1.3
    return np.asarray(np.clip(rich * (1 + 0.03 * ridges[..., None]) + 0.005 * ridges[..., None], 0, 1), np.float32)


def _pastel(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft chalk in slanted hatching on a tinted paper that glimmers through."""
    x, y, size = _places(picture)
    soft = ndimage.gaussian_filter(picture, (size / 420, size / 420, 0))
    # Never upright: that would be rain.
    slant = rng.choice((-1, 1)) * rng.uniform(0.85, 1.3)
    across, along = x * np.cos(slant) + y * np.sin(slant), y * np.cos(slant) - x * np.sin(slant)
    hatch = grain(rng, 1.0, across * 1.5, along * 0.3)
    tooth = grain(rng, 1.0, x * 1.6, y * 1.6)
    bright = float(np.clip(2.2 * picture.mean(), 0.2, 1.0))  # a night stays dark on dark paper
    chalk = 1 - (1 - soft) * np.float32(1 - 0.2 * bright)
    grey = chalk.mean(-1, keepdims=True)
    chalk = grey + (chalk - grey) * 1.35
    paper = np.array(_CHALK_PAPERS[rng.integers(len(_CHALK_PAPERS))], np.float32) * np.float32(bright)
    held = np.clip(0.82 + 0.06 * hatch + 0.06 * tooth, 0.3, 1)
    bare = mix(paper, chalk, 0.5)
    drawn = mix(bare, chalk * (1 + 0.025 * hatch[..., None]), held[..., None])
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
