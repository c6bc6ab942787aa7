"""Seas: open water, a beach, a lighthouse on its rock."""

import numpy as np

from tools.world.air import Air
from tools.world.buildings import lighthouse
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, ripple, step
from tools.world.season import grass, leaves
from tools.world.water import paint_water
from tools.world.woods import grow, haze, species

_SEAS = tuple(map(hexed, ("0c3a5a", "0f4a66", "126a80", "1a7a86", "14406a", "1c5a6e", "0e2f4e")))
_LAGOONS = tuple(map(hexed, ("1a8a9a", "20a0a8", "187a9a", "2a98a0", "147088")))
_SANDS = tuple(map(hexed, ("ecd8a8", "e4c490", "f4e8cc", "d8b884", "e8d0b0")))
_ROCKS = tuple(map(hexed, ("6a6058", "7a7068", "58545a", "82705c")))
_SNOW = hexed("eef2fa")


def paint_sea(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Water to the horizon, now and then with far land; swell as the weather is."""
    if rng.random() < 0.4:
        _far_land(canvas, air, rng)
    _water_below(canvas, air, _SEAS[rng.integers(len(_SEAS))], rng.uniform(4, 14), rng.uniform(0.35, 0.8), rng)


def paint_beach(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Sand, surf and a lagoon; palms and bushes stand at one side."""
    view = canvas.view
    if rng.random() < 0.5:
        _far_land(canvas, air, rng)
    _water_below(canvas, air, _LAGOONS[rng.integers(len(_LAGOONS))], rng.uniform(4, 9), rng.uniform(0.2, 0.45), rng)
    across = view.columns / view.width - 0.5
    slope, room = rng.uniform(-0.75, 0.75), view.height - view.horizon
    edge = view.horizon + room * (
        rng.uniform(0.38, 0.6) + slope * across + 0.12 * np.sin(5 * across + rng.uniform(0, 6))
    )
    edge = np.clip(
        edge + 0.012 * view.size * ripple(rng, 1.4, view.width, 60), view.horizon + 2, view.height - 0.05 * view.size
    )
    sand = _SANDS[rng.integers(len(_SANDS))]
    edge = paint_bank(canvas, air, np.asarray(edge), sand, rng, surf=True)
    side = 1 if slope > 0 else -1
    palms = air.light.season in ("spring", "summer") and rng.random() < 0.75
    for k in range(int(rng.integers(1, 6))):
        column = view.width * (0.5 + side * rng.uniform(0.22, 0.52))
        row = edge[0, int(np.clip(column, 0, view.width - 1))] + rng.uniform(0.02, 0.1) * view.size * (1 + 0.4 * k)
        height = round(view.size * rng.uniform(0.16, 0.3) * (1 + 0.25 * k))
        kind, leaf = species(air.light.season, 0.1, rng)
        if palms:
            kind, leaf = "palm", leaf if air.light.season == "summer" else hexed("6aa03a")
        elif rng.random() < 0.4:
            kind = "bush" if air.light.season != "winter" else "bare"
            height //= 2
        grow(canvas, air, kind, height, leaf, (column, row), 16.0, rng)


def paint_lighthouse(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A lighthouse on a headland; its beam crosses the dark."""
    view = canvas.view
    if rng.random() < 0.4:
        _far_land(canvas, air, rng)
    _water_below(canvas, air, _SEAS[rng.integers(len(_SEAS))], rng.uniform(6, 12), rng.uniform(0.3, 0.7), rng)
    place, wide = rng.uniform(0.18, 0.82), rng.uniform(0.2, 0.42)
    across = view.columns / view.width
    off = np.abs(across - place) / wide
    base = view.horizon + rng.uniform(0.05, 0.3) * (view.height - view.horizon)
    top = (
        base
        - rng.uniform(0.05, 0.14) * view.size * np.exp(-(off**3))
        + 0.014 * view.size * ripple(rng, 0.9, view.width, 110)
    )
    foot = base + 0.05 * view.size * np.exp(-(off**2)) + 0.01 * view.size * ripple(rng, 0.9, view.width, 90)
    inside = off < 1.5 + 0 * across
    _headland(canvas, air, np.where(inside, top, 1e4), np.where(inside, foot, -1e4), rng)
    column = int(np.clip(place * view.width, 0, view.width - 1))
    ground = float(top[0, column]) + 0.015 * view.size
    height = round(min(rng.uniform(0.36, 0.55) * view.size, ground - 0.03 * view.height))
    sprite, (lamp_x, lamp_y) = lighthouse(air.light, max(height, 12), rng)
    fog = 0.5 * haze(air, 30.0)
    sprite[..., :3] += fog * (air.light.haze * sprite[..., 3:] - sprite[..., :3])
    canvas.put(sprite, column, ground + 0.02 * view.size)
    lamp = (column - sprite.shape[1] / 2 + lamp_x, ground + 0.02 * view.size - sprite.shape[0] + lamp_y)
    _beam(canvas, air, *lamp, rng)


def paint_bank(
    canvas: Canvas, air: Air, edge: np.ndarray, ground: np.ndarray, rng: np.random.Generator, surf: bool = False
) -> np.ndarray:
    """Near ground below the rows `edge` [1, W], with foam along it where there is surf. Returns the edge."""
    view, light = canvas.view, air.light
    start = int(np.clip(edge.min() - 0.06 * view.size, 0, view.height - 1))
    rows = view.rows[start:]
    below = (rows - edge) / view.size
    near = np.clip((rows - view.horizon) / view.size, 0.02, 1)
    x, y = (view.columns - view.width / 2) / near * (60 / view.size), 26 / near
    texture = 0.5 * grain(rng, 0.8, x, y + 0 * x) + 0.5 * grain(rng, 1.4, 0.25 * x, 0.4 * y + 0 * x)
    share = np.clip(below * view.size + 0.5, 0, 1)
    wet = step(0.07, 0.0, below) if surf else 0 * below
    albedo = ground * (1 + 0.08 * texture - 0.4 * wet - 0.22 * light.wetness)[..., None]
    snow = (
        step(1.1 - 1.5 * light.snow, 1.6 - 1.5 * light.snow, 0.2 * texture + 0.4)
        * (0.95 if light.snow else 0.0)
        * (1 - wet)
    )
    albedo = mix(albedo, _SNOW, snow[..., None])
    facing = max(0.25, float(light.sun[1]))
    canvas.cover(
        air.veil(albedo * (light.ambient + light.key * facing * (1 + 0.25 * texture[..., None])), 2.5 / near),
        share.astype(np.float32),
        start,
    )
    if surf:
        white = hexed("f8fafc") * (light.ambient + 0.7 * light.key)
        for shift, strong in ((0.0, 0.95), (-0.05, 0.7), (0.03, 0.35)):
            line = below - shift * (0.4 + near) + 0.006 * texture
            foam = step(0.018, 0.0, np.abs(line)) * step(-1.3, 0.3, texture) * strong
            canvas.cover(white, foam.astype(np.float32), start)
    solid = below > 0
    canvas.ground[start:] |= solid
    canvas.water[start:] &= ~solid
    return edge


def _water_below(
    canvas: Canvas, air: Air, deep: np.ndarray, eye: float, rough: float, rng: np.random.Generator
) -> None:
    view = canvas.view
    where = np.broadcast_to(view.rows > view.horizon, canvas.water.shape)
    if air.light.season in ("autumn", "winter"):
        deep = mix(deep, hexed("1c3440"), 0.5)
    paint_water(canvas, air, where, deep, rng, eye, rough)


def _far_land(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Hills or cliffs across the water, hazy."""
    view = canvas.view
    place, wide = rng.uniform(-0.1, 1.1), rng.uniform(0.12, 0.4)
    off = (view.columns / view.width - place) / wide
    high = rng.uniform(0.03, 0.14) * view.size * np.exp(-(np.abs(off) ** rng.uniform(1.5, 4)))
    top = view.horizon + 1 - high * (1 + 0.22 * ripple(rng, 1.3, view.width, 90)) + 0.3
    start = int(max(0, top.min() - 2))
    rows = view.rows[start : int(view.horizon) + 2]
    colour = mix(leaves(air.light.season, rng, 1)[0], _ROCKS[rng.integers(len(_ROCKS))], 0.5)
    colour = mix(colour, _SNOW, 0.8 * air.light.snow)
    texture = grain(rng, 1.0, view.columns * 0.7, rows * 0.9)
    lit = colour * (air.light.ambient + 0.6 * air.light.key) * (1 + 0.22 * texture[..., None])
    canvas.cover(air.veil(lit, np.full(texture.shape, 110.0, np.float32)), np.clip(rows - top + 0.5, 0, 1), start)


def _headland(canvas: Canvas, air: Air, top: np.ndarray, foot: np.ndarray, rng: np.random.Generator) -> None:
    """Rock between the rows `top` and `foot` [1, W], grass on its back, foam at its foot."""
    view, light = canvas.view, air.light
    start, end = int(max(0, top.min() - 2)), int(min(view.height, foot.max() + 8))
    rows = view.rows[start:end]
    texture = grain(rng, 0.9, view.columns * (230 / view.size), rows * (230 / view.size))
    deep = (rows - top) / view.size
    slope = np.gradient(texture, axis=1) * 2 * np.sign(-light.sun[0])
    green = step(0.05, 0.015, deep + 0.012 * texture)
    albedo = mix(
        _ROCKS[rng.integers(len(_ROCKS))] * (1 + 0.2 * texture[..., None]), grass(light.season, rng), green[..., None]
    )
    albedo = mix(albedo, _SNOW, (np.minimum(1, 1.2 * light.snow) * step(0.07, 0.02, deep + 0.02 * texture))[..., None])
    lit = albedo * (light.ambient + light.key * np.clip(0.5 + slope, 0.1, 1.1)[..., None])
    share = np.clip(rows - top + 0.5, 0, 1) * np.clip(foot - rows + 0.5, 0, 1)
    canvas.cover(air.veil(lit, np.full(texture.shape, 26.0, np.float32)), share.astype(np.float32), start)
    foam = step(0.02, 0.0, np.abs(rows - foot) / view.size + 0.008 * texture) * step(-0.8, 0.8, texture)
    canvas.cover(hexed("f4f8fc") * (light.ambient + 0.6 * light.key), (0.8 * foam).astype(np.float32), start)
    canvas.ground[start:end] |= share > 0.5
    canvas.water[start:end] &= share <= 0.5


def _beam(canvas: Canvas, air: Air, column: float, row: float, rng: np.random.Generator) -> None:
    view = canvas.view
    aim = float(rng.choice((-1, 1)))
    tilt = rng.uniform(-0.2, 0.12)
    strong = {"night": 0.75, "dusk": 0.6, "dawn": 0.25, "sunset": 0.3, "noon": 0.0}[air.time]
    strong = max(strong, 0.3 if air.weather in ("fog", "storm", "rain") else 0.0)
    if strong == 0.0:
        return
    warm = hexed("fff0b8")
    along = (view.columns - column) * aim / view.size
    off = np.abs((view.rows - row) / view.size - tilt * along)
    beam = (
        np.exp(-((off / (0.006 + 0.10 * np.maximum(along, 0))) ** 2))
        * np.exp(-np.maximum(along, 0) / 0.6)
        * (along > 0)
    )
    canvas.shine(warm, (strong * beam).astype(np.float32))
    canvas.glow(column, row, 0.035 * view.size, warm * strong)
