"""Sprites of what grows, lies and lives in the landscapes; `things.sprite` draws them by name."""

import math

import numpy as np

from tools.world.light import Light
from tools.world.paint import Pen, linear, luminance, mix

_BARK = linear(92, 68, 50)
_LEAVES = {
    "spring": (linear(244, 176, 200), linear(250, 214, 224), linear(150, 190, 90)),
    "summer": (linear(62, 120, 40), linear(84, 142, 52), linear(50, 104, 44)),
    "autumn": (linear(214, 92, 22), linear(232, 148, 30), linear(186, 48, 26)),
}
_NEEDLES = {"spring": linear(48, 104, 58), "summer": linear(38, 92, 52), "autumn": linear(40, 84, 50)}
_GRASS = {"spring": linear(92, 150, 56), "summer": linear(70, 128, 44), "autumn": linear(132, 124, 54)}


def bird(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A flying bird: dark before a bright sky, white in the dark."""
    pen = Pen(light, height, 2.1, rng.random() < 0.5)
    bright = luminance(light.haze) > 0.1
    body = np.array([0.015, 0.016, 0.02]) if bright else np.array([0.62, 0.64, 0.68])
    below = 1.9 * body if bright else 0.72 * body
    lift, bend, y = rng.uniform(-0.25, 0.5), rng.uniform(0.14, 0.3), 0.42
    for side, colour in ((-1, body), (1, below)):
        wrist, tip = (side * 0.42, y + bend + 0.3 * lift), (side * 1.0, y + lift + 0.04)
        pen.polygon(
            [
                (side * 0.02, y + 0.08),
                (side * 0.2, y + 0.1 + 0.6 * bend + 0.1 * lift),
                wrist,
                (side * 0.72, (wrist[1] + tip[1]) / 2 + 0.06),
                tip,
                (side * 0.66, (wrist[1] + tip[1]) / 2 - 0.1),
                (side * 0.42, wrist[1] - 0.2),
                (side * 0.14, y - 0.1),
                (0, y - 0.08),
            ],
            colour,
        )
    pen.polygon([(-0.34, y - 0.16), (-0.3, y - 0.02), (0.1, y + 0.1), (0.28, y + 0.06), (0.2, y - 0.08)], body)
    pen.ellipse(0.2, y + 0.03, 0.1, 0.085, body)
    pen.polygon([(0.27, y + 0.06), (0.4, y + 0.0), (0.27, y - 0.01)], body)
    return pen.sprite(rng, 0.0)


def flower(paint: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A wide bed of many blooms of one colour on green stems, the near ones larger."""
    pen = Pen(light, height, 3.4)
    grass = 0.8 * _GRASS.get(light.season, linear(96, 110, 70))
    greens = [pen.lit(grass * tone, (0.0, 0.7, 0.7)) for tone in (0.45, 0.65, 0.9)]
    beds = [pen.snowy(green) for green in greens[:2]]
    for x, y in zip(rng.uniform(-1.4, 1.4, 40).tolist(), rng.uniform(0.04, 0.4, 40).tolist(), strict=True):
        y *= 1 - (x / 1.6) ** 2
        pen.ellipse(x, y, 0.26, 0.1, beds[int(y > 0.2)], 0.9)
    blades = zip(rng.uniform(-1.6, 1.6, 70).tolist(), rng.uniform(0, 0.5, 70).tolist(), strict=True)
    for k, (x, y) in enumerate(blades):
        y *= 1 - (x / 1.7) ** 2
        pen.line([(x, y), (x + 0.02 * (k % 7 - 3), y + 0.12 + 0.03 * (k % 6))], 0.025, greens[k % 3])
    blooms = int(rng.integers(52, 70))
    depth = np.sort(rng.uniform(0, 1, blooms))[::-1]
    eye = linear(120, 62, 16) if paint[0] > 0.6 and paint[1] > 0.3 and paint[2] < 0.3 else linear(255, 206, 40)
    tones = [pen.named(paint * tone, (0, 0.6, 0.8)) for tone in (0.72, 1.0)]
    pale = pen.named(mix(paint, np.ones(3), 0.12), (0, 0.8, 0.6))
    heart = pen.named(eye, (0, 0.6, 0.8))
    for far in depth:
        x = rng.uniform(-1.5, 1.5) * (1 - 0.15 * far)
        y = 0.16 + (0.1 + 0.62 * far) * (1 - (x / 1.75) ** 2)
        size = (0.125 - 0.06 * far) * rng.uniform(0.8, 1.15)
        pen.line([(x, y), (x + rng.uniform(-0.03, 0.03), y - 2.2 * size)], 0.02, greens[1])
        turn = rng.uniform(0, np.pi)
        if size * height < 2.5:
            pen.ellipse(x, y, size, 0.85 * size, tones[int(far < 0.6)])
            pen.ellipse(x, y + 0.3 * size, 0.6 * size, 0.4 * size, pale)
            continue
        for k in range(5):
            angle = turn + k * 2 * np.pi / 5
            petal = pale if math.sin(angle) > 0.5 else tones[k % 2]
            across, up = 0.62 * size * math.cos(angle), 0.5 * size * math.sin(angle)
            pen.ellipse(x + across, y + up, 0.55 * size, 0.48 * size, petal)
        pen.ellipse(x, y, 0.28 * size, 0.24 * size, heart)
    return pen.sprite(rng, 0.03)


def road(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A path that winds away into the distance; it lies on the ground, its near end on the lower edge."""
    pen = Pen(light, height, 2.8, rng.random() < 0.5)
    earth = linear(196, 168, 126) * (1 - 0.5 * light.wetness)
    up = (0.0, 1.0, 0.15)
    dust = mix(pen.lit(earth, up), light.haze, 0.25 * light.wetness)
    dust = mix(dust, pen.lit(linear(190, 192, 198), up), 0.8 * light.snow)
    phase, bends, swing = rng.uniform(0, 2 * np.pi), rng.uniform(1.0, 2.4), rng.uniform(0.3, 0.9)
    steps = np.linspace(0, 1, 41)
    deep = np.log1p(8 * steps) / np.log(9)
    middle = swing * np.sin(phase + bends * np.pi * deep) * (1 - steps) ** 0.7 * np.minimum(1, 0.25 + 2 * steps)
    half = 0.5 * (1 - steps) ** 1.5 + 0.012
    strips = ((1.16, 0.62), (1.0, 1.0), (0.62, 0.84), (0.38, 1.08))
    for spread, tone in strips:
        for start, end, alpha in ((0, 37, 1.0), (36, 41, 0.6)):
            y = steps[start:end].tolist()
            left = (middle - spread * half)[start:end].tolist()
            right = (middle + spread * half)[start:end].tolist()
            pen.polygon([*zip(left, y, strict=True), *zip(right[::-1], y[::-1], strict=True)], tone * dust, alpha)
    return pen.sprite(rng, 0.05)


def deer(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A stag from the side."""
    pen = Pen(light, height, 1.16, rng.random() < 0.5)
    coat = linear(150, 92, 50) * rng.uniform(0.85, 1.2)
    flank, back, belly = pen.lit(coat), pen.lit(1.1 * coat, (0, 0.7, 0.7)), pen.lit(0.6 * coat, (0, -0.4, 0.9))
    for x, lean in ((-0.2, rng.uniform(-0.05, 0.1)), (0.17, rng.uniform(-0.08, 0.08))):
        pen.line([(x, 0.44), (x + 0.03 + 0.4 * lean, 0.22), (x + lean, 0.01)], 0.042, belly)
    for x, lean in ((-0.28, rng.uniform(-0.06, 0.06)), (0.24, rng.uniform(-0.04, 0.12))):
        pen.polygon(
            [(x - 0.05, 0.46), (x + 0.07, 0.46), (x + 0.03 + 0.5 * lean, 0.22), (x - 0.02 + 0.5 * lean, 0.22)], flank
        )
        pen.line([(x + 0.5 * lean, 0.25), (x + lean, 0.01)], 0.042, flank)
    pen.polygon(
        [
            (-0.36, 0.5),
            (-0.34, 0.6),
            (-0.24, 0.65),
            (0.0, 0.62),
            (0.2, 0.66),
            (0.32, 0.58),
            (0.3, 0.46),
            (0.18, 0.39),
            (-0.1, 0.38),
            (-0.28, 0.42),
        ],
        flank,
    )
    pen.polygon(
        [(-0.34, 0.6), (-0.24, 0.65), (0.0, 0.62), (0.2, 0.66), (0.28, 0.62), (0.0, 0.56)],
        back,
    )
    pen.polygon([(-0.1, 0.38), (0.18, 0.39), (0.28, 0.44), (0.0, 0.43), (-0.26, 0.44)], belly)
    pen.polygon([(-0.35, 0.62), (-0.41, 0.56), (-0.37, 0.48), (-0.32, 0.55)], pen.lit(linear(240, 232, 216)))
    nod = rng.uniform(-0.04, 0.02)
    pen.polygon([(0.12, 0.64), (0.31, 0.5), (0.41, 0.7 + nod), (0.33, 0.79 + nod)], flank)
    pen.polygon(
        [(0.31, 0.8 + nod), (0.4, 0.81 + nod), (0.56, 0.71 + nod), (0.54, 0.66 + nod), (0.38, 0.68 + nod)], back
    )
    pen.polygon([(0.33, 0.78 + nod), (0.21, 0.82 + nod), (0.3, 0.73 + nod)], flank)
    horn = pen.lit(linear(196, 170, 130))
    for shift in (0.0, 0.07):
        x, y = 0.33 + shift, 0.79 + nod
        pen.line([(x, y), (x - 0.1, y + 0.1), (x - 0.06, y + 0.2)], 0.036, horn)
        pen.line([(x - 0.08, y + 0.08), (x + 0.05, y + 0.15)], 0.032, horn)
        pen.line([(x - 0.1, y + 0.1), (x - 0.2, y + 0.17)], 0.03, horn)
    return pen.sprite(rng)


def rock(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A boulder of a few facets."""
    pen = Pen(light, height, 1.7, rng.random() < 0.5)
    albedo = linear(132, 126, 120) * rng.uniform(0.75, 1.15) * (1 - 0.4 * light.wetness)
    typical = np.array([(-0.68, 0.3), (-0.36, 0.76), (0.14, 0.9), (0.6, 0.5), (-0.24, 0.5), (0.24, 0.56), (0.02, 0.3)])
    points = typical * (rng.uniform(0.7, 1.05), 1) + rng.uniform(-0.1, 0.1, (7, 2))
    a, b, c, d, e, f, g = [(x, min(y, 0.99)) for x, y in points.tolist()]
    low = [(a[0] - 0.06, 0.0), (-0.14, 0.0), (0.3, 0.0), (d[0] + 0.12, 0.0)]
    faces = (
        ([low[0], a, e, low[1]], (-0.8, 0.2, 0.5)),
        ([a, b, e], (-0.7, 0.6, 0.4)),
        ([b, c, f, e], (0.0, 0.85, 0.5)),
        ([c, d, f], (0.6, 0.65, 0.4)),
        ([e, f, g], (0.0, 0.4, 0.9)),
        ([low[1], e, g, low[2]], (-0.2, 0.1, 0.97)),
        ([g, f, low[2]], (0.2, 0.0, 0.97)),
        ([f, d, low[3], low[2]], (0.8, 0.2, 0.55)),
    )
    for points, normal in faces:
        colour = pen.lit(albedo * rng.uniform(0.88, 1.12), normal)
        pen.polygon(points, pen.snowy(colour, normal) if normal[1] > 0.5 else colour)
    return pen.sprite(rng, 0.08)


def tree(_: np.ndarray, light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A broad-leaved tree, which shows the season, or a fir."""
    pen = Pen(light, height, 0.96, rng.random() < 0.5)
    if rng.random() < 0.3:
        _fir(pen, rng)
    else:
        _broad(pen, rng)
    return pen.sprite(rng)


def _fir(pen: Pen, rng: np.random.Generator) -> None:
    needles = _NEEDLES.get(pen.light.season, linear(40, 76, 58)) * rng.uniform(0.8, 1.2)
    tiers, foot = int(rng.integers(5, 8)), rng.uniform(0.28, 0.36)
    pen.box(-0.03, 0, 0.03, 0.2, pen.lit(_BARK))
    for k in range(tiers):
        low, wide = 0.1 + 0.8 * k / tiers, foot * (1 - 0.92 * k / tiers)
        tip = min(0.995, low + 1.7 / tiers)
        for side in (-1, 1):
            normal = (0.75 * side, 0.35, 0.55)
            teeth = [
                (side * wide * t, low + 0.035 * (j % 2) + 0.03 * (1 - t)) for j, t in enumerate(np.linspace(0, 1, 6))
            ]
            pen.polygon([(0, tip), *teeth[::-1]], pen.lit(needles * (0.8 + 0.06 * k), normal))
            if pen.light.snow > 0:
                cap = [(0, tip), (side * wide * 0.98, low + 0.04), (side * wide * 0.5, low + 0.09), (0, low + 0.12)]
                pen.polygon(cap, pen.snowy(pen.lit(needles, normal), normal))


def _broad(pen: Pen, rng: np.random.Generator) -> None:
    light = pen.light
    bark, lean = pen.lit(_BARK * rng.uniform(0.8, 1.2)), rng.uniform(-0.05, 0.05)
    fork = rng.uniform(0.3, 0.4)
    pen.polygon([(-0.06, 0), (0.06, 0), (0.03 + lean, fork + 0.1), (-0.025 + lean, fork + 0.1)], bark)
    bare = light.season not in _LEAVES
    for angle in np.linspace(0.5, 2.64, 7 if bare else 5) + rng.uniform(-0.12, 0.12):
        _branch(pen, (lean, fork), angle, rng.uniform(0.24, 0.32), 0.035, 2 if bare else 1, bark, rng)
    if bare:
        return
    slim = rng.uniform(0.7, 1.1)
    lobes = [(lean, 0.68, 0.3)]
    lobes += [
        (lean + side * rng.uniform(0.16, 0.24) * slim, rng.uniform(0.48, 0.68), rng.uniform(0.15, 0.22))
        for side in (-1, 1, 1, -1)
    ]
    sun = np.array([pen.sunward, max(0.5, light.sun[1])])
    tint = rng.uniform(0.85, 1.15)
    for across, up, radius in lobes[::-1]:
        spots = rng.uniform(-1, 1, (round(500 * radius * radius) + 10, 2))
        spots = spots[np.hypot(*spots.T) < 1]
        for x, y in spots[np.argsort(spots @ sun)].tolist():
            albedo = tint * _LEAVES[light.season][int(rng.integers(3))]
            normal = (round(2 * x) / 2, round(2 * y + 0.6) / 2, 0.55)
            colour = pen.snowy(pen.lit(albedo, normal) * (0.88 + round(0.14 * y, 1)), normal)
            size = rng.uniform(0.04, 0.07)
            pen.ellipse(across + radius * slim * x, min(up + radius * y, 0.99 - size), size, 0.85 * size, colour)


def _branch(
    pen: Pen,
    start: tuple[float, float],
    angle: float,
    long: float,
    thick: float,
    twigs: int,
    bark: np.ndarray,
    rng: np.random.Generator,
) -> None:
    end = (start[0] + long * np.cos(angle), start[1] + long * np.sin(angle))
    pen.line([start, end], thick, bark)
    if pen.light.snow > 0:
        raised = [(start[0], start[1] + 0.35 * thick), (end[0], end[1] + 0.35 * thick)]
        pen.line(raised, 0.4 * thick, pen.snowy(bark))
    if twigs:
        for turn in (-0.5, 0.1, 0.5):
            turned = angle + turn + rng.uniform(-0.15, 0.15)
            _branch(pen, end, turned, 0.62 * long, 0.6 * thick, twigs - 1, bark, rng)
