"""A waterfall: a cliff with moss and ledges, water falling over it in one or more streams, a pool, spray."""

import numpy as np

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, ripple, step
from tools.world.season import grass
from tools.world.view import View
from tools.world.water import DEEPS, paint_water
from tools.world.woods import grow, species

_CLIFFS = tuple(map(hexed, ("6a5e54", "5a5a5e", "7a6850", "4e4e54", "80705e")))
_WHITE = hexed("f2f7fc")


def paint_waterfall(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Cliff, falls, pool and trees; the view's horizon is where the pool begins."""
    view = canvas.view
    pool = view.horizon + 0.08 * view.size
    top = np.maximum(_cliff_top(view, pool, rng), 3.0)
    streams = _streams(view, rng)
    rim = top.copy()
    for middle, wide in streams:
        notch = np.exp(-(((view.columns - middle) / (0.8 * wide)) ** 4))
        level = float(np.interp(middle, view.columns[0], top[0])) + 0.02 * view.size
        rim = mix(rim, np.full_like(rim, level), notch)
    moss = _cliff(canvas, air, rim, pool, rng)
    _crest(canvas, air, rim, streams, rng)
    for middle, wide in streams:
        _fall(canvas, air, rim, pool, middle, wide, rng)
    where = np.broadcast_to(view.rows > pool, canvas.water.shape)
    paint_water(canvas, air, where, DEEPS[rng.integers(len(DEEPS))], rng, rng.uniform(4, 8), 0.3)
    for middle, wide in streams:
        _spray(canvas, air, pool, middle, wide, rng)
    _banks(canvas, air, pool, moss, streams, rng)


def _cliff_top(view: View, pool: float, rng: np.random.Generator) -> np.ndarray:
    """The rows [1, W] where the cliff ends above: level, slanting or broken."""
    high = min(rng.uniform(0.3, 0.6) * view.size, 0.85 * pool)
    across = view.columns / view.width - 0.5
    shape = rng.uniform(-0.25, 0.25) * across + rng.uniform(-0.5, 0.6) * across**2
    return np.asarray(pool - high + view.size * (shape + 0.025 * ripple(rng, 1.4, view.width, 70)[None]))


def _streams(view: View, rng: np.random.Generator) -> list[tuple[float, float]]:
    """One to three streams: (middle column, half width), pixels."""
    count = int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))
    middle = rng.uniform(0.25, 0.75)
    found = [(middle * view.width, rng.uniform(0.05, 0.15) * view.size)]
    for _ in range(count - 1):
        other = rng.uniform(0.1, 0.9)
        if all(abs(other * view.width - at) > 0.18 * view.size for at, _ in found):
            found.append((other * view.width, rng.uniform(0.025, 0.07) * view.size))
    return found


def _cliff(canvas: Canvas, air: Air, rim: np.ndarray, pool: float, rng: np.random.Generator) -> np.ndarray:
    view, light = canvas.view, air.light
    start, end = int(max(0, rim.min() - 2)), int(min(view.height, pool + 3))
    rows = view.rows[start:end]
    scale = 150 / view.size
    warp = grain(rng, 1.4, view.columns * scale * 0.6, rows * scale * 0.6)
    walls = grain(rng, 1.0, view.columns * scale * 1.6 + 5 * warp, rows * scale * 0.45)
    ledges = grain(rng, 0.9, view.columns * scale * 0.5 + 0 * rows, rows * scale * 2.2 + 4 * warp)
    body = walls + 0.6 * ledges
    slope = np.gradient(body, axis=1) * 1.1 * (-1 if light.sun[0] > 0 else 1) - 0.5 * np.gradient(body, axis=0)
    rock = _CLIFFS[rng.integers(len(_CLIFFS))] * (1 + 0.16 * body[..., None])
    moss = grass(light.season, rng)
    green = step(0.3, 1.2, ledges + 0.4 * warp) * 0.75 + step(0.06, 0.0, (rows - rim) / view.size + 0.02 * walls)
    albedo = mix(rock, moss * 0.85, np.clip(green, 0, 1)[..., None])
    snow = np.clip(green, 0, 1) * min(1.0, 1.2 * light.snow)
    albedo = mix(albedo, hexed("eef2fa"), snow[..., None]) * (1 - 0.25 * light.wetness)
    lit = albedo * (light.ambient + light.key * np.clip(0.42 + slope, 0.05, 1.3)[..., None])
    colour = air.veil(lit, np.full(body.shape, 40.0, np.float32))
    canvas.cover(colour, np.clip(rows - rim + 0.5, 0, 1).astype(np.float32), start)
    canvas.ground[start:end] |= rows > rim
    return moss


def _fall(
    canvas: Canvas, air: Air, rim: np.ndarray, pool: float, middle: float, wide: float, rng: np.random.Generator
) -> None:
    """Falling water: streaks that widen a little on the way down."""
    view, light = canvas.view, air.light
    left, right = int(max(0, middle - 1.6 * wide)), int(min(view.width, middle + 1.6 * wide + 1))
    head = float(np.interp(middle, view.columns[0], rim[0]))
    start, end = int(max(0, head - 1)), int(min(view.height, pool + 4))
    rows, columns = view.rows[start:end], view.columns[:, left:right]
    down = np.clip((rows - head) / max(pool - head, 1), 0, 1)
    streaks = grain(rng, 0.8, columns * (420 / view.size), rows * (26 / view.size))
    broad = grain(rng, 1.2, columns * (110 / view.size), rows * (30 / view.size))
    edge = np.abs(columns - middle) / (wide * (0.85 + 0.25 * down)) + 0.10 * broad
    share = step(1.08, 0.86, edge) * np.clip(rows - head, 0, 1) * np.clip(0.86 + 0.2 * streaks + 0.15 * broad, 0.25, 1)
    tone = np.clip(0.82 + 0.13 * streaks + 0.08 * broad, 0.4, 1.15)
    colour = _WHITE * tone[..., None] * (light.ambient * 1.05 + 0.75 * light.key)
    canvas.cover(air.veil(colour, np.full(tone.shape, 36.0, np.float32)), share.astype(np.float32), start, left)


def _spray(canvas: Canvas, air: Air, pool: float, middle: float, wide: float, rng: np.random.Generator) -> None:
    view = canvas.view
    start, end = int(max(0, pool - 0.14 * view.size)), int(min(view.height, pool + 0.12 * view.size))
    rows = view.rows[start:end]
    puffs = grain(rng, 1.3, view.columns * (140 / view.size), rows * (140 / view.size))
    cloud = np.exp(-(((view.columns - middle) / (1.7 * wide)) ** 2) - ((rows - pool) / (0.05 * view.size)) ** 2)
    white = _WHITE * (air.light.ambient + 0.6 * air.light.key)
    canvas.cover(white, (0.85 * cloud * step(-1.6, 0.8, puffs)).astype(np.float32), start)


def _crest(
    canvas: Canvas, air: Air, rim: np.ndarray, streams: list[tuple[float, float]], rng: np.random.Generator
) -> None:
    """Trees along the edge above, none in the streams."""
    view = canvas.view
    conifers = rng.uniform(0.1, 0.8)
    for column in rng.uniform(0, view.width, int(rng.integers(10, 34))):
        if any(abs(column - middle) < 1.4 * wide for middle, wide in streams):
            continue
        kind, leaf = species(air.light.season, conifers, rng)
        height = round(view.size * rng.uniform(0.05, 0.13))
        row = float(rim[0, int(column)]) + 0.02 * view.size
        grow(canvas, air, kind, height, leaf, (column, row), 44.0, rng)


def _banks(
    canvas: Canvas,
    air: Air,
    pool: float,
    moss: np.ndarray,
    streams: list[tuple[float, float]],
    rng: np.random.Generator,
) -> None:
    """Ground and trees at the pool's sides, nearer than the cliff."""
    view = canvas.view
    conifers = rng.uniform(0.1, 0.8)
    for side in (0, 1):
        reach = rng.uniform(0.05, 0.34)
        across = np.abs(view.columns / view.width - side)
        edge = pool + (view.height - pool) * np.clip((across / reach) ** 1.6 + 0.12, 0, 1.3)
        edge = edge + 0.01 * view.size * ripple(rng, 1.2, view.width, 60)[None]
        start = int(max(0, edge.min() - 1))
        rows = view.rows[start:]
        texture = grain(rng, 0.8, view.columns * (200 / view.size), rows * (200 / view.size))
        albedo = mix(moss * (1 + 0.16 * texture[..., None]), hexed("eef2fa"), 0.95 * min(1, 1.2 * air.light.snow))
        lit = albedo * (air.light.ambient + air.light.key * 0.5)
        share = np.clip(rows - edge + 0.5, 0, 1)
        canvas.cover(air.veil(lit, np.full(texture.shape, 16.0, np.float32)), share.astype(np.float32), start)
        canvas.ground[start:] |= share > 0.5
        canvas.water[start:] &= share <= 0.5
        for _ in range(int(rng.integers(1, 5))):
            kind, leaf = species(air.light.season, conifers, rng)
            at = rng.uniform(0, 0.8 * reach)
            column = view.width * (1 - at if side else at)
            row = float(edge[0, int(np.clip(column, 0, view.width - 1))]) + rng.uniform(0.02, 0.2) * view.size
            if any(abs(column - middle) < 1.3 * wide for middle, wide in streams):
                continue
            height = round(view.size * rng.uniform(0.2, 0.5))
            grow(canvas, air, kind, height, leaf, (column, row), 18.0, rng)
