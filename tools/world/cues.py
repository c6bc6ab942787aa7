"""What tells the season where no forest does: a bough, a near tree or grass in a corner, petals on the wind."""

import numpy as np
from PIL import Image, ImageDraw

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.season import grass, leaves
from tools.world.trees import SHAPES, tree

# Landscapes on which too little grows to tell the season by.
BARE = frozenset({"sea", "dunes", "canyon", "city", "lighthouse", "islands", "volcano", "beach", "aurora", "lake"})
_HEADS = {"spring": ("ff8ab8", "fff0f6", "ffd84a", "c08af0"), "summer": ("ffd23a", "4f8a34", "f0f0e0", "6a9440")}


def paint_cues(canvas: Canvas, air: Air, subject: str, rng: np.random.Generator) -> None:
    """Show the season in a corner of the foreground, always where little else shows it."""
    shown, over, wind = rng.random(), rng.random(), rng.random()
    side = int(rng.choice((-1, 1)))
    if subject in BARE or air.weather == "fog" or shown < 0.35:
        if over < 0.3:
            _bough(canvas, air, side, rng)
        elif over < 0.68:
            _grass(canvas, air, side, rng)
        else:
            _trunk(canvas, air, side, rng)
    if air.light.season in ("spring", "autumn") and (wind < 0.3 or (subject in BARE and wind < 0.65)):
        _drift(canvas, air, rng)


def _bough(canvas: Canvas, air: Air, side: int, rng: np.random.Generator) -> None:
    view, season = canvas.view, air.light.season
    kind = "twig" if season == "winter" else "branch"
    height = round(view.size * rng.uniform(0.34, 0.6))
    leaf = leaves(season, rng, 3)
    if season == "spring":
        leaf = tuple(map(hexed, (("f59ac0", "ffe4ee", "ffd0e2"), ("fff4f6", "f8b4cc", "fff4f6"))[int(rng.integers(2))]))
    if season == "summer":
        leaf = (leaf[0], leaf[1], 1.4 * leaf[0])
    sprite = tree(kind, int(rng.integers(SHAPES)), height, leaf[0], air.light, top=leaf[1])
    # The map's light comes from the left and is turned with it, so the bough is turned by hand.
    turned = (air.light.sun[0] > 0) != (side > 0)
    sprite = sprite[:, ::-1] if turned else sprite
    wide = sprite.shape[1]
    column = wide / 2 - 1 if side < 0 else view.width - wide / 2 + 1
    canvas.put(sprite, column, height + rng.uniform(-0.05, 0.02 if kind == "branch" else 0.15) * view.size)


def _trunk(canvas: Canvas, air: Air, side: int, rng: np.random.Generator) -> None:
    """A near tree at the edge, half outside the picture, and a bush at its foot."""
    view, season = canvas.view, air.light.season
    column = view.width * (0.5 + side * rng.uniform(0.44, 0.54))
    foot = view.height * rng.uniform(0.93, 1.15)
    leaf = leaves(season, rng, 2)
    kind = "bare" if season == "winter" else "broad" if rng.random() < 0.7 else "birch"
    height = round(view.size * rng.uniform(0.5, 1.0))
    canvas.put(tree(kind, int(rng.integers(SHAPES)), height, leaf[0], air.light, top=leaf[1]), column, foot)
    bush = tree("bush", int(rng.integers(SHAPES)), round(0.2 * height), leaf[1], air.light)
    canvas.put(bush, column - side * 0.1 * height, view.height + 0.03 * view.size)


def _grass(canvas: Canvas, air: Air, side: int, rng: np.random.Generator) -> None:
    view, season = canvas.view, air.light.season
    blade = grass(season, rng) * 0.9
    codes = _HEADS.get(season)
    head = hexed(codes[rng.integers(len(codes))]) if codes else leaves(season, rng, 1)[0]
    for _ in range(int(rng.integers(2, 6))):
        column = view.width * (0.5 + side * rng.uniform(0.3, 0.55))
        height = round(view.size * rng.uniform(0.14, 0.3))
        sprite = tree("tuft", int(rng.integers(SHAPES)), height, blade, air.light, top=head)
        canvas.put(sprite, column, view.height + 0.03 * view.size)


def _drift(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Petals or leaves in the air."""
    view = canvas.view
    colours = (hexed("f8a8c8"), hexed("ffe0ec")) if air.light.season == "spring" else leaves("autumn", rng, 2)
    for colour in colours:
        sheet = Image.new("L", (3 * view.width, 3 * view.height))
        draw = ImageDraw.Draw(sheet)
        for x, y in (rng.random((int(rng.integers(6, 18)), 2)) * sheet.size).tolist():
            long, turn = view.size * rng.uniform(0.02, 0.042), rng.uniform(0, np.pi)
            a, b = long * np.cos(turn), long * np.sin(turn)
            draw.polygon(
                [(x - a, y - b), (x + 0.45 * b, y - 0.45 * a), (x + a, y + b), (x - 0.45 * b, y + 0.45 * a)], 255
            )
        share = np.asarray(sheet.reduce(3), np.float32) / 255
        canvas.cover(colour * (air.light.ambient + 0.8 * air.light.key), share)
