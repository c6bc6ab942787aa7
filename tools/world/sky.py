"""The sky: its gradient, the sun, the moon and the stars, clouds of several kinds, northern lights."""

import numpy as np
from scipy import ndimage

from tools.world.air import Air
from tools.world.canvas import Canvas
from tools.world.colour import hexed
from tools.world.noise import grain, mix, step

_MOON = hexed("eef2ff")
_CURTAINS = (("34f08a", "8a4cf0"), ("3cf0b0", "f04ca8"), ("7af060", "4c8af0"), ("40e8d0", "c050f0"))


def paint_sky(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Fill the picture down to a little below the horizon with sky."""
    view = canvas.view
    depth = max(view.horizon, 0.35 * view.height)
    up = np.clip(1 - view.rows / depth, 0, 1)
    bend, spread = rng.uniform(0.35, 0.65), rng.uniform(0.7, 1.3)
    low = mix(air.horizon, air.middle, step(0, bend, up**spread)[..., None])
    canvas.pixels[:] = mix(low, air.zenith, step(0.6 * bend, 1.1, up**spread)[..., None])
    if air.weather in ("clear", "fog", "snow"):
        _glow(canvas, air)
    if air.time in ("dusk", "night") and air.weather == "clear":
        _stars(canvas, air, rng)
    _disc(canvas, air, rng)
    _clouds(canvas, air, rng)


def sun_at(canvas: Canvas, air: Air) -> tuple[float, float]:
    """The column and row of the sun or moon, pixels; the row may lie outside the picture."""
    view = canvas.view
    return air.sun_x * view.width, view.horizon - air.sun_y * view.size


def _glow(canvas: Canvas, air: Air) -> None:
    view = canvas.view
    column, row = sun_at(canvas, air)
    distance = np.hypot(view.columns - column, view.rows - row) / view.size
    strength = {"dawn": 0.5, "noon": 0.3, "sunset": 0.85, "dusk": 0.35, "night": 0.05}[air.time]
    veiled = {"clear": 1.0, "fog": 0.5, "snow": 0.35}[air.weather]
    wide = 0.3 if air.time in ("sunset", "dusk", "dawn") else 0.16
    share = strength * veiled * np.exp(-distance / wide)
    if air.time in ("dawn", "sunset", "dusk"):
        along = np.exp(-np.abs(view.rows - view.horizon) / (0.09 * view.size))
        share += 0.4 * veiled * along * np.exp(-np.abs(view.columns - column) / (0.5 * view.size))
    canvas.cover(air.glow, np.clip(share, 0, 0.95).astype(np.float32))


def _stars(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    view = canvas.view
    count = int(rng.uniform(60, 220) * (1.0 if air.time == "night" else 0.25))
    rows, columns = rng.random(count) * view.horizon, rng.random(count) * view.width
    strength = rng.random(count) ** 3 * 0.9 + 0.08
    for row, column, bright in zip(rows.astype(int), columns.astype(int), strength, strict=True):
        canvas.pixels[row, column] += bright
        if bright > 0.72:
            canvas.glow(column + 0.5, row + 0.5, 0.005 * view.size, 0.25 * bright * _MOON)
    if air.time == "night":
        tilt, height = rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.6)
        off = (view.rows / view.size - height - tilt * (view.columns / view.size - 0.5)) / rng.uniform(0.08, 0.14)
        dust = grain(rng, 1.2, view.columns * (200 / view.size), view.rows * (200 / view.size))
        band = np.exp(-off * off) * step(-0.8, 1.6, dust) * rng.uniform(0.0, 0.12)
        canvas.shine(hexed("9aa6d8"), band.astype(np.float32))


def _disc(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    view = canvas.view
    column, row = sun_at(canvas, air)
    radius = view.size * rng.uniform(0.024, 0.036) * {"dawn": 1.1, "sunset": 1.5}.get(air.time, 1.0)
    phase, lean = rng.uniform(-0.9, 0.9), rng.uniform(-0.5, 0.5)
    if air.disc == 0.0:
        return
    top, left = max(0, int(row - radius - 2)), max(0, int(column - radius - 2))
    bottom, right = max(0, int(row + radius + 3)), int(column + radius + 3)
    y, x = view.rows[top:bottom] - row, view.columns[:, left:right] - column
    if not y.size or not x.size:
        return
    share = step(radius + 0.7, radius - 0.7, np.hypot(x, y)) * air.disc
    if air.time == "night":
        if abs(phase) > 0.35:
            share = share * step(radius - 1, radius + 1, np.hypot(x - 1.2 * phase * radius, y - lean * radius))
        marks = grain(rng, 1.2, x * (40 / radius), y * (40 / radius))
        canvas.cover(_MOON * (0.95 + 0.1 * marks[..., None]), share.astype(np.float32), top, left)
        canvas.glow(column, row, 2.2 * radius, 0.16 * air.disc * _MOON)
    else:
        canvas.cover(
            6.0 * mix(air.glow, np.ones(3), 0.3 if air.time != "sunset" else 0.05), share.astype(np.float32), top, left
        )
        canvas.glow(column, row, 1.7 * radius, 0.7 * air.disc * air.glow)
        canvas.glow(column, row, 4.0 * radius, 0.22 * air.disc * air.glow)


def _clouds(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Noise on a plane overhead, thresholded; the side towards the sun is lit."""
    view = canvas.view
    kind, cover = rng.random(), max(-1.2, rng.normal(-0.55, 0.7))
    scale, squash = rng.uniform(0.55, 1.5), rng.uniform(0.3, 1.0)
    edge = {"clear": 0.9 + cover, "rain": -1.3, "snow": -1.0, "fog": 1.6, "storm": -0.9}[air.weather]
    soft = {"clear": 0.9, "rain": 2.4, "snow": 2.6, "fog": 2.5, "storm": 1.6}[air.weather]
    if air.weather == "clear" and edge > 2.4:
        return
    bottom = min(view.height, int(view.horizon + 0.03 * view.height))
    rows = view.rows[:bottom]
    high = np.clip((view.horizon - rows) / view.size, 0.012, None) + 0.05
    across = (view.columns - view.width / 2) / view.size
    if kind < 0.3 and air.weather == "clear":  # streaks of ice high up
        x, y, slope = across / high**0.8 * 16 * scale, 130 * scale * np.log(high) + 60 * squash * across, 1.2
    else:  # heaps, seen from below
        x, y, slope = across / high**0.55 * 50 * scale, -34 * scale / high**0.6 + 0 * across, 1.35
    x, y = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32))
    body = grain(rng, slope, x, y)
    if kind >= 0.3:
        body = body + 0.28 * grain(rng, 0.9, 2.1 * x, 2.1 * y) * step(0.03, 0.2, high)
    dense = step(edge, edge + soft, body)
    column, row = sun_at(canvas, air)
    shift = 0.016 * view.size
    towards = np.array((row - 0.5 * view.horizon, column - 0.5 * view.width))
    towards = towards / (np.abs(towards).sum() + 1e-6) * shift
    beyond = ndimage.shift(body, -towards, order=1, mode="nearest")
    lit = np.clip(
        0.5 + (0.55 if air.weather == "clear" else 0.42) * (body - beyond) * 1.6 - 0.25 * (body - edge) / 3, 0, 1
    )
    if air.weather != "clear":
        # Closed clouds have no crisp edges.
        lit = 0.85 * ndimage.gaussian_filter(lit, 0.009 * view.size) + 0.15 * lit
    if air.weather == "storm":
        lit = np.clip(lit * 1.4 - 0.2, 0, 1)
    colour = mix(air.shadow, air.cloud, lit[..., None])
    if air.disc or air.time == "dusk":
        near = np.exp(-np.hypot(view.columns - column, rows - row) / (0.3 * view.size))
        warm = {"sunset": 0.8, "dawn": 0.6, "dusk": 0.35}.get(air.time, 0.2)
        colour = mix(colour, air.glow, (warm * near * np.clip(1.4 - dense, 0, 1))[..., None])
    fade = step(0.0, 0.07, high - 0.05) if air.weather == "clear" else np.float32(1)
    canvas.cover(colour, (dense * fade * (0.93 if air.weather != "fog" else 0.5)).astype(np.float32))


def paint_aurora(canvas: Canvas, air: Air, rng: np.random.Generator) -> None:
    """Hang one to three curtains of northern lights into the sky; by day they outshine a darkened sky."""
    view = canvas.view
    bottom = min(view.height, int(view.horizon) + 1)
    if air.time not in ("night", "dusk"):
        deep = mix(air.zenith, hexed("1c2c5a"), 0.6)
        share = step(view.horizon, 0.25 * view.horizon, view.rows[:bottom]) * 0.62 + 0 * view.columns
        canvas.cover(deep, share.astype(np.float32))
    low, high = (hexed(code) for code in _CURTAINS[rng.integers(len(_CURTAINS))])
    rows, columns = view.rows[:bottom] / view.size, view.columns / view.size
    across = np.linspace(0, 1, view.width, dtype=np.float32)
    strength = 1.15 if air.time in ("night", "dusk") else 0.85
    strength *= {"clear": 1.0, "fog": 0.85}.get(air.weather, 0.9)
    for _ in range(int(rng.integers(2, 4))):
        bend = grain(rng, 1.7, across * rng.uniform(60, 200), 0.0)
        tilt = rng.uniform(-0.3, 0.3)
        foot = view.horizon / view.size * rng.uniform(0.4, 0.85) + 0.1 * bend + tilt * (across - 0.5)
        rays = grain(rng, 0.9, columns * 260 + 14 * bend[None], rows * 5)
        above = foot[None] - rows
        reach = rng.uniform(0.12, 0.3) * (1 + 0.35 * grain(rng, 1.2, across * 90, 0.0))
        body = np.exp(-np.maximum(above, 0) / np.clip(reach, 0.06, 0.6)) * step(-0.03, 0.015, above)
        gaps = step(-1.4, 0.6, grain(rng, 1.5, across * 70, 0.0))
        body = body * np.clip(0.62 + 0.42 * rays, 0.08, 1.6) * gaps[None] * strength * rng.uniform(0.6, 1.0)
        canvas.pixels[:bottom] += body[..., None] * mix(low, high, step(0.02, 0.3, above)[..., None])
