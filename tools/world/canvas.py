"""The picture while it is painted: light, and what each pixel belongs to."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.world.view import View


@dataclass(frozen=True)
class Canvas:
    """pixels [H, W, 3] are linear light and painted in place; water and ground [H, W] say what a pixel shows."""

    view: View
    pixels: np.ndarray
    water: np.ndarray
    ground: np.ndarray

    def cover(self, colour: np.ndarray, share: np.ndarray, top: int = 0, left: int = 0) -> None:
        """Paint `colour` [3] or [h, w, 3] over the box at (top, left), `share` [h, w] of it."""
        box = self.pixels[top : top + share.shape[0], left : left + share.shape[1]]
        box += share[..., None] * (colour - box)

    def shine(self, colour: np.ndarray, strength: np.ndarray, top: int = 0, left: int = 0) -> None:
        """Add light of `colour` [3], `strength` [h, w] of it, to the box at (top, left)."""
        self.pixels[top : top + strength.shape[0], left : left + strength.shape[1]] += strength[..., None] * colour

    def glow(self, column: float, row: float, radius: float, colour: np.ndarray) -> None:
        """Add a round glow of `colour` that has faded at three times `radius` pixels."""
        top, left = max(0, int(row - 3 * radius)), max(0, int(column - 3 * radius))
        bottom, right = int(row + 3 * radius) + 1, int(column + 3 * radius) + 1
        y, x = self.view.rows[top:bottom] - row, self.view.columns[:, left:right] - column
        if y.size and x.size:
            fall = np.exp(-(x * x + y * y) / (2 * radius * radius)) - np.exp(-4.5)
            self.shine(colour, np.clip(fall, 0, None).astype(np.float32), top, left)

    def put(self, sprite: np.ndarray, column: float, bottom: float, through: float = 1.0) -> tuple[int, int, int, int]:
        """Set a premultiplied sprite [h, w, 4] down, its foot at (column, bottom); returns (top, bottom, left, right).

        `through` in 0..1 makes all of it transparent. What lies outside the picture is cut off.
        """
        tall, wide = sprite.shape[:2]
        top, left = round(bottom) - tall, round(column - wide / 2)
        above, before = max(0, -top), max(0, -left)
        low, right = min(self.view.height, top + tall), min(self.view.width, left + wide)
        cut = sprite[above : max(above, low - top), before : max(before, right - left)]
        if cut.size:
            box = self.pixels[top + above : low, left + before : right]
            box *= 1 - through * cut[..., 3:]
            box += through * cut[..., :3]
        return top + above, low, left + before, right


def blank(view: View) -> Canvas:
    """A black picture of nothing."""
    shape = (view.height, view.width)
    return Canvas(view, np.zeros((*shape, 3), np.float32), np.zeros(shape, bool), np.zeros(shape, bool))


def resized(sprite: np.ndarray, height: int, width: int) -> np.ndarray:
    """A sprite [h, w, 4] at another size; shrinking averages."""
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX), np.float32)
        for plane in np.moveaxis(sprite, -1, 0)
    ]
    return np.stack(planes, -1)
