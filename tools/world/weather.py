"""What falls and drifts between the viewer and the world: rain, snow, mist, and lightning in the sky."""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, step
from tools.world.view import View

_FINE = 3


def paint_lightning(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """One or two bolts from the clouds to the horizon, and the clouds lit around them. For storms."""
    view = canvas.view
    bolts = 1 + int(rng.random() < 0.35)
    for at in rng.uniform(0.12, 0.88, bolts):
        sheet = Image.new("L", (view.width, view.height))
        draw = ImageDraw.Draw(sheet)
        top, low = (rng.uniform(-0.02, 0.12) * view.horizon, view.horizon * rng.uniform(0.85, 1.0))
        path = _bolt(at * view.width, top, low, 0.05 * view.size, rng)
        draw.line(path, 255, max(1, round(view.size / 110)))
        for fork in rng.integers(3, len(path) - 3, 3):
            x, y = path[fork]
            end = min(low, y + rng.uniform(0.1, 0.25) * view.size)
            draw.line(_bolt(x, y, end, 0.07 * view.size, rng), 190, max(1, round(view.size / 200)))
        strength = np.asarray(sheet, np.float32) / 255
        violet = hexed("c8c4ff")
        canvas.glow(path[2][0], top, 0.16 * view.size, 0.22 * violet)
        canvas.glow(path[-1][0], low, 0.09 * view.size, 0.18 * violet)
        for x, y in path[::3]:
            canvas.glow(x, y, 0.022 * view.size, 0.22 * violet)
        canvas.cover(hexed("fbfaff") * 1.2, strength)


def falling(view: View, air: Air, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What falls through `air`: its colour [3] in linear light, and how much of each pixel it covers [H, W]."""
    if air.weather == "snow":
        return _flakes(view, air, rng)
    if air.weather in ("rain", "storm"):
        return _streaks(view, air, rng)
    return np.ones(3, np.float32), np.zeros((view.height, view.width), np.float32)


def _bolt(x: float, top: float, low: float, sway: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    rows = np.linspace(top, low, 14)
    columns = x + np.cumsum(rng.normal(0, 0.45, 14)) * sway
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def paint_mist(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Banks of mist, densest about the horizon. For fog."""
    view = canvas.view
    x, y = view.columns * (110 / view.size), view.rows * (230 / view.size)
    banks = grain(rng, 1.5, x, y)
    spread = rng.uniform(0.16, 0.3) * view.size
    about = np.exp(-(((view.rows - view.horizon) / spread) ** 2))
    wisps = grain(rng, 1.1, 2.2 * x, 1.6 * y)
    share = (0.16 + 0.34 * about) * step(-1.1, 1.2, banks + 0.35 * wisps) + 0.04
    canvas.cover(air.light.haze * 1.12, np.clip(share, 0, 0.72).astype(np.float32))


def _flakes(view: View, air: Air, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    sheet = Image.new("L", (view.width * _FINE, view.height * _FINE))
    draw = ImageDraw.Draw(sheet)
    count = int(rng.uniform(80, 190))
    places = rng.random((count, 2)) * (sheet.width, sheet.height)
    sizes = (0.8 + 1.7 * rng.random(count) ** 2) * view.size / 192 * _FINE
    tones = rng.integers(140, 255, count)
    for (x, y), size, tone in zip(places.tolist(), sizes.tolist(), tones.tolist(), strict=True):
        draw.ellipse((x - size, y - size, x + size, y + size), tone)
    share = np.asarray(sheet.reduce(_FINE), np.float32) / 255
    white = np.maximum(1.5 * air.light.haze, 0.32) + 0.35 * (air.light.ambient + air.light.key)
    return np.clip(white, 0, 1.05), 0.92 * share


def _streaks(view: View, air: Air, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    storm = air.weather == "storm"
    lean = rng.uniform(0.25, 0.6) * rng.choice((-1, 1)) if storm else rng.uniform(-0.16, 0.16)
    sheet = Image.new("L", (view.width * 2, view.height * 2))
    draw = ImageDraw.Draw(sheet)
    count = int(rng.uniform(70, 130))
    long = rng.uniform(0.10, 0.2) * 2 * view.size
    places = rng.uniform(-0.1, 1.05, (count, 2)) * (sheet.width, sheet.height)
    for (x, y), share, tone in zip(
        places.tolist(), rng.uniform(0.5, 1.3, count).tolist(), rng.integers(60, 200, count).tolist(), strict=True
    ):
        draw.line((x, y, x + lean * long * share, y + long * share), tone, max(2, round(view.size / 80)))
    share = ndimage.gaussian_filter(np.asarray(sheet.reduce(2), np.float32) / 255, 0.5)
    colour = air.light.haze * 1.25 + 0.10 + 0.25 * air.light.ambient
    return np.clip(colour, 0, 0.95), (0.55 if not storm else 0.45) * share
