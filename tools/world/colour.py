"""Colours. Written in hexadecimal as a screen shows them, kept as light adds them: linear RGB float32."""

import numpy as np

from tools.world.paint import linear

_LUMA = np.array((0.2126, 0.7152, 0.0722), np.float32)
_KNEE = 0.55


def hexed(code: str) -> np.ndarray:
    """The linear colour [3] of six hexadecimal digits."""
    return linear(*bytes.fromhex(code))


def brightness(colour: np.ndarray) -> np.ndarray:
    """Luminance [...] of linear colours [..., 3]."""
    return np.asarray(colour @ _LUMA, np.float32)


def saturated(colour: np.ndarray, amount: float) -> np.ndarray:
    """`colour` [..., 3] with its difference from grey multiplied by `amount`."""
    grey = brightness(colour)[..., None]
    return np.asarray(np.clip(grey + (colour - grey) * amount, 0, None), np.float32)


def shown(light: np.ndarray) -> np.ndarray:
    """Linear light as a screen shows it, 0..1 float32; highlights roll off instead of clipping."""
    bright = np.clip(light, 0.0, None)
    rest = 1.0 - _KNEE
    rolled = np.where(bright < _KNEE, bright, 1.0 - rest * np.exp((_KNEE - bright) / rest))
    return np.asarray(rolled ** np.float32(1 / 2.2), np.float32)
