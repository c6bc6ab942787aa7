"""Paints a height field as the viewer sees it: every column of the picture marches outwards over the land.

A point of the land at distance z and height h appears in row horizon + focal (eye - h) / z; what is nearer hides what
is further and lower. Sunlight is cut by shadows that the land casts on itself, and the air veils what is far.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, step
from tools.world.relief import Relief

_SNOW = hexed("eef2fa")
_STEPS = 288


@dataclass(frozen=True)
class Cover:
    """What the land is made of: linear RGB [3] of steep and of gentle ground, woods as dark specks.

    strata [n, 3] are bands of rock by height; rock is bare above `treeline`, white above `snowline` (shares of the
    relief's height); lava [rows, columns] glows; fields is how much of the ground is tilled in patches,
    ripples how much the wind has combed it; bumps is how
    rough the ground looks.
    """

    steep: np.ndarray
    gentle: np.ndarray
    woods: tuple[np.ndarray, ...] = ()
    wooded: float = 0.0
    strata: np.ndarray | None = None
    treeline: float = 9.0
    snowline: float = 9.0
    lava: np.ndarray | None = None
    fields: float = 0.0
    ripples: float = 0.0
    bumps: float = 1.0


def flattened(relief: Relief, near: float, far: float, keep: float) -> Relief:
    """`relief` with its first `near` units levelled to `keep` of their roughness, less and less so until `far`.

    The eye is lifted to its height above that level, and nothing near rises into its sight.
    """
    level = float(np.quantile(relief.heights[: int(far / relief.cell) + 1], 0.3))
    part = step(near, far, relief.z())
    calm = level + (relief.heights - level) * np.float32(keep)
    eye = level + relief.eye
    sight = eye - 0.4 * relief.eye + relief.z() * (0.03 + 0.9 * step(0.3 * far, 1.6 * far, relief.z()) ** 2)
    heights = np.minimum(mix(calm, relief.heights, part), sight)
    return replace(relief, heights=np.asarray(heights, np.float32), eye=eye)


def reaching(relief: Relief, rise: float, beyond: float = 55.0) -> Relief:
    """`relief` stretched so that what lies `beyond` reaches `rise` (height per distance) above the horizon."""
    start = int(beyond / relief.cell)
    slope = (relief.heights[start:] - relief.eye) / relief.z()[start:]
    stretch = float(np.clip(rise / max(float(slope.max()), 0.02), 0.35, 2.0))
    lifted = relief.eye + (relief.heights - relief.eye) * np.float32(stretch)
    return replace(relief, heights=np.where(relief.heights > relief.eye, lifted, relief.heights))


def paint_land(canvas: Canvas, air: Air, relief: Relief, cover: Cover, rng: np.random.Generator) -> np.ndarray:
    """Paint the land over the sky. Returns how far each pixel is [H, W]; infinite where the sky is seen.

    Pixels below the water's level become `canvas.water`, in the colour of the land until the water is painted.
    """
    view = canvas.view
    z = np.geomspace(2.2, relief.far, _STEPS).astype(np.float32)[:, None]
    aside = (view.columns - view.width / 2) / view.focal
    high = relief.at(z * aside, z)
    surface = np.maximum(high, relief.level)
    rows = view.horizon + (relief.eye - surface) / z * view.focal
    hit = _first_hits(rows, 2 * view.height, view.height)
    share = (hit < _STEPS).reshape(view.height, 2, view.width).mean(1, dtype=np.float32)
    hit = hit[1::2]
    seen = hit < _STEPS
    away = z[:, 0][hit[seen]]
    columns = np.nonzero(seen)[1]
    height = high[hit[seen], columns]
    colour, level = _shade(air, relief, cover, away * aside[0, columns], away, height, rng)
    box = canvas.pixels[seen]
    canvas.pixels[seen] = mix(box, air.veil(colour, away), share[seen][:, None])
    wet = height < relief.level
    canvas.water[seen] |= wet
    canvas.ground[seen] |= ~wet & (level > 0.72)
    depth = np.full(seen.shape, np.inf, np.float32)
    depth[seen] = away
    return depth


def _first_hits(rows: np.ndarray, count: int, height: int) -> np.ndarray:
    """For `count` rows of the picture, the first step [count, W] of each column that has risen to it."""
    steps, width = rows.shape
    rising = -np.minimum.accumulate(rows, 0).astype(np.float64)
    spread = 1e4
    offset = np.arange(width) * 4 * spread
    keys = (np.clip(rising, -spread, spread) + offset).T.ravel()
    asked = -(np.arange(count) + 0.5) * (height / count)
    found = np.searchsorted(keys, (asked[None] + offset[:, None]).ravel()).reshape(width, count)
    return np.asarray(np.clip(found - np.arange(width)[:, None] * steps, 0, steps).T)


def _shade(
    air: Air, relief: Relief, cover: Cover, x: np.ndarray, z: np.ndarray, height: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The colours [n, 3] of points of the land, and how level each is, 0..1."""
    light = air.light
    heights = relief.heights
    down, across = np.gradient(heights, relief.cell)
    upright = 1 / np.sqrt(1 + down * down + across * across)
    facing = np.clip((-across * light.sun[0] + light.sun[1] + down * light.sun[2]) * upright, 0, 1)
    open_sky = np.clip(1 + 0.06 * (heights - ndimage.uniform_filter(heights, 7)), 0.55, 1.2)
    sunny = relief.at(x, z, facing * _unshadowed(relief, light.sun))
    bright = relief.at(x, z, (open_sky * (0.7 + 0.3 * upright)).astype(np.float32))
    level = relief.at(x, z, upright.astype(np.float32))
    fine = grain(rng, 0.9, x * 3.1, z * 3.1) * np.exp(-z / 130)
    coarse = grain(rng, 1.2, x * 0.9, z * 0.9)
    blades = grain(rng, 0.6, x * 13, z * 9) * np.exp(-z / 32)
    low, top = relief.eye, float(heights.max())
    part = np.clip((height - low) / max(top - low, 1.0), -0.5, 1.5)
    rough = (1 + cover.bumps * (0.17 * fine + 0.13 * coarse + 0.13 * blades))[..., None]
    steep = cover.steep
    if cover.strata is not None:
        band = (part * 2.2 + 0.06 * coarse) * len(cover.strata)
        at, count = np.floor(band).astype(np.int32), len(cover.strata)
        blend = step(0.55, 1.0, band - at)[..., None]
        steep = mix(cover.strata[at % count], cover.strata[(at + 1) % count], blend)
    gentle = cover.gentle * (1 + 0.10 * coarse[..., None])
    if cover.fields:
        gentle = gentle * _patches(x, z, cover.fields, rng)
    bare = step(0.80, 0.62, level + 0.05 * coarse)
    bare = np.maximum(bare, step(cover.treeline - 0.12, cover.treeline + 0.08, part + 0.05 * coarse))
    albedo = mix(gentle, steep, bare[..., None]) * rough
    if cover.ripples:
        comb = np.sin((x * 0.35 + z) * rng.uniform(2.5, 4.5) + 2.4 * coarse + fine) * np.exp(-z / 26)
        albedo = albedo * (1 + cover.ripples * comb)[..., None]
    if cover.wooded:
        trees = step(0.75 - cover.wooded, 1.35 - cover.wooded, coarse + 0.45 * fine) * (1 - bare) * step(14, 40, z)
        kinds = np.array(cover.woods, np.float32)
        which = np.floor(2.5 + 1.3 * fine + 1.1 * coarse).astype(np.int32) % len(kinds)
        albedo = mix(albedo, kinds[which] * rough, (0.85 * trees)[..., None])
    snow = step(cover.snowline - 0.05, cover.snowline + 0.07, part + 0.06 * coarse) * step(
        0.42, 0.62, level + 0.05 * fine
    )
    snow = np.maximum(snow, _fallen(light.snow, level, coarse, fine))
    albedo = mix(albedo, _SNOW * (1 + 0.03 * rough), snow[..., None])
    albedo = albedo * (1 - 0.3 * light.wetness * (1 - snow))[..., None]
    if air.weather == "clear":
        sunny = sunny * (0.55 + 0.45 * step(-0.9, 0.4, grain(rng, 1.7, 0.9 * x, 0.9 * z)))
    colour = albedo * (light.ambient * bright[..., None] + light.key * (1.15 * sunny)[..., None])
    if cover.lava is not None:
        heat = np.clip(relief.at(x, z, cover.lava), 0, 1)[..., None]
        colour = mix(colour, hexed("ff5a10") * 1.1 + 0.7 * hexed("ffd060") * heat**3, heat)
    return np.asarray(colour, np.float32), level


def _patches(x: np.ndarray, z: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Factors [n, 3] of fields: crooked cells of the plane, each with a tint, some striped by the plough."""
    turn, size = rng.uniform(0, np.pi), rng.uniform(10, 24)
    bend = 0.35 * grain(rng, 1.7, 0.5 * x, 0.5 * z)
    across = (x * np.cos(turn) + z * np.sin(turn)) / size + bend
    along = (z * np.cos(turn) - x * np.sin(turn)) / (1.8 * size) + bend
    cell = (np.floor(across).astype(np.int32) * 73 + np.floor(along).astype(np.int32) * 151) % 64
    tints = np.exp(strength * rng.normal(0, (0.45, 0.25, 0.35), (64, 3))).astype(np.float32)
    stripes = np.where(cell % 3 == 0, 0.10 * np.sin(across * 44) * np.exp(-z / 60), 0)
    hedge = step(0.05, 0.02, np.minimum(across % 1.0, along % 1.0)) * 0.45
    return np.asarray(tints[cell] * (1 + stripes - hedge)[..., None], np.float32)


def _fallen(snow: float, level: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """How much snow [...] lies on ground this level, in patches where little has fallen."""
    if snow == 0:
        return np.zeros_like(level)
    lies = step(0.40, 0.70, level + 0.05 * coarse)
    return np.asarray(lies * step(1.05 - 1.75 * snow, 1.75 - 1.75 * snow, 0.35 * coarse + 0.07 * fine + 0.35) * 0.97)


def _unshadowed(relief: Relief, sun: np.ndarray) -> np.ndarray:
    """How much of the sun's disc each cell sees, 0..1: the land towards the sun may rise above it."""
    flat = float(np.hypot(sun[0], sun[2])) + 1e-6
    rise = float(sun[1]) / flat
    reach, highest = 1.5, np.full_like(relief.heights, -1e9)
    top = float(np.ptp(relief.heights))
    while reach * relief.cell * rise < top and reach < 90:
        right, away = round(float(sun[0]) / flat * reach), round(-float(sun[2]) / flat * reach)
        moved = np.roll(relief.heights, (-away, -right), (0, 1))
        np.maximum(highest, moved - reach * relief.cell * rise, out=highest)
        reach *= 1.22
    return np.asarray(step(1.6, -0.8, highest - relief.heights), np.float32)
