"""A float RGB canvas painted back to front with anti-aliased shapes.

Positions are in units of the canvas side: (0, 0) is the top left corner, (1, 1) the bottom right. Colours are RGB
triples in [0, 1].
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = np.ndarray
OVERSAMPLING = 4


def rgb(r: float, g: float, b: float) -> Colour:
    """A colour from its red, green and blue in [0, 1]."""
    return np.array([r, g, b], dtype=np.float32)


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """The colour a fraction `t` of the way from `a` to `b`."""
    return a + np.float32(t) * (b - a)


class Canvas:
    """Owns `pixels` [S, S, 3] float32; every method paints over what is there."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels = np.zeros((size, size, 3), dtype=np.float32)
        self.grid = (np.arange(size, dtype=np.float32) + 0.5) / size

    def backdrop(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """Fill with a vertical gradient through `stops`, each a height and its colour."""
        heights = [y for y, _ in stops]
        columns = [np.interp(self.grid, heights, [c[k] for _, c in stops]) for k in range(3)]
        self.pixels[:] = np.stack(columns, axis=-1)[:, None]

    def ridge(self, crest: np.ndarray, top: Colour, bottom: Colour, reach: float = 0.3) -> None:
        """Fill below `crest` [S], from `top` at the crest to `bottom` a distance `reach` below it."""
        first = max(0, int(crest.min() * self.size) - 1)
        below = self.grid[first:, None] - crest[None, :].astype(np.float32)
        slope = np.gradient(crest) * self.size
        steepness = (self.size / np.sqrt(1 + slope * slope)).astype(np.float32)
        cover = np.clip(below * steepness + 0.5, 0, 1)[..., None]
        colour = top + np.clip(below / np.float32(reach), 0, 1)[..., None] * (bottom - top)
        self.pixels[first:] += cover * (colour - self.pixels[first:])

    def polygons(
        self, shapes: Sequence[np.ndarray], top: Colour, bottom: Colour | None = None, alpha: float = 1.0
    ) -> None:
        """Fill closed outlines, each [N, 2], shading from `top` to `bottom` over their common height."""
        corners = np.concatenate([np.asarray(shape) for shape in shapes])

        def draw(pen: ImageDraw.ImageDraw, scale: float, x0: float, y0: float) -> None:
            for shape in shapes:
                pen.polygon(((np.asarray(shape) * scale) - (x0, y0)).ravel().tolist(), fill=255)

        self._fill(draw, corners.min(axis=0), corners.max(axis=0), top, bottom, alpha)

    def ellipses(self, shapes: Sequence[Sequence[float]], colour: Colour, alpha: float = 1.0) -> None:
        """Fill ellipses given as (x, y, x radius, y radius)."""
        table = np.asarray(shapes)
        low, high = table[:, :2] - table[:, 2:], table[:, :2] + table[:, 2:]

        def draw(pen: ImageDraw.ImageDraw, scale: float, x0: float, y0: float) -> None:
            boxes = np.concatenate([low * scale - (x0, y0), high * scale - (x0, y0)], axis=1)
            for box in boxes.tolist():
                pen.ellipse(box, fill=255)

        self._fill(draw, low.min(axis=0), high.max(axis=0), colour, None, alpha)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, strength: float) -> None:
        """Blend a soft Gaussian spot of `colour`, with standard deviations `rx` and `ry`."""
        x0, x1 = self._window(x - 3 * rx, x + 3 * rx)
        y0, y1 = self._window(y - 3 * ry, y + 3 * ry)
        across = np.exp(-0.5 * ((self.grid[x0:x1] - x) / rx) ** 2)
        down = strength * np.exp(-0.5 * ((self.grid[y0:y1] - y) / ry) ** 2)
        cover = (down[:, None] * across[None, :])[..., None].astype(np.float32)
        self.pixels[y0:y1, x0:x1] += cover * (colour - self.pixels[y0:y1, x0:x1])

    def veil(self, y: float, thickness: float, colour: Colour, strength: float) -> None:
        """Blend a horizontal band of mist centred on height `y`."""
        cover = (strength * np.exp(-0.5 * ((self.grid - y) / thickness) ** 2))[:, None, None].astype(np.float32)
        self.pixels += cover * (colour - self.pixels)

    def mirror(self, y: float, tint_near: Colour, tint_far: Colour, strength: float) -> None:
        """Turn everything below `y` into still water that reflects what stands above it."""
        first = round(y * self.size)
        rows = self.size - first
        source = np.maximum(first - 1 - np.arange(rows) * 3 // 2, 0)
        t = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
        tint = tint_far + t * (tint_near - tint_far)
        reflected = self.pixels[source]
        self.pixels[first:] = reflected + np.float32(strength) * (tint - reflected)

    def quantised(self) -> np.ndarray:
        """The picture as uint8 [S, S, 3]."""
        return (np.clip(self.pixels, 0, 1) * 255 + 0.5).astype(np.uint8)

    def _window(self, low: float, high: float) -> tuple[int, int]:
        first = min(max(int(np.floor(low * self.size)), 0), self.size)
        return first, min(max(int(np.ceil(high * self.size)) + 1, first), self.size)

    def _fill(
        self,
        draw: Callable[[ImageDraw.ImageDraw, float, float, float], None],
        low: np.ndarray,
        high: np.ndarray,
        top: Colour,
        bottom: Colour | None,
        alpha: float,
    ) -> None:
        x0, x1 = self._window(low[0], high[0])
        y0, y1 = self._window(low[1], high[1])
        if x0 == x1 or y0 == y1:
            return
        mask = Image.new("L", ((x1 - x0) * OVERSAMPLING, (y1 - y0) * OVERSAMPLING))
        draw(ImageDraw.Draw(mask), self.size * OVERSAMPLING, x0 * OVERSAMPLING, y0 * OVERSAMPLING)
        cover = np.asarray(mask.reduce(OVERSAMPLING), dtype=np.float32)[..., None] * np.float32(alpha / 255)
        colour = top
        if bottom is not None:
            colour = top + np.linspace(0, 1, y1 - y0, dtype=np.float32)[:, None, None] * (bottom - top)
        self.pixels[y0:y1, x0:x1] += cover * (colour - self.pixels[y0:y1, x0:x1])
