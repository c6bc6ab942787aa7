"""Woods seen from within: stands of trees one behind another, a clearing or a path before them."""

import numpy as np

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, ripple, step
from tools.world.season import grass, leaves, needles
from tools.world.woods import grow

_EARTH = hexed("6a5238")
_LITTER = hexed("c07830")


def paint_forest(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Pines, broad-leaved trees, birches or all of them; denser and darker the nearer."""
    view, season = canvas.view, air.light.season
    conifers = float(rng.choice((0.1, 0.3, 0.9)))
    birches = rng.uniform(0, 0.8)
    eye, tall = rng.uniform(3.0, 6.5), rng.uniform(5.5, 9.5)
    floor(canvas, air, eye, rng)
    palette = (*leaves(season, rng, 3), needles(season, rng))
    clearing, open_to = rng.uniform(0.15, 0.85), rng.uniform(0.06, 0.28)
    count = int(rng.integers(52, 84))
    away = np.sort(np.exp(rng.uniform(np.log(9.5), np.log(75), count)))[::-1]
    for z in away:
        wide = view.width / view.focal * z
        x = rng.uniform(-0.6, 0.6) * wide
        off = abs(x / wide + 0.5 - clearing)
        if z < 34 and off < open_to * (1 + 4 / z):
            continue
        column, row = view.project(x, -eye, z)
        pine = rng.random() < conifers
        kind = "pine" if pine else "bare" if season == "winter" else "birch" if rng.random() < birches else "broad"
        leaf = palette[3] if pine else palette[int(rng.integers(3))]
        height = round(tall * rng.uniform(0.75, 1.3) * view.focal / z)
        if height < 4 or row - height > view.height:
            continue
        height = min(height, int(1.6 * view.height))
        grow(canvas, air, kind, height, leaf * rng.uniform(0.8, 1.2), (column, row), 1.6 * float(z), rng)


def floor(canvas: Canvas, air: Air, eye: float, rng: np.random.Generator) -> None:
    """Level ground from the horizon to the viewer, `eye` units below: grass, earth, fallen leaves or snow."""
    view, light = canvas.view, air.light
    edge = view.horizon + 0.006 * view.size * ripple(rng, 1.3, view.width, 40)[None]
    start = int(max(0, edge.min() - 1))
    rows = view.rows[start:]
    distance = np.clip(eye * view.focal / np.maximum(rows - view.horizon, 1.0), 1.0, 300.0)
    x = (view.columns - view.width / 2) / view.focal * distance
    fine = grain(rng, 0.7, x * 9, distance * 9 + 0 * x) * np.exp(-distance / 60)
    coarse = grain(rng, 1.2, x * 2.2, distance * 2.2 + 0 * x)
    albedo = mix(grass(light.season, rng), _EARTH, (0.8 * step(0.3, 1.4, coarse))[..., None])
    if light.season == "autumn":
        albedo = mix(albedo, _LITTER, (0.8 * step(-0.6, 0.7, fine + 0.4 * coarse))[..., None])
    if light.season == "spring":
        petals = step(1.5, 1.9, fine + 0.5 * coarse)
        albedo = mix(albedo, hexed("fbd0e0"), petals[..., None])
    snow = step(1.0 - 1.5 * light.snow, 1.5 - 1.5 * light.snow, 0.3 * coarse + 0.15 * fine + 0.3) * (
        0.96 if light.snow else 0
    )
    albedo = mix(albedo * (1 + 0.16 * fine[..., None] + 0.08 * coarse[..., None]), hexed("eef2fa"), snow[..., None])
    albedo = albedo * (1 - 0.25 * light.wetness)
    dapple = np.clip(0.5 + 0.5 * coarse, 0.1, 1.2)[..., None]
    colour = albedo * (light.ambient + light.key * max(0.3, float(light.sun[1])) * dapple)
    share = np.clip(rows - edge + 0.5, 0, 1)
    canvas.cover(air.veil(colour, distance + 0 * x), share.astype(np.float32), start)
    canvas.ground[start:] |= share > 0.5
