"""What stands in front: a cabin, a sailing boat or flowers, on ground or water that suits the subject."""

import numpy as np

from tools.tiny.canvas import Canvas, mix, rgb
from tools.tiny.palette import WHITE, Light

PETALS = (rgb(0.95, 0.30, 0.36), rgb(1.0, 0.84, 0.25), rgb(0.98, 0.97, 0.98), rgb(0.72, 0.42, 0.90))


def none(canvas: Canvas, light: Light, subject: str, rng: np.random.Generator) -> None:
    """The bare landscape."""


def cabin(canvas: Canvas, light: Light, subject: str, rng: np.random.Generator) -> None:
    """A log cabin with a lit window; by the sea it stands on an islet."""
    side = 1 if rng.random() < 0.5 else -1
    x = 0.5 + side * rng.uniform(0.14, 0.22)
    y = 0.90
    if subject == "sea":
        islet = 0.86 + 0.16 * np.clip(np.abs(canvas.grid - x) / 0.42, 0, 1.5) ** 2
        foam = WHITE * light.palette.near_ambient
        canvas.ridge(islet - 0.012, foam, foam)
        canvas.ridge(
            islet, light.at(rgb(0.50, 0.68, 0.36), 0.03, 0.9), light.at(rgb(0.36, 0.54, 0.28), 0.0, 0.85), 0.12
        )
    canvas.glow(x, y + 0.005, 0.19, 0.02, light.at(rgb(0.16, 0.22, 0.20), 0.0, 0.5), 0.45)

    def spot(*points: tuple[float, float]) -> np.ndarray:
        return np.array(points) * (-side, 1) + (x, y)

    wood, dark, roof = rgb(0.62, 0.38, 0.22), rgb(0.46, 0.27, 0.16), rgb(0.52, 0.20, 0.17)
    canvas.polygons([spot((0.06, -0.30), (0.10, -0.30), (0.10, -0.20), (0.06, -0.20))], light.at(dark, 0.0))
    canvas.polygons([spot((-0.03, -0.13), (0.17, -0.13), (0.17, 0.0), (-0.03, 0.0))], light.at(wood, 0.0))
    canvas.polygons(
        [spot((-0.15, 0.0), (-0.15, -0.12), (-0.09, -0.24), (-0.03, -0.13), (-0.03, 0.0))], light.at(dark, 0.0)
    )
    slope = spot((-0.09, -0.265), (0.13, -0.265), (0.195, -0.12), (-0.025, -0.12))
    canvas.polygons([slope], light.at(roof, 0.0, 0.95), light.at(mix(roof, dark, 0.3), 0.0, 0.85))
    canvas.polygons(
        [spot((-0.09, -0.265), (-0.175, -0.105), (-0.15, -0.105), (-0.085, -0.225))], light.at(dark, 0.0, 0.8)
    )
    canvas.polygons(
        [spot((-0.115, 0.0), (-0.115, -0.09), (-0.065, -0.09), (-0.065, 0.0))], light.at(rgb(0.28, 0.16, 0.11), 0.0)
    )
    lamp = rgb(1.0, 0.84, 0.38)
    cx, cy = spot((0.07, -0.068))[0]
    canvas.glow(cx, cy, 0.07, 0.06, lamp, 0.5)
    canvas.polygons([spot((0.03, -0.10), (0.11, -0.10), (0.11, -0.035), (0.03, -0.035))], lamp)
    canvas.polygons([spot((0.064, -0.10), (0.076, -0.10), (0.076, -0.035), (0.064, -0.035))], light.at(dark, 0.0))


def boat(canvas: Canvas, light: Light, subject: str, rng: np.random.Generator) -> None:
    """A sailing boat and its reflection, on the sea or on a lake that mirrors the scene."""
    palette = light.palette
    side = 1 if rng.random() < 0.5 else -1
    x = 0.5 + side * rng.uniform(0.12, 0.24)
    y, depth = (0.78, 0.25) if subject == "sea" else (0.84, 0.42)
    if subject != "sea":
        near = mix(light.at(rgb(0.10, 0.36, 0.58), 0.0), light.sky(palette.zenith), 0.3)
        far = mix(light.sky(palette.horizon), near, 0.45)
        canvas.mirror(0.79, near, far, 0.62)
        bank = light.at(rgb(0.34, 0.48, 0.28), 0.05, 0.95)
        canvas.veil(0.79, 0.005, bank, 0.85)
        for row in (0.87, 0.94):
            canvas.glow(rng.uniform(0.1, 0.9), row, 0.12, 0.005, mix(far, WHITE, 0.3), 0.5)

    hull = np.array([(-0.13, -0.035), (0.14, -0.035), (0.10, 0.02), (-0.095, 0.02)])
    main = np.array([(0.0, -0.36), (0.115, -0.055), (0.0, -0.055)])
    jib = np.array([(-0.016, -0.31), (-0.016, -0.055), (-0.105, -0.055)])
    mast = np.array([(-0.013, -0.375), (-0.003, -0.375), (-0.003, -0.03), (-0.013, -0.03)])
    hull_colour, trim = light.at(rgb(0.68, 0.20, 0.18), 0.0), light.at(rgb(0.98, 0.94, 0.88), 0.0)
    sail = mix(light.at(rgb(1.0, 0.98, 0.94), 0.0), rgb(1.0, 0.98, 0.94), 0.35)
    shade = mix(sail, light.at(rgb(0.60, 0.64, 0.76), 0.0), 0.35)
    facing = (side, 1)
    for flip, alpha in ((-depth, 0.38), (1.0, 1.0)):
        at = (x, y if flip > 0 else y + 0.025)
        turn = (facing[0], flip)
        canvas.polygons([main * turn + at], sail, alpha=alpha)
        canvas.polygons([jib * turn + at], shade, alpha=alpha)
        canvas.polygons([mast * turn + at], light.at(rgb(0.36, 0.24, 0.18), 0.0), alpha=alpha)
        canvas.polygons([hull * turn + at], hull_colour, alpha=alpha)
    canvas.polygons(
        [np.array([(-0.135, -0.04), (0.145, -0.04), (0.14, -0.025), (-0.13, -0.025)]) * facing + (x, y)], trim
    )


def flowers(canvas: Canvas, light: Light, subject: str, rng: np.random.Generator) -> None:
    """A meadow in bloom, larger towards the viewer."""
    tilt = rng.uniform(-0.04, 0.04)
    bank = 0.77 + tilt * np.cos(np.pi * canvas.grid) - 0.015 * np.sin(np.pi * canvas.grid)
    canvas.ridge(bank, light.at(rgb(0.46, 0.70, 0.30), 0.05, 0.75), light.at(rgb(0.20, 0.46, 0.20), 0.0, 0.65), 0.22)
    rows = ((0.815, 9, 0.013), (0.875, 8, 0.020), (0.945, 6, 0.028))
    blooms: list[list[tuple[float, float, float, float]]] = [[] for _ in PETALS]
    stems = []
    for y, count, r in rows:
        start = rng.uniform(0, 1 / count)
        for i in range(count):
            cx, cy = start + (i + rng.uniform(-0.2, 0.2)) / count, y + rng.uniform(-0.014, 0.014)
            blooms[rng.integers(len(PETALS))].append((cx, cy, r, r * 0.85))
            stems.append(
                np.array([(cx - 0.004, cy), (cx + 0.004, cy), (cx + 0.003, cy + 3 * r), (cx - 0.003, cy + 3 * r)])
            )
    canvas.polygons(stems, light.at(rgb(0.12, 0.36, 0.14), 0.0))
    for petal, group in zip(PETALS, blooms, strict=True):
        if group:
            seen = mix(light.at(petal, 0.0), petal, 0.35)
            canvas.ellipses(group, seen)
            heart = rgb(1.0, 0.80, 0.25) if petal[2] > 0.3 else rgb(0.60, 0.32, 0.12)
            canvas.ellipses(
                [(cx, cy, 0.4 * r, 0.36 * r) for cx, cy, r, _ in group], mix(light.at(heart, 0.0), heart, 0.35)
            )


PAINTERS = {"none": none, "cabin": cabin, "boat": boat, "flowers": flowers}
