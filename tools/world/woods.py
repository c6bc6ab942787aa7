"""Trees that grow on a painted landscape: scattered where the land lies well, or in stands one behind another."""

import numpy as np

from tools.world.air import FAINTEST, Air
from tools.world.canvas import Canvas
from tools.world.season import leaves, needles
from tools.world.trees import SHAPES, tree


def species(season: str, conifers: float, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A kind of tree and the colour [3] of its leaves: `conifers` (0..1) of them keep their needles."""
    if rng.random() < conifers:
        return "pine", needles(season, rng)
    leaf = leaves(season, rng, 1)[0]
    if season == "winter":
        return "bare", leaf
    return ("birch" if rng.random() < 0.25 else "broad"), leaf


def scatter(
    canvas: Canvas,
    air: Air,
    depth: np.ndarray,
    count: int,
    conifers: float,
    rng: np.random.Generator,
    tall: float = 5.0,
    near: float = 26.0,
    far: float = 150.0,
    kind: str | None = None,
) -> None:
    """Grow `count` trees of about `tall` units on ground between `near` and `far`, in clumps; far ones first."""
    view = canvas.view
    fits = canvas.ground & (depth > near) & (depth < far)
    places = np.flatnonzero(fits)
    if places.size < 40:
        return
    chosen = rng.choice(places, count)
    clump = rng.choice(places, max(1, count // 9))
    drift = rng.normal(0, 0.035 * view.size, (2, count))
    for k in range(count):
        if rng.random() < 0.7:
            row, column = divmod(int(clump[k % len(clump)]), view.width)
            row, column = round(row + 0.15 * drift[0, k]), round(column + drift[1, k])
            if 0 <= row < view.height and 0 <= column < view.width and fits[row, column]:
                chosen[k] = row * view.width + column
    away = depth.ravel()[chosen]
    leaf_kind = species(air.light.season, conifers, rng)
    for k in np.argsort(-away):
        row, column = divmod(int(chosen[k]), view.width)
        grown, leaf = species(air.light.season, conifers, rng) if rng.random() < 0.5 else leaf_kind
        if kind is not None:
            grown = kind
        height = round(tall * rng.uniform(0.7, 1.35) * view.focal / away[k])
        if height < 3:
            continue
        grow(canvas, air, grown, height, leaf, (column, row + 1), float(away[k]), rng)


def grow(
    canvas: Canvas,
    air: Air,
    kind: str,
    height: int,
    leaf: np.ndarray,
    foot: tuple[float, float],
    distance: float,
    rng: np.random.Generator,
) -> None:
    """Paint a tree `height` pixels tall with its foot at (column, row), seen through `distance` units of air."""
    sprite = tree(kind, int(rng.integers(SHAPES)), height, leaf, air.light, haze(air, distance))
    top, low, left, right = canvas.put(sprite, *foot)
    if height > 0.25 * canvas.view.size and low > top and right > left:
        # Nothing stands in mid-air before the crown of a near tree.
        above, before = top - (round(foot[1]) - sprite.shape[0]), left - round(foot[0] - sprite.shape[1] / 2)
        opaque = sprite[above : above + low - top, before : before + right - left, 3] > 0.5
        canvas.ground[top:low, left:right] &= ~opaque


def haze(air: Air, distance: float) -> float:
    """How much of something at `distance` is haze, 0..1."""
    return (1 - FAINTEST) * (1 - float(np.exp(-air.density * max(0.0, distance - air.near))))
