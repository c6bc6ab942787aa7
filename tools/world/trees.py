"""Trees as maps of what they are made of, drawn once and coloured for every picture by one product of matrices.

A map [h, w, 4] says which share of each pixel is lit leaf, shaded leaf, wood and whatever catches snow. The light is
drawn from the left.
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from tools.world.colour import hexed
from tools.world.light import Light

TALLEST = 200
SHAPES = 7
_FINE = 3
_LIT, _SHADED, _WOOD, _TOP = 85, 140, 195, 250
_BARK = {"birch": hexed("d8d4cc")}
_SNOW = hexed("eef2fa")


def tree(
    kind: str,
    index: int,
    height: int,
    leaf: np.ndarray,
    light: Light,
    veil: float = 0.0,
    top: np.ndarray | None = None,
) -> np.ndarray:
    """A sprite [h, w, 4] of a tree `height` pixels tall: premultiplied linear RGB, lit, its foot at the bottom.

    `veil` in 0..1 of it is haze; `top` is the colour of what catches snow, if it is not the leaves'.
    """
    maps = _levels(kind, index % SHAPES)
    sharp = next((level for level in maps if level.shape[0] <= 1.45 * height), maps[-1])
    shares = _scaled(sharp, height)
    if light.sun[0] > 0:
        shares = shares[:, ::-1]
    sunny, shade = light.ambient + 0.85 * light.key, 0.62 * light.ambient + 0.12 * light.key
    snowy = min(1.0, 1.15 * light.snow)
    top = (1 - snowy) * (leaf if top is None else top) + snowy * _SNOW
    bark = _BARK.get(kind, hexed("4a3a2e"))
    some = 0.25 * light.snow
    colours = np.stack((leaf * (1 - some) + some * _SNOW, leaf * (1 - some) + some * _SNOW, bark, top))
    lights = np.stack((sunny, shade, light.ambient + 0.4 * light.key, sunny))
    seen = (1 - veil) * colours * lights + veil * light.haze
    palette = np.concatenate((seen, np.ones((4, 1), np.float32)), 1).astype(np.float32)
    return np.asarray(shares @ palette, np.float32)


def _scaled(shares: np.ndarray, height: int) -> np.ndarray:
    tall = shares.shape[0]
    if tall == height:
        return shares
    rows = np.clip((np.arange(height) + 0.5) * tall / height, 0, tall - 1).astype(np.int32)
    width = max(1, round(shares.shape[1] * height / tall))
    columns = np.clip((np.arange(width) + 0.5) * shares.shape[1] / width, 0, shares.shape[1] - 1).astype(np.int32)
    return np.asarray(shares[rows[:, None], columns])


@lru_cache(maxsize=128)
def _levels(kind: str, index: int) -> tuple[np.ndarray, ...]:
    """The map at falling sizes, each 0.7 of the last."""
    rng = np.random.default_rng([index, len(kind), ord(kind[0])])
    wide = {
        "pine": 0.62,
        "broad": 1.0,
        "birch": 0.6,
        "bare": 0.9,
        "palm": 0.95,
        "bush": 1.9,
        "cactus": 0.7,
        "branch": 1.3,
        "twig": 1.3,
        "tuft": 1.5,
    }[kind]
    tall = TALLEST * _FINE
    image = Image.new("L", (int(tall * wide), tall))
    _DRAWN[kind](ImageDraw.Draw(image), image.width, tall, rng)
    slots = np.asarray(image)
    full = np.stack([slots == slot for slot in (_LIT, _SHADED, _WOOD, _TOP)], -1).astype(np.float32)
    height, levels = float(TALLEST), []
    while height >= 5:
        size = (max(2, round(height * wide)), round(height))
        planes = [
            np.asarray(Image.fromarray(full[..., k]).resize(size, Image.Resampling.BOX), np.float32) for k in range(4)
        ]
        levels.append(np.stack(planes, -1))
        height *= 0.7
    return tuple(levels)


def _pine(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    middle, slim = wide / 2, rng.uniform(0.26, 0.46)
    draw.rectangle((middle - 0.02 * tall, 0.8 * tall, middle + 0.02 * tall, tall), _WOOD)
    tiers = int(rng.integers(9, 15))
    for k in range(tiers):
        part = k / (tiers - 1)
        y = tall * (0.93 - 0.86 * part)
        half = tall * slim * (0.5 + 0.5 * rng.random()) * (1 - part) ** 0.85 * 0.62 + 0.012 * tall
        droop, up = 0.05 * tall * (1.2 - part), 0.13 * tall * (1.1 - 0.5 * part)
        for side, slot in ((1, _SHADED), (-1, _LIT)):
            reach = half * rng.uniform(0.8, 1.15)
            points = [(middle, y - up)]
            for j in range(5):
                out = 1 - j / 5
                points.append((middle + side * reach * out, y + droop * out + (0.022 * tall if j % 2 else 0)))
            points.append((middle - side * 0.1 * reach, y))
            draw.polygon(points, slot)
        cap = [(middle, y - up), (middle - 0.95 * half, y + 0.75 * droop), (middle - 0.3 * half, y - 0.25 * up)]
        draw.polygon([*cap, (middle + 0.25 * half, y - 0.35 * up)], _TOP)
    draw.polygon([(middle, 0), (middle - 0.012 * tall, 0.1 * tall), (middle + 0.012 * tall, 0.1 * tall)], _SHADED)


def _limbs(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    angle: float,
    long: float,
    thick: float,
    more: int,
    rng: np.random.Generator,
) -> None:
    end = (x + long * np.cos(angle), y - long * np.sin(angle))
    draw.line([(x, y), end], _WOOD, max(2, round(thick)))
    if more > 1:
        draw.line(
            [(x - 0.2 * thick, y - 0.4 * thick), (end[0], end[1] - 0.4 * thick)], _TOP, max(1, round(0.3 * thick))
        )
    if more:
        for turn in (-0.55, 0.05, 0.5):
            turned = angle + turn + rng.uniform(-0.25, 0.25)
            _limbs(draw, *end, turned, long * rng.uniform(0.55, 0.8), 0.62 * thick, more - 1, rng)


def _bare(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    _limbs(draw, wide / 2, tall, np.pi / 2 + rng.uniform(-0.1, 0.1), 0.36 * tall, 0.05 * tall, 4, rng)


def _crown(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    half: float,
    high: float,
    size: float,
    count: int,
    rng: np.random.Generator,
) -> None:
    """A heap of leaves: dark first, then lit from the upper left, the topmost catching snow."""
    for slot, shift, share in ((_SHADED, 0.0, 1.0), (_LIT, 0.22, 0.75), (_TOP, 0.5, 0.28)):
        for _ in range(int(count * share)):
            angle, far = rng.uniform(0, 2 * np.pi), rng.random() ** 0.5 * (1 - 0.75 * shift)
            across = x + half * (far * np.cos(angle) - 0.45 * shift)
            up = y + high * (far * np.sin(angle) - 0.75 * shift)
            radius = size * rng.uniform(0.6, 1.2) * (1 - 0.3 * shift)
            draw.ellipse((across - radius, up - 0.85 * radius, across + radius, up + 0.85 * radius), slot)


def _broad(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    lean, fork = rng.uniform(-0.06, 0.06) * tall, rng.uniform(0.55, 0.7) * tall
    middle = wide / 2
    trunk = [(middle - 0.04 * tall, tall), (middle + 0.04 * tall, tall), (middle + lean + 0.02 * tall, fork)]
    draw.polygon([*trunk, (middle + lean - 0.02 * tall, fork)], _WOOD)
    for angle in (0.9, 1.5, 2.2):
        _limbs(draw, middle + lean, fork, angle, 0.22 * tall, 0.022 * tall, 0, rng)
    half, high = rng.uniform(0.26, 0.4) * tall, rng.uniform(0.24, 0.32) * tall
    for _ in range(int(rng.integers(3, 6))):
        x = middle + lean + rng.uniform(-0.55, 0.55) * half
        y = 0.38 * tall + rng.uniform(-0.45, 0.5) * high
        _crown(draw, x, y, 0.55 * half, 0.5 * high, 0.034 * tall, 44, rng)
    _crown(draw, middle + lean, 0.36 * tall, 0.8 * half, 0.8 * high, 0.034 * tall, 80, rng)


def _birch(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    middle, lean = wide / 2, rng.uniform(-0.04, 0.04) * tall
    draw.polygon([(middle - 0.02 * tall, tall), (middle + 0.02 * tall, tall), (middle + lean, 0.1 * tall)], _WOOD)
    for y in rng.uniform(0.3, 0.97, 9) * tall:
        draw.line([(middle - 0.018 * tall, y), (middle + 0.006 * tall, y)], _SHADED, max(2, round(0.007 * tall)))
    for _ in range(7):
        y = rng.uniform(0.1, 0.6)
        spread = 0.2 * tall * (0.35 + y)
        _crown(
            draw, middle + lean + rng.uniform(-1, 1) * spread, y * tall, 0.1 * tall, 0.09 * tall, 0.026 * tall, 16, rng
        )


def _palm(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    bend = rng.uniform(-0.25, 0.25) * tall
    steps = np.linspace(0, 1, 12)
    spine = [(wide / 2 + bend * (s**1.6) - 0.4 * bend, tall * (1 - 0.74 * s)) for s in steps]
    draw.line(spine, _WOOD, round(0.04 * tall), "curve")
    x, y = spine[-1]
    for angle in np.linspace(-0.5, np.pi + 0.5, 9) + rng.uniform(-0.12, 0.12, 9):
        long = tall * rng.uniform(0.3, 0.4)
        points = [(x + long * s * np.cos(angle), y - long * (s * np.sin(angle) * 0.6 - 0.55 * s * s)) for s in steps]
        slot = _LIT if np.cos(angle) < 0.2 else _SHADED
        draw.line(points, slot, round(0.03 * tall), "curve")
        for px, py in points[2:]:
            draw.line([(px, py), (px + 0.02 * tall * np.cos(angle), py + 0.07 * tall)], slot, round(0.016 * tall))


def _bush(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    for _ in range(6):
        x, high = wide * rng.uniform(0.22, 0.78), tall * rng.uniform(0.2, 0.34)
        _crown(draw, x, tall - 1.25 * high, 0.16 * wide, high, 0.09 * tall, 34, rng)
    draw.rectangle((0, tall - 2, 0, tall), 0)


def _cactus(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    def column(x: float, low: float, high: float, half: float) -> None:
        draw.rounded_rectangle((x - half, high, x + half, low), half, _SHADED)
        draw.rounded_rectangle((x - half, high, x + 0.1 * half, low), half, _LIT)
        draw.rounded_rectangle((x - 0.7 * half, high, x, high + 0.08 * tall), 0.4 * half, _TOP)

    middle, half = wide / 2, 0.07 * tall
    column(middle, tall, 0.03 * tall, half)
    for side, low in zip((-1, 1), rng.uniform(0.4, 0.65, 2) * tall, strict=True):
        x = middle + side * 0.2 * tall
        draw.rectangle((min(middle, x), low - 0.07 * tall, max(middle, x), low + 0.04 * tall), _SHADED)
        column(x, low + 0.04 * tall, low - rng.uniform(0.2, 0.32) * tall, 0.75 * half)


def _twig(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    """A bough that reaches in from the upper left."""
    for _ in range(int(rng.integers(1, 3))):
        y, angle = rng.uniform(0.02, 0.25) * tall, rng.uniform(-0.55, 0.0)
        _limbs(draw, 0, y, angle, 0.35 * tall, 0.035 * tall, 4, rng)


def _branch(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    """A leafy bough along the upper edge: limbs that hang in from outside, thick with leaves at the edge."""
    for _ in range(int(rng.integers(2, 5))):
        x, long = -0.05 * tall, tall * rng.uniform(0.5, 1.15)
        y, fall = rng.uniform(-0.05, 0.2) * tall, rng.uniform(0.05, 0.6)
        steps = np.linspace(0, 1, 12)
        spine = [(x + long * s, y + fall * long * s * s) for s in steps]
        draw.line(spine, _WOOD, round(0.02 * tall), "curve")
        for slot, shift in ((_SHADED, 0.02), (_LIT, -0.005), (_TOP, -0.02)):
            for s in rng.random(46 if slot != _TOP else 18) ** 1.3:
                thick = 0.10 * (1 - 0.75 * s) * tall
                across = x + long * s + rng.normal(0, 0.5) * thick
                down = y + fall * long * s * s + shift * tall + rng.normal(0.15, 0.5) * thick
                size = 0.03 * tall * rng.uniform(0.7, 1.2) * (1 - 0.35 * s)
                draw.ellipse((across - size, down - 0.6 * size, across + size, down + 0.6 * size), slot)


def _tuft(draw: ImageDraw.ImageDraw, wide: int, tall: int, rng: np.random.Generator) -> None:
    """Long grass with heads."""
    for _ in range(90):
        x, high, lean = rng.normal(wide / 2, 0.2 * wide), tall * rng.uniform(0.3, 0.95), rng.normal(0, 0.14) * tall
        slot = (_LIT, _SHADED)[int(rng.integers(2))]
        half = 0.014 * tall
        tip = (x + lean, tall - high)
        draw.polygon([(x - half, tall), (x + half, tall), (x + 0.3 * lean, tall - 0.6 * high), tip], slot)
        if rng.random() < 0.35:
            size = 0.035 * tall * rng.uniform(0.7, 1.2)
            draw.ellipse((tip[0] - size, tip[1] - size, tip[0] + size, tip[1] + size), _TOP)


_DRAWN = {
    "pine": _pine,
    "broad": _broad,
    "birch": _birch,
    "bare": _bare,
    "palm": _palm,
    "bush": _bush,
    "cactus": _cactus,
    "twig": _twig,
    "branch": _branch,
    "tuft": _tuft,
}
