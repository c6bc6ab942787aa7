"""The light of one picture: what the sun, the sky and the air do to every colour in it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Light:
    """Colours are linear RGB [3] float32 in 0..1; a lit surface is albedo * (ambient + key * max(0, n . sun)).

    sun [3] is the unit vector towards the sun or moon: x to the right, y up, z towards the viewer. haze is what far
    things fade into; wetness and snow in 0..1 darken and whiten the ground; lamps says whether windows are lit.
    """

    sun: np.ndarray
    key: np.ndarray
    ambient: np.ndarray
    haze: np.ndarray
    season: str
    snow: float
    wetness: float
    lamps: bool

    def shade(self, albedo: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """The colour of surfaces of `albedo` [..., 3] whose unit normals are `normal` [..., 3]."""
        facing = np.clip(normal @ self.sun, 0.0, 1.0)[..., None]
        return albedo * (self.ambient + self.key * facing)
