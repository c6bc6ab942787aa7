"""Sets the things of a scene down where they belong: on land, on water or in the sky, on their side of the picture.

Where a side has no land (or no water) for what must stand on it, an islet (or a pond) is painted first.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, ripple, step
from tools.world.scene import SIDES, Thing
from tools.world.season import grass
from tools.world.things import sprite
from tools.world.water import DEEPS, paint_water

FLYING = frozenset({"bird", "balloon"})
AFLOAT = frozenset({"boat", "bridge"})
# Heights in units of the picture's size, for one of a kind; of several, each is smaller.
_HEIGHTS = {
    "cabin": (0.22, 0.34),
    "boat": (0.24, 0.36),
    "bridge": (0.15, 0.20),
    "windmill": (0.30, 0.42),
    "tent": (0.19, 0.28),
    "bird": (0.11, 0.16),
    "balloon": (0.24, 0.38),
    "flower": (0.14, 0.20),
    "road": (0.3, 0.5),
    "deer": (0.20, 0.30),
    "rock": (0.14, 0.22),
    "tree": (0.28, 0.42),
}
_FEWER = (1.0, 0.76, 0.62, 0.54)
_TRIES = 60
_SHRINKS = 4
_SMALLEST = 0.1


@dataclass(frozen=True)
class Spot:
    """Where one thing stands: the column of its middle, the row of its foot, its height and width, pixels."""

    column: float
    foot: float
    height: int
    width: int

    def overlap(self, other: "Spot") -> float:
        """The part of the smaller of two spots that the other covers, 0..1."""
        wide = (self.width + other.width) / 2 - abs(self.column - other.column)
        top = max(self.foot - self.height, other.foot - other.height)
        tall = min(self.foot, other.foot) - top
        if wide <= 0 or tall <= 0:
            return 0.0
        wide = min(wide, self.width, other.width)
        return wide * tall / min(self.width * self.height, other.width * other.height)


def place_things(canvas: Canvas, air: Air, things: tuple[Thing, ...], rng: np.random.Generator) -> None:
    """Paint all things, far ones first."""
    order = sorted(
        things, key=lambda thing: (thing.kind not in FLYING, thing.kind not in ("road", "bridge"), thing.kind)
    )
    taken: list[Spot] = []
    drawn: list[tuple[Thing, Spot, np.ndarray]] = []
    for thing in order:
        for spot, picture in _spots(canvas, air, thing, taken, rng):
            taken.append(spot)
            drawn.append((thing, spot, picture))
    flat = ("road", "bridge", "flower")
    drawn.sort(key=lambda entry: (entry[0].kind not in FLYING, entry[0].kind not in flat[:2], entry[1].foot))
    for thing, spot, picture in drawn:
        _set_down(canvas, air, thing.kind, spot, picture)


def _spots(
    canvas: Canvas, air: Air, thing: Thing, taken: list[Spot], rng: np.random.Generator
) -> list[tuple[Spot, np.ndarray]]:
    view = canvas.view
    low, high = _HEIGHTS[thing.kind]
    tall = view.size * rng.uniform(low, high) * _FEWER[thing.count - 1]
    if thing.kind == "road":
        tall = (view.height - view.horizon) * rng.uniform(0.75, 1.0)
    tall = max(tall, _SMALLEST * view.size)
    pictures = []
    for _ in range(thing.count):
        picture = sprite(thing.kind, thing.colour, air.light, max(8, round(tall * rng.uniform(0.92, 1.08))), rng)
        pictures.append(picture)
    limit = {"road": 0.75, "bridge": 0.5, "flower": 0.46}.get(thing.kind, 0.42 if thing.count == 1 else 0.24)
    if pictures[0].shape[1] > limit * view.width:
        smaller = max(8, int(pictures[0].shape[0] * limit * view.width / pictures[0].shape[1]))
        pictures = [sprite(thing.kind, thing.colour, air.light, smaller, rng) for _ in pictures]
    side = SIDES.index(thing.side)
    left, right = side * view.width / 3, (side + 1) * view.width / 3
    if thing.kind == "road":
        return [(Spot((left + right) / 2, view.height, *pictures[0].shape[:2]), pictures[0])]
    if thing.kind in FLYING:
        top = pictures[0].shape[0] + 2.0
        rows = (top, max(0.82 * view.horizon, 0.36 * view.height, top + 1))
        suited = None
    else:
        low_row = view.height - 0.045 * view.size
        rows = (min(view.horizon + 0.22 * (view.height - view.horizon), low_row - 1), low_row)
        suited = _prepared(canvas, air, thing, (left, right), rows, pictures[0].shape[1], rng)
    for _ in range(_SHRINKS):
        spots = _arranged(pictures, (left, right), rows, suited, taken, rng)
        crowding = max((a.overlap(b) for a, b in combinations(spots, 2)), default=0.0)
        smaller = round(0.85 * pictures[0].shape[0])
        if crowding < 0.2 or smaller < _SMALLEST * view.size:
            break
        pictures = [sprite(thing.kind, thing.colour, air.light, smaller, rng) for _ in pictures]
    return list(zip(spots, pictures, strict=True))


def _arranged(
    pictures: list[np.ndarray],
    third: tuple[float, float],
    rows: tuple[float, float],
    suited: np.ndarray | None,
    taken: list[Spot],
    rng: np.random.Generator,
) -> list[Spot]:
    """A spot for each picture within its third: a single one near its middle, several apart from each other."""
    left, right = third
    found: list[Spot] = []
    for picture in pictures:
        inset = 0.35 * (right - left) if len(pictures) == 1 else min(0.4 * picture.shape[1], 0.4 * (right - left))
        found.append(_best(picture, (left + inset, right - inset), rows, suited, taken, found, rng))
    return found


def _best(
    picture: np.ndarray,
    columns: tuple[float, float],
    rows: tuple[float, float],
    suited: np.ndarray | None,
    taken: list[Spot],
    own: list[Spot],
    rng: np.random.Generator,
) -> Spot:
    """Of many random spots the one on the fittest ground that covers least of what stands already."""
    height, width = picture.shape[:2]
    best, least = None, np.inf
    for column, foot in zip(rng.uniform(*columns, _TRIES), rng.uniform(*rows, _TRIES), strict=True):
        spot = Spot(float(column), float(foot), height, width)
        cost = 1.0 * sum(spot.overlap(other) for other in taken) + 4.0 * sum(spot.overlap(other) for other in own)
        if suited is not None:
            row = min(int(foot) - 1, suited.shape[0] - 1)
            ends = [int(np.clip(column + part * width, 0, suited.shape[1] - 1)) for part in (-0.3, 0.0, 0.3)]
            cost += 1.5 * (1 - float(suited[row, ends].mean()))
        if cost < least:
            best, least = spot, cost
        if cost == 0:
            break
    assert best is not None
    return best


def _prepared(
    canvas: Canvas,
    air: Air,
    thing: Thing,
    columns: tuple[float, float],
    rows: tuple[float, float],
    wide: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Where such a thing may stand [H, W]; makes room if its side has too little."""
    left, right, top, low = *map(int, columns), *map(int, rows)
    suited = canvas.water if thing.kind in AFLOAT else canvas.ground
    if suited[top:low, left:right].mean() > 0.15:
        return suited
    view = canvas.view
    middle = (columns[0] + columns[1]) / 2
    row = rng.uniform(0.45, 0.85) * (rows[1] - rows[0]) + rows[0]
    half = max(0.62 * wide, 0.2 * view.width)
    deep = (0.05 + 0.04 * thing.count) * view.size if thing.kind in AFLOAT else (0.035 + 0.02 * thing.count) * view.size
    row = min(row, view.height - 0.3 * deep)
    edge = 1 + 0.10 * grain(rng, 1.2, view.columns * (150 / view.size), view.rows * (150 / view.size))
    out = np.hypot((view.columns - middle) / half, (view.rows - row) / deep) * edge
    if thing.kind in AFLOAT:
        paint_water(canvas, air, out < 1, DEEPS[rng.integers(len(DEEPS))], rng, 6.0, 0.1)
        inner = out < 0.8
    else:
        _islet(canvas, air, middle, row, half, deep, rng)
        inner = canvas.ground & (out < 1.1)
    return inner


def _islet(
    canvas: Canvas, air: Air, middle: float, row: float, half: float, deep: float, rng: np.random.Generator
) -> None:
    """A low mound of grass with a stony, foamy rim."""
    view, light = canvas.view, air.light
    off = (view.columns - middle) / half
    swell = np.sqrt(np.clip(1 - off * off, 0, 1)) * (1 + 0.08 * ripple(rng, 1.2, view.width, 80)[None])
    top, foot = row - deep * swell, row + 0.7 * deep * swell
    start, end = int(max(0, top.min() - 1)), int(min(view.height, foot.max() + 2))
    rows = view.rows[start:end]
    texture = grain(rng, 0.8, view.columns * (260 / view.size), rows * (260 / view.size))
    shore = step(0.018, 0.0, (foot - rows) / view.size + 0.006 * texture)
    albedo = mix(grass(light.season, rng) * (1 + 0.14 * texture[..., None]), hexed("8a7c68"), shore[..., None])
    albedo = mix(albedo, hexed("eef2fa"), (min(1.0, 1.15 * light.snow) * (1 - shore))[..., None])
    lit = air.veil(albedo * (light.ambient + 0.6 * light.key), np.full(texture.shape, 16.0, np.float32))
    share = np.clip(rows - top + 0.5, 0, 1) * np.clip(foot - rows + 0.5, 0, 1) * (np.abs(off) < 1)
    canvas.cover(lit, share.astype(np.float32), start)
    canvas.ground[start:end] |= share > 0.5
    canvas.water[start:end] &= share <= 0.5


def _set_down(canvas: Canvas, air: Air, kind: str, spot: Spot, picture: np.ndarray) -> None:
    view = canvas.view
    near = np.clip((spot.foot - view.horizon) / view.size, 0.0, 1.0)
    distance = 22.0 if kind in FLYING else 8 + 9 / (0.3 + near)
    share = min(0.3, 1 - float(np.exp(-air.density * 0.6 * (distance - air.near))))
    picture = picture.copy()
    picture[..., :3] += share * (air.light.haze * picture[..., 3:] - picture[..., :3])
    if (
        kind in AFLOAT
        and canvas.water[min(view.height - 1, int(spot.foot)), int(np.clip(spot.column, 0, view.width - 1))]
    ):
        mirrored = picture[::-1][: max(1, round(0.6 * spot.height))].copy()
        mirrored *= np.linspace(0.55, 0.1, len(mirrored), dtype=np.float32)[:, None, None]
        canvas.put(mirrored, spot.column, spot.foot - 1 + len(mirrored))
    elif kind not in FLYING and kind != "road":
        _shadow(canvas, air, spot)
    canvas.put(picture, spot.column, spot.foot)


def _shadow(canvas: Canvas, air: Air, spot: Spot) -> None:
    """Darken the ground about a foot, a little away from the sun."""
    view = canvas.view
    half, deep = 0.62 * spot.width, max(1.5, 0.09 * spot.height)
    column = spot.column - 0.3 * spot.width * float(air.light.sun[0])
    top, left = int(max(0, spot.foot - 2 * deep)), int(max(0, column - half - 1))
    rows, columns = view.rows[top : int(spot.foot + 2 * deep)], view.columns[:, left : int(column + half + 2)]
    if rows.size and columns.size:
        fall = np.clip(1 - ((columns - column) / half) ** 2 - ((rows - spot.foot + 1) / deep) ** 2, 0, 1) ** 0.7
        canvas.pixels[top : top + len(rows), left : left + columns.size] *= (1 - 0.45 * fall)[..., None]
