"""The world of the small model: a landscape is a subject at an hour in some weather, perhaps with a foreground."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tools.tiny import foregrounds, subjects
from tools.tiny.canvas import Canvas, mix, rgb
from tools.tiny.palette import HOURS, Light
from trajflow.errors import RequestError

SUBJECTS = ("mountains", "forest", "desert", "sea", "city")
TIMES = ("dawn", "noon", "sunset", "night")
WEATHERS = ("clear", "snow", "fog")
FOREGROUNDS = ("none", "cabin", "boat", "flowers")


@dataclass(frozen=True)
class Scene:
    """One of the 240 landscapes. Raises RequestError for an attribute outside its vocabulary."""

    subject: str
    time: str
    weather: str
    foreground: str

    def __post_init__(self) -> None:
        vocabularies = {"subject": SUBJECTS, "time": TIMES, "weather": WEATHERS, "foreground": FOREGROUNDS}
        for name, allowed in vocabularies.items():
            if getattr(self, name) not in allowed:
                raise RequestError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")


ALL_SCENES = tuple(Scene(*values) for values in product(SUBJECTS, TIMES, WEATHERS, FOREGROUNDS))


def render(scene: Scene, rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """Paint `scene` as uint8 [size, size, 3]; `rng` decides the layout, so the same seed gives the same picture."""
    canvas = Canvas(size)
    light = Light(HOURS[scene.time], scene.weather)
    sun = _paint_sky(canvas, light, scene.time, rng)
    subjects.PAINTERS[scene.subject](canvas, light, sun, rng)
    foregrounds.PAINTERS[scene.foreground](canvas, light, scene.subject, rng)
    if scene.weather == "fog":
        canvas.veil(0.60, 0.16, light.palette.mist, 0.25)
    if scene.weather == "snow":
        _paint_flakes(canvas, light, rng)
    return canvas.quantised()


def _paint_sky(canvas: Canvas, light: Light, time: str, rng: np.random.Generator) -> tuple[float, float]:
    """Paint the sky and its one sun or moon; returns where that stands."""
    palette = light.palette
    canvas.backdrop(
        [(0.0, light.sky(palette.zenith)), (0.32, light.sky(palette.middle)), (0.58, light.sky(palette.horizon))]
    )
    x0, x1, y0, y1, radius = {
        "dawn": (0.16, 0.30, 0.36, 0.42, 0.055),
        "noon": (0.38, 0.62, 0.12, 0.17, 0.055),
        "sunset": (0.70, 0.82, 0.38, 0.44, 0.095),
        "night": (0.22, 0.78, 0.13, 0.20, 0.062),
    }[time]
    x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
    if time == "night" and light.weather == "clear":
        stars = np.stack([np.linspace(0.05, 0.95, 9) + rng.uniform(-0.04, 0.04, 9), rng.uniform(0.04, 0.36, 9)], axis=1)
        for sx, sy in stars:
            if abs(sx - x) > 0.12 or abs(sy - y) > 0.12:
                canvas.glow(sx, sy, 0.007, 0.007, rgb(0.95, 0.96, 1.0), 0.95)
    visible = {"clear": 1.0, "snow": 0.85, "fog": 0.75}[light.weather]
    canvas.glow(x, y, 3.2 * radius, 2.6 * radius, palette.glow, 0.55 * visible)
    canvas.glow(x, y, 1.5 * radius, 1.5 * radius, palette.glow, 0.5 * visible)
    behind = canvas.pixels.copy() if time == "night" else None
    canvas.ellipses([(x, y, radius, radius)], palette.disc, alpha=visible)
    if behind is not None:
        _carve_crescent(canvas, behind, x + 0.45 * radius, y - 0.22 * radius, 0.88 * radius)
    elif light.weather == "clear":
        cloud = mix(palette.horizon, rgb(1, 1, 1), 0.75 if time == "noon" else 0.25)
        for cx, cy in ((rng.uniform(0.05, 0.35), 0.22), (rng.uniform(0.65, 0.95), 0.13)):
            canvas.glow(cx, cy + rng.uniform(-0.03, 0.03), 0.13, 0.018, cloud, 0.7)
            canvas.glow(cx + 0.05, cy + 0.03, 0.09, 0.014, cloud, 0.6)
    return x, y


def _carve_crescent(canvas: Canvas, behind: np.ndarray, x: float, y: float, radius: float) -> None:
    distance = np.hypot(canvas.grid[None, :] - x, canvas.grid[:, None] - y)
    cover = np.clip((radius - distance) * canvas.size + 0.5, 0, 1)[..., None].astype(np.float32)
    canvas.pixels += cover * (behind - canvas.pixels)


def _paint_flakes(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """About 25 soft flakes on a jittered 5 x 5 lattice, so that none clump."""
    colour = mix(rgb(1, 1, 1), light.palette.near_ambient, 0.15)
    cells = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    for x, y in (cells + rng.uniform(0.15, 0.85, cells.shape)) / 5:
        radius = rng.uniform(0.008, 0.013)
        canvas.glow(x, y, radius, radius, colour, 0.95)
