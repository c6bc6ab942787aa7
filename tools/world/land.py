"""Landscapes of height fields: mountains, hills, dunes, canyons, lakes, islands, a volcano, a castle, northern lights.

Every painter takes a canvas whose sky is painted and adds the land (and its water and trees) below it.
"""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from tools.world.air import Air
from tools.world.buildings import castle
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, step
from tools.world.relief import Relief, crop
from tools.world.season import grass, leaves, needles
from tools.world.sky import paint_aurora
from tools.world.terrain import Cover, flattened, paint_land, reaching
from tools.world.water import DEEPS, paint_water
from tools.world.woods import haze, scatter

_ROCKS = tuple(map(hexed, ("8a8480", "7c7670", "8c8a90", "968878", "70707a", "94806c")))
_SANDS = tuple(map(hexed, ("e8bc80", "dca468", "f0d09c", "e0a878", "d8925c", "efd8b4")))
_STRATA = tuple(
    np.array([hexed(code) for code in codes.split()], np.float32)
    for codes in (
        "b8542c d88a50 a84424 c86a3c e0a870 9c3c24 c47848",
        "c86840 e8b088 b85838 d88860 f0c8a0 a84c34",
        "a85c38 c88050 8c4830 d89c68 b06840 e0b888",
        "b04a30 cc7a4c e4c090 94402c c05c38",
    )
)


def paint_mountains(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Peaks behind a valley, sometimes with a tarn in it."""
    relief = _before(canvas, "alps", rng, amplitude=(65, 120), eye=(5, 34))
    relief = flattened(relief, rng.uniform(10, 22), rng.uniform(50, 120), rng.uniform(0.1, 0.5))
    relief = reaching(relief, _rise(canvas, rng, 0.28, 0.62), beyond=rng.uniform(45, 75))
    if rng.random() < 0.3:
        relief = _flooded(relief, rng)
    line = rng.uniform(0.15, 0.8) - 0.15 * (air.light.season in ("spring", "winter"))
    _cover_and_wood(canvas, air, relief, rng, snowline=line, wooded=rng.uniform(0.0, 0.7), conifers=0.55)


def paint_hills(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Rolling meadows with groves."""
    steep = rng.random()
    relief = _before(canvas, "hills", rng, amplitude=(20 + 14 * steep, 36 + 40 * steep), eye=(5, 30))
    relief = flattened(relief, rng.uniform(6, 14), rng.uniform(30, 110), rng.uniform(0.2, 1.1))
    relief = reaching(relief, _rise(canvas, rng, 0.04, 0.12 + 0.26 * steep), beyond=rng.uniform(25, 70))
    if rng.random() < 0.2:
        relief = _flooded(relief, rng)
    fields = float(rng.choice((0.15, 0.5, 0.9)))
    wooded, conifers = rng.uniform(-0.3, 0.55), rng.choice((0.05, 0.3, 0.9))
    _cover_and_wood(canvas, air, relief, rng, snowline=9.0, wooded=wooded, conifers=conifers, steep=0.5, fields=fields)


def paint_dunes(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Sand to the horizon; in its seasons a little grows on it."""
    relief = _before(canvas, "dunes", rng, amplitude=(16, 44), eye=(5, 24))
    relief = flattened(relief, 4, rng.uniform(12, 50), rng.uniform(0.5, 1.3))
    relief = reaching(relief, _rise(canvas, rng, 0.06, 0.36), beyond=rng.uniform(20, 60))
    sand = _SANDS[rng.integers(len(_SANDS))]
    green = {"spring": 0.3, "summer": 0.0, "autumn": 0.12, "winter": 0.0}[air.light.season]
    cover = Cover(
        0.92 * sand, mix(sand, grass(air.light.season, rng), 0.25 * green), ripples=rng.uniform(0.06, 0.24), bumps=0.5
    )
    depth = paint_land(canvas, air, relief, cover, rng)
    kind = "cactus" if rng.random() < 0.4 else "bush"
    scatter(canvas, air, depth, int(rng.integers(3, 14)), 0.0, rng, tall=3.0, near=16, far=90, kind=kind)


def paint_canyon(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Red rock in bands: table mountains on a plain, or the walls of a gorge with a river."""
    gorge = rng.random() < 0.5
    relief = _before(canvas, "mesas", rng, amplitude=(40, 75), eye=(9, 30))
    winding = rng.uniform(12, 30) * np.sin(relief.z() / rng.uniform(30, 60) + rng.uniform(0, 6))
    if gorge:
        wide = rng.uniform(16, 30)
        away = np.abs(relief.x() - winding * step(20, 80, relief.z())) + 3 * relief.heights / 40
        wall = sum(step(wide * a, wide * a + 5, away) * share for a, share in ((1.0, 0.45), (1.6, 0.3), (2.3, 0.25)))
        relief = replace(relief, heights=np.asarray(0.3 * relief.heights + rng.uniform(50, 80) * wall, np.float32))
    relief = flattened(relief, 14, rng.uniform(50, 90), 0.25) if not gorge else flattened(relief, 8, 24, 0.7)
    relief = reaching(relief, _rise(canvas, rng, 0.14, 0.4), beyond=55 if not gorge else 25)
    strata = _STRATA[rng.integers(len(_STRATA))]
    floor = mix(
        strata[rng.integers(len(strata))] * 0.9,
        grass(air.light.season, rng),
        0.25 if air.light.season != "summer" else 0.1,
    )
    if gorge and rng.random() < 0.7:
        river = np.abs(relief.x() - winding * step(20, 80, relief.z())) < rng.uniform(4, 9)
        bed = np.where(river, relief.eye - 30, np.maximum(relief.heights, relief.eye - 9))
        relief = replace(relief, heights=bed.astype(np.float32), level=relief.eye - 10.0)
    cover = Cover(strata[0], floor, strata=strata, bumps=1.1)
    depth = paint_land(canvas, air, relief, cover, rng)
    _fill(canvas, air, relief, rng, rough=0.3)
    scatter(canvas, air, depth, int(rng.integers(8, 26)), 0.25, rng, tall=3.2, near=18, far=90)


def paint_lake(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A wide lake between mountains or hills, still enough to mirror them."""
    kind = "alps" if rng.random() < 0.6 else "hills"
    relief = _before(canvas, kind, rng, amplitude=(55, 100) if kind == "alps" else (26, 48), eye=(6, 18))
    shore = rng.uniform(70, 190)
    relief = flattened(relief, 30, shore, 0.4)
    relief = reaching(relief, _rise(canvas, rng, 0.12, 0.45))
    middle = rng.uniform(-0.2, 0.2) * shore
    basin = ((relief.x() - middle) / rng.uniform(60, 150)) ** 2 + ((relief.z() - 0.55 * shore) / (0.5 * shore)) ** 2
    deep = step(1.25, 0.7, basin + 0.004 * (relief.heights - relief.eye))
    level = relief.eye - rng.uniform(3.5, 7.0)
    bank = np.maximum(relief.heights, level + 1.0)
    relief = replace(relief, heights=mix(bank, float(level - 4), deep).astype(np.float32), level=float(level))
    line = rng.uniform(0.3, 0.9) if kind == "alps" else 9.0
    _cover_and_wood(
        canvas,
        air,
        relief,
        rng,
        snowline=line,
        wooded=rng.uniform(0.2, 0.6),
        conifers=0.5,
        rough=rng.uniform(0.0, 0.25),
    )


def paint_islands(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A few islands in the sea, green or rocky."""
    relief = _before(canvas, "hills" if rng.random() < 0.6 else "alps", rng, amplitude=(12, 26), eye=(6, 36))
    field = np.full_like(relief.heights, -12.0)
    for k in range(int(rng.integers(1, 8))):
        z = rng.uniform(45, 190) if k else rng.uniform(40, 120)
        x = rng.uniform(-0.42, 0.42) * z * canvas.view.width / canvas.view.focal
        wide, high = rng.uniform(0.06, 0.3) * z, rng.uniform(0.08, 0.42) * z
        distance = np.hypot((relief.x() - x) / 1.5, relief.z() - z) / wide
        field = np.maximum(
            field, high * np.exp(-(distance ** rng.uniform(1.4, 2.6))) * (0.45 + relief.heights / 26) - 3.5
        )
    relief = replace(relief, heights=field.astype(np.float32), level=0.0)
    rock = _ROCKS[rng.integers(len(_ROCKS))]
    sandy = mix(grass(air.light.season, rng), _SANDS[0], 0.15)
    cover = Cover(rock, sandy, leaves(air.light.season, rng), rng.uniform(0.2, 0.7), bumps=1.0)
    depth = paint_land(canvas, air, relief, cover, rng)
    _fill(canvas, air, relief, rng, rough=rng.uniform(0.2, 0.5), freezes=rng.random() < 0.5)
    palms = air.light.season in ("spring", "summer") and rng.random() < 0.5
    scatter(canvas, air, depth, int(rng.integers(14, 40)), 0.15, rng, tall=5.0, near=20, kind="palm" if palms else None)


def paint_volcano(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A cone with a glowing crater, lava on its flanks and a plume of smoke."""
    relief = _before(canvas, "hills", rng, amplitude=(14, 30), eye=(7, 20))
    relief = flattened(relief, 14, rng.uniform(60, 100), 0.3)
    z, aside = rng.uniform(110, 190), rng.uniform(-0.26, 0.26)
    x = aside * z * canvas.view.width / canvas.view.focal
    rise = _rise(canvas, rng, 0.28, 0.5) * z
    dx, dz = relief.x() - x, relief.z() - z
    angle = np.arctan2(dz, dx) * 26 + 0 * dx
    out = np.hypot(dx, dz)
    gully = grain(rng, 1.0, angle, 0.25 * out)
    wide, mouth = rise * rng.uniform(0.75, 1.15), rise * rng.uniform(0.09, 0.15)
    cone = np.exp(-np.maximum(out - mouth, 0) / wide * 1.15) * (rise + 8) * (1 + 0.05 * gully)
    cone -= (1.4 * (mouth - out)).clip(0) + 0.25 * rise * step(2.2, 3.2, out / wide)
    cone = cone * step(20, 75, relief.z())
    relief = replace(relief, heights=np.maximum(relief.heights, relief.eye - 8 + cone).astype(np.float32))
    streams = step(rng.uniform(0.7, 1.1), 1.6, grain(rng, 1.1, angle * 0.55, 0.12 * out)) * step(1.15, 0.5, out / wide)
    lava = np.maximum(streams, step(mouth * 1.25, mouth * 0.8, out)).astype(np.float32)
    lava *= out < 2 * wide
    dark = _ROCKS[rng.integers(len(_ROCKS))] * rng.uniform(0.35, 0.6)
    wooded = rng.uniform(0.0, 0.5)
    cover = Cover(
        dark,
        grass(air.light.season, rng),
        leaves(air.light.season, rng),
        wooded,
        treeline=rng.uniform(0.1, 0.35),
        lava=lava,
        bumps=1.3,
    )
    column, row = canvas.view.project(x, rise * 0.97, z)
    _plume(canvas, air, column, row, rng)
    depth = paint_land(canvas, air, relief, cover, rng)
    dark_sky = 1.0 if air.time in ("dusk", "night") else 0.4
    canvas.glow(column, row, 0.07 * canvas.view.size, hexed("ff6a1c") * 0.8 * dark_sky)
    scatter(canvas, air, depth, int(rng.integers(16, 44)), 0.35, rng, tall=5.0, far=80)


def paint_castle(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """A castle on a hill, before mountains, hills or a lake."""
    kind = "alps" if rng.random() < 0.5 else "hills"
    relief = _before(canvas, kind, rng, amplitude=(50, 90) if kind == "alps" else (26, 46), eye=(8, 20))
    relief = flattened(relief, 14, rng.uniform(110, 150), rng.uniform(0.1, 0.4))
    relief = reaching(relief, _rise(canvas, rng, 0.05, 0.22), beyond=120)
    if rng.random() < 0.35:
        relief = _flooded(relief, rng)
    z, aside = rng.uniform(70, 105), rng.uniform(-0.28, 0.28)
    x = aside * z * canvas.view.width / canvas.view.focal
    size = canvas.view.size * rng.uniform(0.34, 0.5)
    up = min(rng.uniform(-0.05, 0.16), 0.92 * canvas.view.horizon / canvas.view.focal - size / canvas.view.focal)
    out = np.hypot(relief.x() - x, 1.3 * (relief.z() - z)) / rng.uniform(22, 34)
    hill = relief.eye + up * z - (relief.eye + up * z - relief.heights) * step(0.35, 1.5, out + 0.001 * relief.heights)
    relief = replace(relief, heights=np.where(out < 1.5, hill, relief.heights).astype(np.float32))
    line = rng.uniform(0.3, 1.0) if kind == "alps" else 9.0
    depth = _cover_and_wood(
        canvas, air, relief, rng, snowline=line, wooded=rng.uniform(0.0, 0.5), conifers=0.4, trees=False
    )
    column, row = canvas.view.project(x, up * z, z)
    sprite = castle(air.light, round(size), rng)
    sprite[..., :3] += 0.6 * haze(air, 45.0) * (air.light.haze * sprite[..., 3:] - sprite[..., :3])
    canvas.put(sprite, column, row + 0.05 * size)
    depth = np.where(np.abs(canvas.view.columns - column) < 0.5 * size, np.minimum(depth, 60.0), depth)
    scatter(canvas, air, depth, int(rng.integers(20, 46)), 0.4, rng, tall=4.5, near=30, far=62)


def paint_northern(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Northern lights above a landscape of any of these kinds."""
    paint_aurora(canvas, air, rng)
    below = (paint_mountains, paint_lake, paint_hills, paint_lake)[rng.integers(4)]
    below(canvas, air, rng)


def _before(
    canvas: Canvas, kind: str, rng: np.random.Generator, amplitude: tuple[float, float], eye: tuple[float, float]
) -> Relief:
    """A random relief of `kind` before the viewer; `eye` is still counted from its ground."""
    heights = crop(kind, canvas.view, rng) * np.float32(rng.uniform(*amplitude))
    cell = float(np.exp(rng.uniform(0.1, 0.75))) * {"alps": 1.3, "dunes": 0.5}.get(kind, 1.0)
    return Relief(heights, float(cell), float(rng.uniform(*eye)))


def _flooded(relief: Relief, rng: np.random.Generator) -> Relief:
    """`relief` with water in its lowest hollows."""
    near = relief.heights[: int(140 / relief.cell)]
    return replace(relief, level=float(np.quantile(near, rng.uniform(0.1, 0.3))))


def _rise(canvas: Canvas, rng: np.random.Generator, low: float, high: float) -> float:
    """How steeply the skyline may rise above the horizon: `low` to `high` of the size, as far as there is sky."""
    view = canvas.view
    return float(min(rng.uniform(low, high) * view.size, 0.85 * view.horizon) / view.focal)


def _cover_and_wood(
    canvas: Canvas,
    air: Air,
    relief: Relief,
    rng: np.random.Generator,
    snowline: float,
    wooded: float,
    conifers: float,
    steep: float = 0.0,
    trees: bool = True,
    rough: float = 0.15,
    fields: float = 0.0,
) -> np.ndarray:
    """Paint grassy, rocky, wooded land with its water and its trees; `steep` of the rock is overgrown."""
    season = air.light.season
    green, rock = grass(season, rng), _ROCKS[rng.integers(len(_ROCKS))]
    woods = (*leaves(season, rng, 2), needles(season, rng))
    treeline = snowline - 0.2 if snowline < 5 else 9.0
    cover = Cover(mix(rock, green, steep), green, woods, wooded, treeline=treeline, snowline=snowline, fields=fields)
    depth = paint_land(canvas, air, relief, cover, rng)
    _fill(canvas, air, relief, rng, rough)
    if trees:
        scatter(
            canvas, air, depth, int(rng.integers(18, 60)), conifers * rng.uniform(0.4, 1.6), rng, tall=rng.uniform(4, 6)
        )
    return depth


def _fill(
    canvas: Canvas, air: Air, relief: Relief, rng: np.random.Generator, rough: float = 0.15, freezes: bool = True
) -> None:
    where = canvas.water.copy()
    deep = DEEPS[rng.integers(len(DEEPS))]
    paint_water(canvas, air, where, deep, rng, max(2.0, relief.eye - relief.level), rough, freezes)


def _plume(canvas: Canvas, air: Air, column: float, row: float, rng: np.random.Generator) -> None:
    """Smoke that widens as it rises and drifts with the wind; lit from below by the crater."""
    view = canvas.view
    bottom = int(np.clip(row + 0.06 * view.size, 2, view.height))
    rows, wind = view.rows[:bottom], rng.uniform(-0.9, 0.9)
    up = np.clip((row - rows) / view.size, 0, 1)
    puffs = grain(rng, 1.3, view.columns * (170 / view.size), rows * (170 / view.size))
    fine = grain(rng, 0.9, view.columns * (300 / view.size), rows * (300 / view.size))
    off = (view.columns - column) / view.size - wind * up * (0.4 + up)
    wide = 0.045 + rng.uniform(0.22, 0.42) * up
    share = step(1.1, 0.45, np.abs(off) / wide + 0.28 * puffs + 0.12 * fine) * 0.93
    share = share * step(1.0, 0.5, up / rng.uniform(0.5, 1.2)) * (rows < row + 0.05 * view.size)
    grey = hexed("5a5456") * (air.light.ambient + air.light.key * 0.6)
    body = grey * (1 + 0.35 * ndimage.shift(puffs, (0, 4), order=1, mode="nearest") - 0.2 * puffs)[..., None]
    fire = np.clip(np.exp(-up / 0.1) * 0.9 + 0.1 * puffs * np.exp(-up / 0.25), 0, 1)
    canvas.cover(mix(body, hexed("ff7a2a"), fire[..., None]), share.astype(np.float32))
