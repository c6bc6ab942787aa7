"""A city across a river or behind a meadow."""

import numpy as np

from tools.world.air import Air
from tools.world.buildings import skyline
from tools.world.canvas import Canvas
from tools.world.forest import floor
from tools.world.season import leaves
from tools.world.water import DEEPS, paint_water
from tools.world.woods import grow, species


def paint_city(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A skyline; in two pictures of three it stands at the water and is mirrored in it."""
    view = canvas.view
    tall = min(rng.uniform(0.32, 0.62) * view.size, 0.92 * view.horizon)
    canvas.put(skyline(air.light, round(tall), view.width, rng), view.width / 2, view.horizon + 0.02 * view.size)
    bank = view.horizon + rng.uniform(0.015, 0.06) * view.size
    at_water = rng.random() < 0.67
    eye = rng.uniform(6, 12)
    if at_water:
        paint_water(
            canvas,
            air,
            np.broadcast_to(view.rows > bank, canvas.water.shape),
            DEEPS[rng.integers(len(DEEPS))],
            rng,
            eye,
            rng.uniform(0.15, 0.4),
        )
    else:
        floor(canvas, air, eye, rng)
    _trees(canvas, air, bank + (0 if at_water else 0.03 * view.size), rng)


def _trees(canvas: Canvas, air: Air, row: float, rng: np.random.Generator) -> None:
    """A row of street trees in the season's colours along the bank."""
    view = canvas.view
    strip = int(row) - 1
    start = int(max(0, min(strip - 1, view.horizon - 0.01 * view.size)))
    quay = leaves("summer", rng, 1)[0] * 0.6 * (air.light.ambient + 0.4 * air.light.key)
    canvas.cover(quay, np.full((max(1, strip - start + 1), view.width), 0.9, np.float32), start)
    canvas.ground[start : strip + 1] = True
    canvas.water[start : strip + 1] = False
    for column in np.arange(rng.uniform(0, 8), view.width, view.size * rng.uniform(0.035, 0.06)):
        if rng.random() < 0.75:
            kind, leaf = species(air.light.season, 0.05, rng)
            height = round(view.size * rng.uniform(0.05, 0.095))
            grow(canvas, air, kind, height, leaf, (column, row + 1), 24.0, rng)
