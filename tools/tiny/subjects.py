"""The five subjects, painted from the far distance to the ground the viewer stands on.

Each painter takes the canvas, the light, where the sun or moon stands (x, y) and the random generator. Ground begins
near height `SHORE`, so that every foreground fits every subject.
"""

import numpy as np

from tools.tiny.canvas import Canvas, mix, rgb
from tools.tiny.palette import WHITE, Light

SHORE = 0.76


def hills(canvas: Canvas, rng: np.random.Generator, level: float, swing: float, waves: float = 1.5) -> np.ndarray:
    """A smooth crest line [S] around height `level`, rising and falling by up to about `swing`."""
    phases = rng.uniform(0, 2 * np.pi, 2)
    x = canvas.grid * 2 * np.pi
    return level + swing * (0.7 * np.sin(waves * x + phases[0]) + 0.3 * np.sin(2.3 * waves * x + phases[1]))


def mist(canvas: Canvas, light: Light, y: float, thickness: float = 0.07, strength: float = 0.65) -> None:
    """In fog, hang a pale band at height `y` before what is nearer gets painted."""
    if light.weather == "fog":
        canvas.veil(y, thickness, light.palette.mist, strength)


def mountains(canvas: Canvas, light: Light, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """A far range, three faceted peaks, the highest away from the sun, and foothills."""
    far = hills(canvas, rng, 0.52, 0.03, 2.0) - 0.04 * np.abs(np.sin(9 * canvas.grid + rng.uniform(0, 6)))
    canvas.ridge(far, light.at(rgb(0.45, 0.52, 0.66), 0.75, 0.5), light.at(rgb(0.55, 0.62, 0.74), 0.95, 0.5))
    mist(canvas, light, 0.56)
    summit = 0.5 + (0.16 if sun[0] < 0.5 else -0.16) + rng.uniform(-0.08, 0.08)
    side = 1 if summit < 0.5 else -1
    peaks = [
        (summit + side * rng.uniform(0.34, 0.42), rng.uniform(0.44, 0.48), 0.30),
        (summit - side * rng.uniform(0.26, 0.34), rng.uniform(0.38, 0.44), 0.30),
        (summit, rng.uniform(0.24, 0.30), 0.38),
    ]
    for x, y, half in peaks:
        _peak(canvas, light, x, y, half, rng)
    mist(canvas, light, 0.66, 0.06)
    foot = hills(canvas, rng, 0.68, 0.02)
    canvas.ridge(foot, light.at(rgb(0.25, 0.46, 0.36), 0.28, 0.65), light.at(rgb(0.34, 0.56, 0.36), 0.22, 0.7), 0.12)
    _ground(canvas, light, rng, rgb(0.42, 0.66, 0.32), rgb(0.27, 0.50, 0.26))


def _peak(canvas: Canvas, light: Light, x: float, y: float, half: float, rng: np.random.Generator) -> None:
    base = 0.80
    lean = rng.uniform(-0.03, 0.03)
    spine = np.array([(x, y), (x + 0.03, y + 0.10), (x - 0.01 + lean, y + 0.19), (x + 0.05 + lean, base)])
    left, right = np.array([(x - half, base)]), np.array([(x + half, base)])
    rock, shade = rgb(0.56, 0.58, 0.68), rgb(0.34, 0.37, 0.50)
    canvas.polygons([np.concatenate([spine, left])], light.at(rock, 0.25, 0.75), light.at(rock, 0.60, 0.75))
    canvas.polygons([np.concatenate([spine, right])], light.at(shade, 0.22, 0.25), light.at(shade, 0.55, 0.35))
    cap = min(0.12, 0.32 * (base - y))
    edge = half * cap / (base - y)
    lit = np.array(
        [(x, y), (x + 0.03 * min(1, cap / 0.1), y + cap * 0.9), (x - edge * 0.45, y + cap * 0.72), (x - edge, y + cap)]
    )
    dark = np.array(
        [(x, y), (x + edge * 0.95, y + cap * 0.95), (x + edge * 0.55, y + cap * 0.7), (x + 0.03, y + cap * 0.9)]
    )
    canvas.polygons([lit], light.at(WHITE, 0.12, 1.0))
    canvas.polygons([dark], light.at(rgb(0.74, 0.80, 0.93), 0.16, 0.3))


def forest(canvas: Canvas, light: Light, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """Two rows of pines before a hill, framed by two tall ones."""
    hill = hills(canvas, rng, 0.50, 0.025)
    canvas.ridge(hill, light.at(rgb(0.36, 0.54, 0.46), 0.72, 0.5), light.at(rgb(0.40, 0.58, 0.46), 0.85, 0.5))
    mist(canvas, light, 0.56)
    rows = ((0.66, 0.20, 0.060, 0.50, rgb(0.20, 0.44, 0.34)), (0.73, 0.28, 0.085, 0.22, rgb(0.13, 0.37, 0.25)))
    for base, height, gap, distance, green in rows:
        places = np.arange(rng.uniform(-gap, 0), 1 + gap, gap)
        trees = [(x, base + 0.03, height * rng.uniform(0.75, 1.1)) for x in places]
        canvas.ridge(hills(canvas, rng, base, 0.01), light.at(green, distance, 0.3), light.at(green, distance, 0.3))
        _pines(canvas, light, trees, distance, green)
        mist(canvas, light, base, 0.06, 0.55)
    _ground(canvas, light, rng, rgb(0.36, 0.58, 0.28), rgb(0.22, 0.42, 0.22))
    edges = [
        (rng.uniform(0.02, 0.10), 0.86, rng.uniform(0.50, 0.58)),
        (rng.uniform(0.90, 0.98), 0.86, rng.uniform(0.50, 0.58)),
    ]
    _pines(canvas, light, edges, 0.04, rgb(0.09, 0.29, 0.19))


def _pines(canvas: Canvas, light: Light, trees: list[tuple[float, float, float]], distance: float, green) -> None:
    outline = np.array(
        [(0, -1), (0.10, -0.70), (0.06, -0.70), (0.16, -0.40), (0.10, -0.40), (0.21, -0.08), (0.03, -0.08), (0.03, 0)]
    )
    outline = np.concatenate([outline, outline[::-1] * (-1, 1)])
    is_near = distance < 0.1
    canvas.polygons([outline * h + (x, y) for x, y, h in trees], light.at(green, distance, 0.0 if is_near else 0.4))
    if light.weather == "snow":
        caps = [np.array([(0, -1), (0.10, -0.70), (0.02, -0.77), (-0.10, -0.70)])]
        if is_near:
            caps.append(np.array([(0, -0.72), (0.16, -0.40), (0.03, -0.50), (-0.16, -0.40)]))
            caps.append(np.array([(0, -0.42), (0.21, -0.08), (0.04, -0.21), (-0.21, -0.08)]))
        canvas.polygons([cap * h + (x, y) for x, y, h in trees for cap in caps], light.at(WHITE, distance, 1.0))


def desert(canvas: Canvas, light: Light, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """Two dunes with a lit and a shaded side, and two cacti."""
    sand, shade = rgb(0.97, 0.78, 0.48), rgb(0.74, 0.48, 0.30)
    canvas.ridge(hills(canvas, rng, 0.55, 0.02), light.at(sand, 0.65, 0.7), light.at(sand, 0.75, 0.7))
    mist(canvas, light, 0.60)
    flip = 1 if sun[0] < 0.5 else -1
    for base, x, rise, distance in ((0.66, 0.5 - 0.22 * flip, 0.16, 0.35), (0.74, 0.5 + 0.20 * flip, 0.20, 0.15)):
        x = x + rng.uniform(-0.07, 0.07)
        rise = rise * rng.uniform(0.85, 1.1)
        spread = np.where((canvas.grid - x) * flip < 0, 0.30, 0.22)
        crest = base + 0.02 - rise * np.exp(-(np.abs((canvas.grid - x) / spread) ** 1.5))
        canvas.ridge(crest, light.at(sand, distance, 0.8), light.at(sand, distance, 0.8))
        t = np.linspace(0, 1, 9)
        spine = np.stack(
            [x + flip * (0.07 * np.sin(2.6 * t) - 0.12 * t * t), base - rise + 0.02 + (rise + 0.12) * t], axis=1
        )
        slope = x + flip * np.linspace(0.62, 0, 14)
        foot = base + 0.02 - rise * np.exp(-(np.abs((slope - x) / 0.22) ** 1.5)) + 0.004
        face = np.concatenate([spine, [(x + flip * 0.62, base + 0.14)], np.stack([slope, foot], axis=1)])
        canvas.polygons([face], light.at(shade, distance, 0.35), light.at(mix(shade, sand, 0.5), distance, 0.55))
        mist(canvas, light, base + 0.02, 0.05, 0.5)
    _ground(canvas, light, rng, rgb(0.97, 0.76, 0.45), rgb(0.86, 0.58, 0.32))
    for x, h in (
        (0.5 - 0.36 * flip + rng.uniform(-0.05, 0.05), 0.30),
        (0.5 + 0.40 * flip + rng.uniform(-0.05, 0.05), 0.20),
    ):
        _cactus(canvas, light, x, 0.79, h)


def _cactus(canvas: Canvas, light: Light, x: float, y: float, h: float) -> None:
    green = light.at(rgb(0.20, 0.48, 0.28), 0.08)
    arms = [((0, 0), (0, -1)), ((0, -0.38), (-0.26, -0.42)), ((-0.26, -0.40), (-0.26, -0.72))]
    arms += [((0, -0.52), (0.24, -0.56)), ((0.24, -0.54), (0.24, -0.86))]
    bars, caps = [], []
    for (x0, y0), (x1, y1) in arms:
        r = (0.085 if x0 == x1 == 0 else 0.06) * h
        ends = np.array([(x0, y0), (x1, y1)]) * h + (x, y)
        along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        across = np.array([-along[1], along[0]]) * r
        bars.append(np.array([ends[0] + across, ends[1] + across, ends[1] - across, ends[0] - across]))
        caps.append((*ends[1], r, r))
        caps.append((*ends[0], r, r) if y0 else caps[-1])
    canvas.polygons(bars, green)
    canvas.ellipses(caps, green)
    if light.weather == "snow":
        tops = [caps[i] for i in (0, 4, 8)]
        canvas.ellipses([(cx, cy - 0.3 * r, r, 0.8 * r) for cx, cy, r, _ in tops], light.at(WHITE, 0.08, 1.0))


def sea(canvas: Canvas, light: Light, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """An island on the horizon, water with the light's reflection, and a beach."""
    horizon = 0.56
    palette = light.palette
    x = 0.5 + (0.38 if sun[0] < 0.5 else -0.38) + rng.uniform(-0.05, 0.05)
    island = (
        horizon
        + 0.005
        - 0.10 * np.exp(-(((canvas.grid - x) / 0.14) ** 2))
        - 0.03 * np.exp(-(((canvas.grid - x) / 0.28) ** 4))
    )
    canvas.ridge(island, light.at(rgb(0.34, 0.50, 0.50), 0.45, 0.7), light.at(rgb(0.42, 0.56, 0.58), 0.65, 0.7))
    mist(canvas, light, horizon, 0.05, 0.7)
    level = np.full(canvas.size, horizon)
    far = mix(light.at(rgb(0.30, 0.66, 0.84), 0.35), light.sky(palette.horizon), 0.30)
    near = light.at(rgb(0.04, 0.34, 0.58), 0.05)
    canvas.ridge(level, far, near, 0.36)
    for i, y in enumerate((0.575, 0.605, 0.645, 0.695, 0.755)):
        canvas.glow(
            sun[0] + rng.uniform(-0.01, 0.01), y, 0.030 + 0.016 * i, 0.008 + 0.002 * i, palette.disc, 0.75 - 0.06 * i
        )
    for i, y in enumerate((0.62, 0.70, 0.79)):
        for centre in (rng.uniform(0.05, 0.45), rng.uniform(0.55, 0.95)):
            canvas.glow(centre, y, 0.07 + 0.02 * i, 0.005 + 0.001 * i, mix(far, WHITE, 0.25), 0.5)
    mist(canvas, light, horizon, 0.06, 0.75)
    side = 1 if rng.random() < 0.5 else -1
    shore = (
        0.93 + 0.035 * side * np.sin(np.pi * (canvas.grid - 0.5)) + 0.008 * np.sin(9 * canvas.grid + rng.uniform(0, 6))
    )
    canvas.ridge(
        shore - 0.018, mix(near, WHITE * palette.near_ambient, 0.75), mix(near, WHITE * palette.near_ambient, 0.75)
    )
    canvas.ridge(shore, light.at(rgb(0.90, 0.78, 0.56), 0.05, 0.9), light.at(rgb(0.96, 0.84, 0.62), 0.0, 0.9), 0.1)


def city(canvas: Canvas, light: Light, sun: tuple[float, float], rng: np.random.Generator) -> None:
    """A pale and a near row of towers with lit windows, behind a park."""

    def towers(low: float, high: float, width: float, base: float) -> list[np.ndarray]:
        found, x = [], rng.uniform(-width, 0)
        while x < 1:
            w = width * rng.uniform(0.75, 1.2)
            top = rng.uniform(low, high)
            if abs(x + w / 2 - sun[0]) < 0.15:
                top = max(top, min(sun[1] + 0.10, 0.62))
            found.append(np.array([(x, base), (x, top), (x + w, top), (x + w, base)]))
            x += w + 0.012
        return found

    palette = light.palette
    far = towers(0.36, 0.54, 0.10, 0.80)
    canvas.polygons(far, light.at(rgb(0.46, 0.54, 0.68), 0.60), light.at(rgb(0.52, 0.60, 0.72), 0.85))
    mist(canvas, light, 0.60, 0.08, 0.55)
    near = towers(0.34, 0.58, 0.155, 0.80)
    wall, shade = rgb(0.40, 0.46, 0.60), rgb(0.29, 0.34, 0.48)
    if light.weather == "snow":
        canvas.polygons(
            [
                block[[1, 1, 2, 2]] + [(-0.004, 0.01), (-0.004, -0.018), (0.004, -0.018), (0.004, 0.01)]
                for block in near
            ],
            light.at(WHITE, 0.08, 1.0),
        )
    canvas.polygons(near, light.at(wall, 0.12), light.at(wall, 0.30))
    sides = [np.array([(b[2, 0] - 0.035, b[1, 1]), b[2], b[3], (b[2, 0] - 0.035, b[0, 1])]) for b in near]
    canvas.polygons(sides, light.at(shade, 0.10), light.at(shade, 0.25))
    tallest = min(near, key=lambda b: b[1, 1])
    mast = tallest[1:3].mean(axis=0)
    canvas.polygons([mast + np.array([(-0.008, 0.0), (0.0, -0.10), (0.008, 0.0)])], light.at(shade, 0.12))
    mist(canvas, light, 0.72, 0.05, 0.6)
    panes = []
    for block in near:
        (left, top), right = block[1], block[2, 0] - 0.035
        columns = max(2, int((right - left) / 0.042))
        gap = (right - left) / columns
        for y in np.arange(top + 0.03, 0.74, 0.05):
            for i in range(columns):
                if rng.random() < 0.75:
                    x = left + (i + 0.5) * gap
                    panes.append(
                        np.array([(x - 0.011, y), (x + 0.011, y), (x + 0.011, y + 0.025), (x - 0.011, y + 0.025)])
                    )
    canvas.polygons(panes, palette.window, alpha=0.9)
    trees = [(x, 0.765, 0.035, 0.03) for x in np.arange(rng.uniform(0, 0.05), 1.05, 0.075)]
    canvas.ellipses(trees, light.at(rgb(0.20, 0.44, 0.30), 0.10, 0.5))
    _ground(canvas, light, rng, rgb(0.45, 0.64, 0.38), rgb(0.32, 0.52, 0.32))


def _ground(canvas: Canvas, light: Light, rng: np.random.Generator, back, front) -> None:
    crest = hills(canvas, rng, SHORE, 0.012, 1.0)
    canvas.ridge(crest, light.at(back, 0.08, 0.9), light.at(front, 0.02, 0.85), 0.24)


PAINTERS = {"mountains": mountains, "forest": forest, "desert": desert, "sea": sea, "city": city}
