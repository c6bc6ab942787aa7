"""A pen that draws lit shapes smoothly on a small sprite.

Shapes are drawn as palette entries on a canvas several times as large, looked up as linear colour, and averaged down;
the palette holds floats, so night scenes do not band and lamps may be brighter than paper.
"""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from tools.world.light import Light

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
# A named colour must be legible in any light: this share of it ignores the light's tint and is never lit more weakly
# than this.
_PURE = 0.75
_DIMMEST = 0.42
_SNOW = (0.86, 0.89, 0.94)


def linear(red: int, green: int, blue: int) -> np.ndarray:
    """Linear RGB [3] of an sRGB colour given in 0..255."""
    value = np.array([red, green, blue], np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


PAINTS = {
    "red": linear(212, 24, 30),
    "orange": linear(250, 122, 8),
    "yellow": linear(255, 214, 24),
    "green": linear(34, 156, 48),
    "blue": linear(24, 84, 218),
    "purple": linear(130, 44, 184),
    "white": linear(244, 244, 242),
    "black": linear(22, 22, 26),
}
LAMP = np.array([1.25, 0.78, 0.28], np.float32)


def luminance(colour: np.ndarray) -> float:
    """The brightness of a linear RGB colour [3]."""
    return float(colour @ _LUMA)


def mix(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """`one` with `share` (0..1) of `other` in it."""
    return one + (other - one) * share


class Pen:
    """Draws one sprite of `height` pixels, `wide` times as wide.

    Shapes are given in heights: x from the middle to the right, y from the ground up. A flipped pen draws everything
    mirrored, lit from where the sun really is.
    """

    def __init__(self, light: Light, height: int, wide: float, flipped: bool = False) -> None:
        self.light = light
        self.height = height
        self.width = max(2, round(height * wide))
        self._fold = -1.0 if flipped else 1.0
        self._scale = 4 if height < 48 else 3 if height < 100 else 2
        self._unit = height * self._scale
        self._canvas = Image.new("L", (self.width * self._scale, self._unit))
        self._draw = ImageDraw.Draw(self._canvas)
        self._slots: dict[tuple[float, ...], int] = {(0.0, 0.0, 0.0, 0.0): 0}
        self._falling: dict[tuple[float, float, float], tuple[np.ndarray, np.ndarray]] = {}
        self._glows: list[tuple[float, float, float, np.ndarray]] = []

    def lit(self, albedo: np.ndarray, normal: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
        """The colour of a face turned towards `normal` (need not be of unit length)."""
        return albedo * self._falling_on(normal)[0]

    def named(self, albedo: np.ndarray, normal: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
        """As `lit`, for a colour that a caption names: a share of the pure hue survives every light."""
        return albedo * self._falling_on(normal)[1]

    def snowy(self, colour: np.ndarray, normal: tuple[float, float, float] = (0.0, 1.0, 0.3)) -> np.ndarray:
        """`colour` under as much snow as has fallen."""
        return mix(colour, self.lit(np.array(_SNOW), normal), 0.95 * min(1.0, 1.3 * self.light.snow))

    def window(self, normal: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
        """A pane: lamp light when lamps are lit, else dark glass with some sky in it."""
        return LAMP if self.light.lamps else mix(self.lit(linear(38, 48, 62), normal), self.light.haze, 0.25)

    def polygon(self, points: list[tuple[float, float]], colour: np.ndarray, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(*point) for point in points], self._slot(colour, alpha))

    def box(self, left: float, bottom: float, right: float, top: float, colour: np.ndarray) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)

    def ellipse(self, x: float, y: float, wide: float, high: float, colour: np.ndarray, alpha: float = 1.0) -> None:
        """Fill an ellipse with half axes `wide` and `high`."""
        across, down = self._at(x, y)
        wide, high = wide * self._unit, high * self._unit
        self._draw.ellipse((across - wide, down - high, across + wide, down + high), self._slot(colour, alpha))

    def line(self, points: list[tuple[float, float]], thick: float, colour: np.ndarray) -> None:
        """Draw a line `thick` heights wide, never thinner than half a pixel."""
        wide = max(round(thick * self._unit), self._scale // 2, 1)
        self._draw.line([self._at(*point) for point in points], self._slot(colour, 1.0), wide, "curve")

    def tube(
        self,
        bottom: tuple[float, float, float],
        top: tuple[float, float, float],
        albedo: np.ndarray,
        named: bool = False,
        strips: int = 6,
        rise: float = 0.0,
    ) -> None:
        """A round tower or cone from (x, y, half width) to (x, y, half width); `rise` tips its normals upwards."""
        shade = self.named if named else self.lit
        edges = np.sin(np.linspace(-np.pi / 2, np.pi / 2, strips + 1))
        for left, right in pairwise(edges.tolist()):
            middle = (left + right) / 2
            colour = shade(albedo, (middle, rise, (1 - middle**2) ** 0.5))
            if rise > 0:
                colour = self.snowy(colour, (middle, rise, 0.5))
            (x0, y0, r0), (x1, y1, r1) = bottom, top
            self.polygon(
                [(x0 + r0 * left, y0), (x0 + r0 * right, y0), (x1 + r1 * right, y1), (x1 + r1 * left, y1)], colour
            )

    def erase(self, points: list[tuple[float, float]]) -> None:
        """Make a polygon transparent again."""
        self._draw.polygon([self._at(*point) for point in points], 0)

    def tiles(
        self,
        left: float,
        top: float,
        colours: list[np.ndarray],
        which: np.ndarray,
        cell: tuple[int, int],
        pane: tuple[int, int],
    ) -> None:
        """A grid of panes, `which` [rows, columns] telling the colour of each, -1 for none.

        Each is `pane` (wide, high) canvas pixels in a `cell` of so many.
        """
        across, down = self._at(left, top)
        rows, columns = which.shape
        slots = np.array([*(self._slot(colour, 1.0) for colour in colours), 0], np.uint8)
        grid = np.zeros((rows, cell[1], columns, cell[0]), np.uint8)
        grid[:, : pane[1], :, : pane[0]] = slots[which][:, None, :, None]
        sheet = grid.reshape(rows * cell[1], columns * cell[0])
        opaque = Image.fromarray((sheet > 0).view(np.uint8) * np.uint8(255))
        self._canvas.paste(Image.fromarray(sheet), (round(across), round(down)), opaque)

    @property
    def scale(self) -> int:
        """Canvas pixels in one pixel of the sprite."""
        return self._scale

    @property
    def sunward(self) -> float:
        """How far the sun stands to the right of what is drawn, mirrored as the drawing is."""
        return float(self._fold * self.light.sun[0])

    def glow(self, x: float, y: float, radius: float, colour: np.ndarray) -> None:
        """Light in the air around a lamp: added to what is behind, covering nothing, gone at the sprite's edges."""
        self._glows.append((*self.place(x, y), radius * self.height, np.asarray(colour, np.float32)))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is in the sprite: pixels from its left and its top."""
        across, down = self._at(x, y)
        return across / self._scale, down / self._scale

    def sprite(self, rng: np.random.Generator, grain: float = 0.04) -> np.ndarray:
        """The finished sprite [h, w, 4]: linear RGB premultiplied by alpha; glows have colour and no alpha."""
        palette = np.array(list(self._slots), np.float32)
        palette[:, :3] *= palette[:, 3:]
        palette /= self._scale**2
        slots = np.asarray(self._canvas)
        rows = palette[slots[:: self._scale]]
        for k in range(1, self._scale):
            rows += palette[slots[k :: self._scale]]
        small = rows[:, :: self._scale].copy()
        for k in range(1, self._scale):
            small += rows[:, k :: self._scale]
        noise = rng.standard_normal(small.shape[:2], np.float32)
        small[..., :3] *= np.clip(1 + grain * noise, 0.7, 1.3)[..., None]
        for glow in self._glows:
            self._add_glow(small, *glow)
        return small

    def _add_glow(self, small: np.ndarray, across: float, down: float, radius: float, colour: np.ndarray) -> None:
        high, wide = small.shape[:2]
        left, right = min(radius, across), min(radius, wide - across)
        over, under = min(radius, down), min(radius, high - down)
        rows = slice(max(0, int(down - over)), int(np.ceil(down + under)))
        columns = slice(max(0, int(across - left)), int(np.ceil(across + right)))
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5 - down
        x = np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5 - across
        y /= np.where(y < 0, over, under)
        x /= np.where(x < 0, left, right)
        fall = np.clip(1 - x * x - y * y, 0, 1) ** 3
        small[rows, columns, :3] += fall[..., None] * colour

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._canvas.width / 2 + self._fold * x * self._unit, (1 - y) * self._unit

    def _falling_on(self, normal: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
        """The light on a face, as it is and as it is for named colours; shading is linear in albedo."""
        if normal not in self._falling:
            turned = np.array([self._fold * normal[0], normal[1], normal[2]], np.float32)
            turned /= np.linalg.norm(turned)
            real = self.light.shade(np.ones(3, np.float32), turned)
            dimmest = _DIMMEST * (0.85 + 0.15 * float(turned @ self.light.sun))
            self._falling[normal] = (real, mix(real, np.float32(max(luminance(real), dimmest)), _PURE))
        return self._falling[normal]

    def _slot(self, colour: np.ndarray, alpha: float) -> int:
        slot = self._slots.setdefault((*np.asarray(colour, np.float32).tolist(), alpha), len(self._slots))
        assert slot < 256, "a sprite has at most 255 colours"
        return slot
