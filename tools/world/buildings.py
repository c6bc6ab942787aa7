"""The buildings that are subjects themselves: a castle, a lighthouse, the skyline of a city.

Sprites as those of `things`: linear RGB premultiplied by alpha, float32 [h, w, 4], standing on their lower edge.
"""

import numpy as np

from tools.world.light import Light
from tools.world.paint import LAMP, PAINTS, Pen, linear, luminance, mix

_WALLS = (linear(176, 164, 146), linear(206, 186, 152), linear(226, 222, 212), linear(140, 136, 136))
_ROOFS = (linear(62, 84, 128), linear(156, 62, 46), linear(72, 78, 88), linear(52, 104, 96))
_ROCK = linear(112, 104, 96)
_NEON = ((1.3, 0.12, 0.6), (0.08, 0.95, 1.3), (1.3, 0.75, 0.1), (0.25, 1.2, 0.35), (0.75, 0.25, 1.3), (1.3, 0.2, 0.15))
_COOL, _SCREEN = np.array([0.95, 0.9, 0.7], np.float32), np.array([0.45, 0.75, 1.0], np.float32)
_FLOOD, _STREET = np.array([0.55, 0.34, 0.12], np.float32), np.array([0.32, 0.14, 0.24], np.float32)
_FACADES = (
    linear(128, 146, 168),
    linear(160, 160, 164),
    linear(176, 150, 128),
    linear(96, 116, 140),
    linear(150, 104, 88),
)
_GLASS = (linear(104, 142, 178), linear(150, 182, 204), linear(70, 100, 134), linear(186, 208, 220))


def castle(light: Light, height: int, rng: np.random.Generator) -> np.ndarray:
    """A castle on its rock: a keep and towers with pointed roofs behind a battlemented wall with a gate."""
    pen = Pen(light, height, 1.5, rng.random() < 0.5)
    wall, roof = _WALLS[int(rng.integers(4))], _ROOFS[int(rng.integers(4))]
    _mound(pen, 0.73, 0.12, rng)
    keep, out = rng.uniform(-0.2, 0.2), rng.uniform(0.46, 0.58, 2)
    backs = int(rng.integers(2, 5))
    tallest = int(rng.integers(backs))
    for k, x in enumerate(keep + np.linspace(-0.22, 0.24, backs) + rng.uniform(-0.05, 0.05, backs)):
        top = 0.74 if k == tallest else rng.uniform(0.46, 0.68)
        _tower(pen, x, 0.1, rng.uniform(0.05, 0.078), top, rng.uniform(0.17, 0.25), 0.82 * wall, roof, rng)
    _rampart(pen, keep - 0.22, 0.1, keep + 0.24, rng.uniform(0.42, 0.5), 0.9 * wall)
    for x in rng.uniform(keep - 0.18, keep + 0.2, 5):
        _slit(pen, x, rng.uniform(0.34, 0.42))
    high = rng.uniform(0.24, 0.29)
    _rampart(pen, -out[0], 0.06, out[1], high, wall)
    for x in (-out[0], out[1]):
        _tower(pen, x, 0.04, rng.uniform(0.075, 0.1), rng.uniform(0.32, 0.56), rng.uniform(0.15, 0.24), wall, roof, rng)
    gate = rng.uniform(-0.2, 0.2)
    for x in (gate - 0.12, gate + 0.12):
        _tower(pen, x, 0.05, 0.055, high + 0.07, rng.uniform(0.1, 0.16), wall, roof, rng)
    _rampart(pen, gate - 0.09, 0.05, gate + 0.09, high + 0.02, 1.05 * wall)
    arch = [(gate + 0.05 * np.cos(a), 0.13 + 0.05 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
    pen.polygon(
        [(gate - 0.05, 0.05), *arch[::-1], (gate + 0.05, 0.05)], LAMP if light.lamps else pen.lit(linear(44, 34, 30))
    )
    if light.lamps:
        pen.glow(gate, 0.12, 0.2, 0.12 * LAMP)
    drawn = pen.sprite(rng, 0.035)
    if light.lamps:
        _light_from_below(drawn, light, _FLOOD, 0.3)
    return drawn


def lighthouse(light: Light, height: int, rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float]]:
    """A banded lighthouse on a rock with its keeper's house, and where its lamp is: (x, y) pixels from the top left."""
    pen = Pen(light, height, 0.9, rng.random() < 0.5)
    paint = PAINTS["red" if rng.random() < 0.65 else "blue"]
    foot, neck, bands = rng.uniform(0.115, 0.14), rng.uniform(0.065, 0.08), int(rng.integers(4, 8))
    _mound(pen, 0.42, 0.13, rng)
    _house(pen, 0.2, 0.07, rng)
    low, top = 0.07, 0.77
    edges = np.linspace(low, top, bands + 1)
    half = np.linspace(foot, neck, bands + 1)
    for k in range(bands):
        albedo = PAINTS["white"] if k % 2 else paint
        pen.tube((0, edges[k], half[k]), (0, edges[k + 1], half[k + 1]), albedo, named=True, strips=9)
    for y in (0.25, 0.43, 0.6):
        pen.box(-0.014, y, 0.014, y + 0.04, pen.window())
    pen.box(-0.03, low, 0.03, low + 0.09, pen.lit(linear(60, 44, 38)))
    iron = linear(50, 52, 58)
    pen.tube((0, 0.755, neck), (0, 0.78, neck + 0.04), iron)
    pen.line([(-neck - 0.04, 0.815), (neck + 0.04, 0.815)], 0.008, pen.lit(iron))
    for x in np.linspace(-neck - 0.04, neck + 0.04, 7):
        pen.line([(x, 0.78), (x, 0.815)], 0.006, pen.lit(iron))
    glass = LAMP * np.array([1.1, 1.25, 1.8]) if light.lamps else mix(pen.lit(linear(120, 150, 170)), light.haze, 0.5)
    pen.box(-0.05, 0.78, 0.05, 0.88, glass)
    for x in (-0.05, -0.018, 0.018, 0.05):
        pen.line([(x, 0.78), (x, 0.88)], 0.008, pen.lit(iron))
    pen.tube((0, 0.875, 0.068), (0, 0.93, 0.04), paint, named=True, rise=0.6)
    pen.tube((0, 0.93, 0.04), (0, 0.955, 0.008), paint, named=True, rise=0.9)
    pen.line([(0, 0.95), (0, 0.995)], 0.01, pen.lit(iron))
    if light.lamps:
        pen.glow(0, 0.83, 0.17, 0.7 * LAMP)
        pen.glow(0, 0.83, 0.45, 0.16 * LAMP)
    return pen.sprite(rng, 0.03), pen.place(0, 0.83)


def skyline(light: Light, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A city `width` pixels wide in three rows, the far ones in haze; lit windows and neon signs when lamps are lit."""
    pen = Pen(light, height, width / height)
    wide = width / height
    centre, spread = rng.uniform(-0.35, 0.35) * wide, rng.uniform(0.2, 0.4) * wide
    for row, (tall, hazed) in enumerate(((0.98, 0.5), (0.8, 0.25), (0.46, 0.0))):
        x = -wide / 2 - rng.uniform(0, 0.1)
        while x < wide / 2:
            broad = rng.uniform(0.1, 0.2) * (1 + 0.25 * row)
            bulge = 0.35 + 0.65 * np.exp(-(((x + broad / 2 - centre) / spread) ** 2))
            _block(pen, x, broad, tall * bulge * rng.uniform(0.6, 1.0), hazed, row, rng)
            x += broad + rng.choice([0.0, 0.01, 0.05], p=[0.5, 0.3, 0.2])
    drawn = pen.sprite(rng, 0.03)
    if light.lamps:
        _light_from_below(drawn, light, _STREET, 0.18)
    return drawn


def _light_from_below(drawn: np.ndarray, light: Light, colour: np.ndarray, reach: float) -> None:
    """Adds the light of lamps on the ground to walls and roofs; it fades within `reach` of the height.

    What is there already is scaled, which keeps its modelling; what shines by itself is left alone.
    """
    up = np.linspace(1, 0, len(drawn), dtype=np.float32)[:, None, None]
    dull = np.clip(1 - 3 * drawn[..., :3].max(axis=2, keepdims=True), 0, 1)
    drawn[..., :3] *= 1 + dull * np.exp(-up / reach) * colour / luminance(light.ambient + 0.5 * light.key)


def _block(pen: Pen, left: float, broad: float, tall: float, hazed: float, row: int, rng: np.random.Generator) -> None:
    """One building: a front and a narrow side, a roof of some kind, panes, sometimes a sign."""
    light = pen.light
    albedo = _FACADES[int(rng.integers(len(_FACADES)))]
    street = 0.06 * albedo if light.lamps else 0.0 * albedo
    right, turn = left + broad, left + broad * rng.choice([0.22, 0.78])
    sides = ((left, turn), (turn, right))
    front = int(turn - left < broad / 2)
    tops = rng.choice(["flat", "step", "slant", "spire"], p=[0.45, 0.25, 0.15, 0.15])
    colours = []
    for k, (x0, x1) in enumerate(sides):
        normal = (0.25 * (1 if k else -1), 0.1, 0.95) if k == front else (0.9 * (1 if k else -1), 0.1, 0.4)
        colour = mix(pen.lit(albedo, normal) + street, light.haze, hazed)
        colours.append(colour)
        slant = 0.25 * broad if tops == "slant" else 0.0
        y0, y1 = tall + slant * (x0 - right) / broad, tall + slant * (x1 - right) / broad
        pen.polygon([(x0, 0), (x0, y0), (x1, y1), (x1, 0)], colour)
    roof = pen.snowy(mix(pen.lit(0.7 * albedo, (0, 1, 0.2)), light.haze, hazed))
    middle = (left + right) / 2
    if tops == "flat":
        pen.line([(left, tall), (right, tall)], 0.014, roof)
        pen.box(middle - 0.15 * broad, tall, middle + 0.05 * broad, min(0.99, tall + 0.03), colours[front])
    elif tops == "step":
        for size, high in ((0.34, 0.06), (0.18, 0.11)):
            pen.box(middle - size * broad, tall, middle + size * broad, min(0.98, tall + high), colours[front])
            pen.line(
                [(middle - size * broad, min(0.98, tall + high)), (middle + size * broad, min(0.98, tall + high))],
                0.012,
                roof,
            )
    elif tops == "spire":
        pen.polygon([(left + 0.2 * broad, tall), (middle, min(0.95, tall + 0.12)), (right - 0.2 * broad, tall)], roof)
        pen.line([(middle, tall), (middle, min(0.995, tall + 0.22))], 0.008, colours[front])
        if light.lamps:
            pen.ellipse(middle, min(0.985, tall + 0.22), 0.008, 0.008, np.array([1.4, 0.1, 0.08]))
    _panes(pen, sides[front], tall - 0.3 * broad if tops == "slant" else tall - 0.02, hazed, rng)
    if light.lamps and row > 0 and rng.random() < 0.4:
        _sign(pen, left, right, tall, hazed, rng)


def _panes(pen: Pen, side: tuple[float, float], top: float, hazed: float, rng: np.random.Generator) -> None:
    light, unit = pen.light, pen.height * pen.scale
    across = max(round(2.4 * pen.scale), round(rng.uniform(0.018, 0.03) * unit))
    down = max(round(2.6 * pen.scale), round(rng.uniform(0.022, 0.034) * unit))
    gap = max(1, round(0.3 * across))
    left, right = side
    columns, rows = int((right - left) * unit - gap) // across, int((top - 0.01) * unit) // down
    if columns < 1 or rows < 1:
        return
    if light.lamps:
        hues = [hue * (1 - 0.6 * hazed) for hue in (LAMP, LAMP * 0.5, _COOL, _SCREEN)]
        which = rng.choice(4, (rows, columns), p=[0.45, 0.25, 0.2, 0.1])
        which[rng.random((rows, columns)) > rng.uniform(0.25, 0.6)] = -1
    else:
        kind = int(rng.integers(4))
        glass = [
            mix(pen.lit(_GLASS[(kind + k) % 4] * tone), light.haze, 0.35) for k, tone in ((0, 0.8), (0, 0.65), (1, 0.8))
        ]
        hues = [mix(colour, light.haze, hazed) for colour in glass]
        which = rng.integers(0, 3, (rows, columns))
    start = left + ((right - left) * unit - columns * across + gap) / 2 / unit
    pen.tiles(start, top, hues, which, (across, down), (across - gap, max(1, round(0.62 * down))))


def _sign(pen: Pen, left: float, right: float, tall: float, hazed: float, rng: np.random.Generator) -> None:
    hue = np.array(_NEON[int(rng.integers(len(_NEON)))], np.float32) * (1 - 0.5 * hazed)
    if rng.random() < 0.5:
        x, low, high = rng.uniform(left, right - 0.03), 0.4 * tall, 0.85 * tall
        pen.box(x, low, x + 0.028, high, 0.25 * hue)
        for y in np.arange(low + 0.012, high - 0.012, 0.03):
            pen.box(x + 0.005, y, x + 0.023, y + 0.018, hue)
        spots = [(x + 0.014, low + (high - low) * t) for t in (0.2, 0.5, 0.8)]
    else:
        y = tall * rng.uniform(0.55, 0.95)
        x0, x1 = left + 0.1 * (right - left), right - 0.1 * (right - left)
        pen.box(x0, y - 0.022, x1, y + 0.012, hue)
        for x in np.arange(x0 + 0.012, x1 - 0.01, 0.022):
            pen.box(x, y - 0.014, x + 0.008, y + 0.004, 0.2 * hue)
        spots = [((x0 + x1) / 2, y)]
    for x, y in spots:
        pen.glow(x, y, 0.2, 0.16 * hue)


def _tower(
    pen: Pen,
    x: float,
    low: float,
    half: float,
    top: float,
    roof_high: float,
    wall: np.ndarray,
    roof: np.ndarray,
    rng: np.random.Generator,
) -> None:
    pen.tube((x, low, half), (x, top, half), wall, strips=7)
    pen.tube((x, top - 0.045, half), (x, top - 0.025, half + 0.014), 0.8 * wall, strips=7)
    pen.tube((x, top - 0.025, half + 0.014), (x, top, half + 0.014), 1.08 * wall, strips=7)
    tip = min(0.96, top + roof_high)
    pen.tube((x, top, half + 0.024), (x, tip, 0.003), roof, strips=6, rise=0.45)
    _slit(pen, x + rng.uniform(-0.3, 0.3) * half, top - 0.1)
    if top - low > 0.3:
        _slit(pen, x + rng.uniform(-0.3, 0.3) * half, (top + low) / 2)
    if rng.random() < 0.4:
        pen.line([(x, tip - 0.01), (x, tip + 0.035)], 0.006, pen.lit(linear(60, 50, 44)))
        pen.polygon([(x, tip + 0.038), (x + 0.06, tip + 0.026), (x, tip + 0.012)], pen.named(PAINTS["red"]))


def _slit(pen: Pen, x: float, y: float) -> None:
    pen.box(x - 0.009, y - 0.02, x + 0.009, y + 0.018, LAMP if pen.light.lamps else pen.lit(linear(52, 46, 44)))


def _rampart(pen: Pen, left: float, low: float, right: float, top: float, wall: np.ndarray) -> None:
    face = pen.lit(wall, (0.15, 0.1, 0.97))
    pen.box(left, low, right, top, face)
    pen.line([(left, top - 0.028), (right, top - 0.028)], 0.008, 0.7 * face)
    merlons = max(3, round((right - left) / 0.05))
    for k in range(merlons):
        x = left + (right - left) * (k + 0.25) / merlons
        pen.box(x, top - 0.002, x + 0.5 * (right - left) / merlons, top + 0.026, pen.snowy(face))


def _mound(pen: Pen, half: float, high: float, rng: np.random.Generator) -> None:
    """A rock with a ragged edge, lit on both flanks."""
    steps = np.linspace(-1, 1, 15)
    crest = [(half * x, high * (1 - abs(x) ** 2.2) * rng.uniform(0.75, 1.1)) for x in steps]
    pen.polygon([(-half, 0), *crest, (half, 0)], pen.lit(_ROCK * (1 - 0.3 * pen.light.wetness), (0, 0.3, 0.9)))
    for k in range(len(crest) - 1):
        (x0, y0), (x1, y1) = crest[k], crest[k + 1]
        normal = (float(steps[k]) + rng.uniform(-0.5, 0.5), 0.55, 0.6)
        colour = pen.lit(_ROCK * rng.uniform(0.8, 1.15) * (1 - 0.3 * pen.light.wetness), normal)
        low = rng.uniform(0.15, 0.55)
        pen.polygon([(x0, y0), (x1, y1), (x1, low * y1), (x0, 0.35 * y0)], pen.snowy(colour, normal))


def _house(pen: Pen, x: float, y: float, rng: np.random.Generator) -> None:
    long = rng.uniform(0.11, 0.15)
    pen.box(x - long, y - 0.06, x + long, y + 0.09, pen.lit(PAINTS["white"], (0.3, 0, 0.95)))
    roof = pen.snowy(pen.lit(linear(150, 60, 44), (0.2, 0.7, 0.7)))
    pen.polygon(
        [
            (x - long - 0.02, y + 0.085),
            (x + long + 0.02, y + 0.085),
            (x + long - 0.03, y + 0.16),
            (x - long + 0.03, y + 0.16),
        ],
        roof,
    )
    for shift in (-0.5, 0.3):
        pen.box(x + shift * long - 0.016, y + 0.02, x + shift * long + 0.016, y + 0.06, pen.window())
        if pen.light.lamps:
            pen.glow(x + shift * long, y + 0.04, 0.07, 0.25 * LAMP)
