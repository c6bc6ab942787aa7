"""The things that stand, swim and fly in the landscapes, drawn to size: what people made.

Every sprite is linear RGB premultiplied by alpha, float32 [h, w, 4], and stands on the middle of its lower edge. Light
in the air (lamps, fire) has colour without alpha, so a sprite is composited as `sprite.rgb + (1 - alpha) * behind`.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tools.world.light import Light
from tools.world.nature import bird, deer, flower, road, rock, tree
from tools.world.paint import LAMP, PAINTS, Pen, linear, mix

_WOOD = linear(112, 74, 46)
_DARK = linear(52, 40, 36)
_STONE = linear(150, 142, 130)
_CREAM = linear(236, 226, 200)


def sprite(kind: str, colour: str | None, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """One object of `kind` (a kind of `scene.KINDS`), `height` pixels tall, as wide as such a thing is."""
    return _KINDS[kind](PAINTS.get(colour or "", _STONE), light, height, rng)


def _cabin(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    long, tall, wall = rng.uniform(0.55, 0.75), rng.uniform(0.86, 0.94), rng.uniform(0.42, 0.5)
    pen = Pen(light, height, 1.7, rng.random() < 0.5)
    front, side, slope = (-0.45, 0.0, 0.9), (0.6, 0.0, 0.8), (0.5, 0.75, 0.45)
    left, corner, right = -0.62, -0.08, -0.08 + long
    ridge = (left + corner) / 2
    thatch = linear(84, 62, 52) if paint.max() > 0.05 else linear(146, 128, 110)
    roof = pen.snowy(pen.lit(thatch, slope))
    trim = pen.lit(_CREAM, front)
    chimney = ridge + 0.6 * long
    pen.box(chimney, 0.6, chimney + 0.1, 1.0, pen.lit(linear(120, 84, 72), front))
    pen.box(chimney - 0.012, 0.96, chimney + 0.112, 1.0, pen.snowy(pen.lit(linear(80, 64, 60), front)))
    pen.polygon([(corner, 0), (right, 0), (right, wall), (corner, wall)], pen.named(paint, side))
    pen.polygon([(left, 0), (corner, 0), (corner, wall), (ridge, tall - 0.04), (left, wall)], pen.named(paint, front))
    for y in np.arange(0.08, wall, 0.085):
        pen.line([(left, y), (corner, y)], 0.01, 0.8 * pen.named(paint, front))
        pen.line([(corner, y), (right, y)], 0.01, 0.8 * pen.named(paint, side))
    pen.polygon(
        [(corner, wall), (corner + 0.05, wall - 0.06), (right, wall - 0.06), (right, wall)], pen.lit(_DARK, side)
    )
    eave = wall - 0.05
    pen.polygon([(ridge, tall), (ridge + long + 0.02, tall), (right + 0.07, eave), (corner + 0.06, eave)], roof)
    pen.line([(left - 0.05, eave), (ridge, tall - 0.02), (corner + 0.05, eave)], 0.05, pen.snowy(trim))
    pane = pen.window()
    for x in (corner + 0.3 * long, corner + 0.68 * long):
        pen.box(x - 0.075, 0.14, x + 0.075, 0.33, pen.lit(_CREAM, side))
        pen.box(x - 0.055, 0.16, x + 0.055, 0.31, pane)
        pen.line([(x, 0.16), (x, 0.31)], 0.014, pen.lit(_CREAM, side))
        if light.lamps:
            pen.glow(x, 0.23, 0.22, 0.2 * LAMP)
    pen.box(ridge - 0.075, 0, ridge + 0.075, 0.3, pen.lit(_DARK, front))
    pen.box(ridge - 0.05, wall, ridge + 0.05, wall + 0.13, pane)
    pen.line([(left, 0), (left, wall)], 0.025, trim)
    pen.line([(corner, 0), (corner, wall)], 0.025, trim)
    return pen.sprite(rng)


def _boat(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    pen = Pen(light, height, 1.04, rng.random() < 0.5)
    belly, lean = rng.uniform(0.03, 0.1), rng.uniform(-0.03, 0.05)
    mast, top = 0.04, rng.uniform(0.94, 0.99)
    main, fore = (-0.35, 0.15, 0.93), (0.45, 0.2, 0.87)
    pen.line([(mast, 0.16), (mast + lean, top)], 0.025, pen.lit(_DARK))
    curve = np.linspace(0, 1, 7)
    leech = [(mast + lean * (1 - t) - 0.42 * t - belly * np.sin(np.pi * t), top - 0.74 * t) for t in curve]
    pen.polygon([*leech, (mast, top - 0.76)], pen.named(paint, main))
    fold = [(mast + lean * (1 - t) - 0.19 * t - 0.5 * belly * np.sin(np.pi * t), top - 0.75 * t) for t in curve]
    pen.polygon([*fold, (mast, top - 0.76)], pen.named(0.85 * paint, (-0.1, 0.15, 0.98)))
    jib = [(mast + 0.05 + lean * (1 - t) + 0.37 * t - belly * np.sin(np.pi * t), top - 0.08 - 0.67 * t) for t in curve]
    pen.polygon([*jib, (mast + 0.05, top - 0.72)], pen.named(mix(paint, np.ones(3), 0.12), fore))
    hull = pen.lit(_CREAM if paint.max() < 0.9 or paint.min() < 0.5 else _WOOD, (0.2, 0.1, 0.97))
    pen.polygon([(-0.44, 0.2), (0.5, 0.22), (0.34, 0.02), (-0.12, 0.0), (-0.38, 0.03)], hull)
    pen.polygon([(-0.41, 0.1), (0.42, 0.1), (0.34, 0.02), (-0.12, 0.0), (-0.38, 0.03)], pen.lit(_WOOD, (0, -0.3, 0.9)))
    pen.line([(-0.44, 0.2), (0.5, 0.22)], 0.03, pen.lit(_DARK))
    if light.lamps:
        pen.ellipse(-0.36, 0.25, 0.03, 0.03, LAMP)
        pen.glow(-0.36, 0.25, 0.2, 0.5 * LAMP)
    return pen.sprite(rng, 0.02)


def _bridge(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    pen = Pen(light, height, 3.2, rng.random() < 0.5)
    albedo = _STONE * rng.uniform(0.8, 1.2) * np.array([1.05, 1.0, rng.uniform(0.85, 1.0)], np.float32)
    arches = int(rng.integers(1, 4))
    hump = rng.uniform(0.1, 0.34)
    across = np.linspace(-1.58, 1.58, 25)
    deck = [(x, 0.96 - hump * (x / 1.58) ** 2) for x in across]
    face, under, ring = pen.lit(albedo), 0.45 * pen.lit(albedo, (0, -0.6, 0.8)), pen.lit(1.25 * albedo)
    pen.polygon([(-1.58, 0), *deck, (1.58, 0)], face)
    tones = [pen.lit(albedo * tone) for tone in (0.72, 0.85, 1.15)]
    for x, y in zip(rng.uniform(-1.52, 1.52, 46), rng.integers(0, 8, 46) * 0.085, strict=True):
        pen.box(x, y, x + rng.uniform(0.08, 0.16), y + 0.07, tones[int(rng.integers(3))])
    span = 2.6 / arches
    turn = np.linspace(0, np.pi, 15)
    for k in range(arches):
        x = -1.3 + span * (k + 0.5)
        crown = 0.72 - hump * (x / 1.58) ** 2
        for wider, colour in ((0.07, ring), (0.0, under), (-0.06, None)):
            half, high, shift = span * 0.42 + wider, crown + wider, 0.05 if colour is None else 0.0
            arc = [(x + shift + half * np.cos(a), max(0.0, high * np.sin(a))) for a in turn]
            if colour is None:
                pen.erase(arc)
            else:
                pen.polygon(arc, colour)
    pen.line([(x, y - 0.02) for x, y in deck], 0.07, pen.snowy(pen.lit(1.2 * albedo, (0, 0.6, 0.8))))
    pen.line([(x, y - 0.16) for x, y in deck], 0.03, pen.lit(0.7 * albedo))
    if light.lamps:
        for x in (-1.2, 0.0, 1.2):
            y = 0.9 - hump * (x / 1.58) ** 2
            pen.ellipse(x, y, 0.05, 0.06, LAMP)
            pen.glow(x, y, 0.36, 0.3 * LAMP)
    return pen.sprite(rng)


def _windmill(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    pen = Pen(light, height, 0.94, rng.random() < 0.5)
    foot, neck = rng.uniform(0.25, 0.29), rng.uniform(0.15, 0.175)
    hub, reach = (0.02, 0.58), 0.41
    pen.tube((0, 0.0, foot), (0, 0.54, neck), paint, named=True)
    cap = linear(92, 66, 52) if paint.max() > 0.05 else linear(168, 150, 130)
    pen.tube((0, 0.53, neck + 0.03), (0, 0.62, neck), cap, rise=0.4)
    pen.tube((0, 0.62, neck), (0, 0.7, 0.02), cap, rise=0.9)
    pen.tube((0, 0.24, foot * 0.62 + neck * 0.38 + 0.04), (0, 0.27, foot * 0.6 + neck * 0.4 + 0.04), _WOOD)
    pen.box(-0.05, 0, 0.05, 0.14, pen.lit(_DARK))
    pane = pen.window()
    for y in (0.36, 0.45):
        pen.box(-0.03, y - 0.03, 0.03, y + 0.03, pane)
    if light.lamps:
        pen.glow(0, 0.4, 0.22, 0.25 * LAMP)
    start = rng.uniform(0, np.pi / 2)
    cloth, spar = pen.named(_CREAM, (0.2, 0.1, 0.95)), pen.lit(_DARK)
    for k in range(4):
        angle = start + k * np.pi / 2
        along, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        corner = [
            hub + reach * far * along + 0.085 * near * aside for far, near in ((0.2, 0), (1, 0), (1, 1), (0.2, 1))
        ]
        pen.polygon([tuple(point) for point in corner], cloth)
        for far in (0.4, 0.6, 0.8):
            start_at, end_at = hub + reach * far * along, hub + reach * far * along + 0.085 * aside
            pen.line([tuple(start_at), tuple(end_at)], 0.008, 0.6 * cloth)
        pen.line([hub, tuple(hub + reach * along)], 0.022, spar)
    pen.ellipse(*hub, 0.03, 0.03, spar)
    return pen.sprite(rng, 0.03)


def _tent(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    pen = Pen(light, height, 2.6, rng.random() < 0.5)
    long, tall = rng.uniform(0.5, 0.68), rng.uniform(0.86, 0.96)
    front, side = (-0.45, 0.2, 0.87), (0.55, 0.5, 0.67)
    shine = 0.3 * paint if light.lamps else np.zeros(3)
    left, corner, top = -0.78, -0.1, (-0.42, tall)
    roof = pen.snowy(pen.named(paint, side) + 0.6 * shine) if light.snow > 0.6 else pen.named(paint, side) + 0.6 * shine
    pen.polygon(
        [(corner, 0), (corner + long, 0.05), (top[0] + long, tall - 0.05), top], pen.named(paint, side) + 0.6 * shine
    )
    if light.snow > 0:
        pen.polygon(
            [(top[0] + 0.1, tall - 0.24), (top[0] + long + 0.1, tall - 0.28), (top[0] + long, tall - 0.05), top], roof
        )
    pen.polygon([(left, 0), (corner, 0), top], pen.named(paint, front) + shine)
    inside = LAMP * 0.9 if light.lamps else pen.lit(linear(46, 36, 34))
    pen.polygon([(left + 0.2, 0), (corner - 0.18, 0), (top[0], 0.72 * tall)], inside)
    pen.polygon([(left + 0.2, 0), (left + 0.27, 0), (top[0], 0.72 * tall)], pen.named(0.7 * paint, front))
    pen.line([(left, 0), top, (corner, 0)], 0.022, pen.named(mix(paint, np.ones(3), 0.4), front))
    pen.line([top, (top[0] + long, tall - 0.05)], 0.022, pen.named(mix(paint, np.ones(3), 0.3), side))
    _fire(pen, 0.8, rng)
    return pen.sprite(rng, 0.03)


def _fire(pen: Pen, x: float, rng: np.random.Generator) -> None:
    logs = pen.lit(_DARK)
    pen.line([(x - 0.14, 0.02), (x + 0.12, 0.09)], 0.05, logs)
    pen.line([(x - 0.12, 0.09), (x + 0.14, 0.02)], 0.05, logs)
    tall = rng.uniform(0.3, 0.42)
    for size, hue in ((1.0, (1.1, 0.25, 0.03)), (0.7, (1.2, 0.55, 0.06)), (0.4, (1.3, 1.0, 0.4))):
        lean = rng.uniform(-0.03, 0.03)
        flame = [(-0.1, 0.12), (-0.08, 0.3), (lean, 1.0), (0.05, 0.45), (0.1, 0.3), (0.08, 0.05), (-0.05, 0.03)]
        pen.polygon([(x + dx * size, 0.05 + tall * dy * size) for dx, dy in flame], np.array(hue))
    if pen.light.lamps:
        pen.glow(x, 0.2, 0.9, np.array([0.4, 0.16, 0.03]))
        pen.glow(-0.42, 0.3, 0.6, 0.1 * LAMP)


def _balloon(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    pen = Pen(light, height, 0.76, rng.random() < 0.5)
    pale = paint.min() > 0.5
    accent = linear(176, 184, 196) if pale else linear(70, 70, 78) if paint.max() < 0.05 else PAINTS["white"]
    stripes = [(0, 0, 1, 0, 0, 0, 1, 0, 0), (0, 1, 0, 0, 1, 0, 0, 1, 0), (1, 0, 0, 1, 0, 1, 0, 0, 1)][
        int(rng.integers(3))
    ]
    angle = np.linspace(-0.5 * np.pi, 0.62 * np.pi, 9)[::-1]
    ring = [(0.64 + 0.35 * np.sin(a), 0.36 * np.cos(a)) for a in angle[1:]]
    ring = [(0.995, 0.02), *[point for point in ring if point[0] > 0.45], (0.3, 0.15), (0.235, 0.085)]
    shine = 0.25 if light.lamps else 0.0
    edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 10)).tolist()
    for (high, wide), (low, narrow) in pairwise(ring):
        rise = ((high + low) / 2 - 0.6) / 0.36
        for k, striped in enumerate(stripes):
            left, right = edges[k], edges[k + 1]
            middle = (left + right) / 2
            albedo = accent if striped else paint
            colour = pen.named(albedo, (middle, rise, (1 - middle**2) ** 0.5)) + shine * albedo
            corners = [(wide * left, high), (wide * right, high), (narrow * right, low), (narrow * left, low)]
            pen.polygon(corners, colour)
    rope, basket = pen.lit(_DARK), pen.lit(_WOOD)
    for x in (-0.065, 0.065):
        pen.line([(x, 0.24), (0.85 * x, 0.1)], 0.01, rope)
    pen.polygon([(-0.07, 0.11), (0.07, 0.11), (0.06, 0.0), (-0.06, 0.0)], basket)
    pen.line([(-0.075, 0.11), (0.075, 0.11)], 0.025, rope)
    if light.lamps:
        pen.ellipse(0, 0.2, 0.025, 0.05, LAMP)
        pen.glow(0, 0.22, 0.3, 0.6 * LAMP)
    return pen.sprite(rng, 0.02)


_KINDS: dict[str, Callable[[np.ndarray, Light, int, np.random.Generator], np.ndarray]] = {
    "cabin": _cabin,
    "boat": _boat,
    "bridge": _bridge,
    "windmill": _windmill,
    "tent": _tent,
    "balloon": _balloon,
    "bird": bird,
    "flower": flower,
    "road": road,
    "deer": deer,
    "rock": rock,
    "tree": tree,
}
