"""How the viewer looks at the world: the picture's shape, the horizon, the eye's height, and where a point lands in it.

World units are about a metre and a half: x to the right, y up, z away from the viewer, who stands at the origin.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class View:
    """`horizon` is a row in pixels, `size` the side of a square of the same area, `focal` pixels at distance 1."""

    height: int
    width: int
    horizon: float
    focal: float

    @property
    def size(self) -> float:
        """The side of the square with the picture's area, pixels."""
        return float((self.height * self.width) ** 0.5)

    @cached_property
    def rows(self) -> np.ndarray:
        """The middle of every row [H, 1], pixels."""
        return np.arange(self.height, dtype=np.float32)[:, None] + np.float32(0.5)

    @cached_property
    def columns(self) -> np.ndarray:
        """The middle of every column [1, W], pixels."""
        return np.arange(self.width, dtype=np.float32)[None] + np.float32(0.5)

    def ground(self, eye: float) -> np.ndarray:
        """How far level ground `eye` units below the viewer is, [H, 1]; 4000 units at and above the horizon."""
        return np.clip(eye * self.focal / np.maximum(self.rows - self.horizon, 1e-3), 0.0, 4000.0)

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """The column and the row of a point, pixels."""
        return self.width / 2 + x * self.focal / z, self.horizon - y * self.focal / z


def compose(height: int, width: int, rng: np.random.Generator, low: float = 0.3, high: float = 0.75) -> View:
    """A view with its horizon between `low` and `high` of the height, through a lens drawn at random."""
    horizon, lens = rng.uniform(low, high), rng.uniform(0.8, 1.25)
    return View(height, width, float(horizon * height), float(lens * (height * width) ** 0.5))
