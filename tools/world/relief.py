"""Height fields: periodic tiles of mountains, hills, dunes and mesas, and the piece of one before a viewer."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from tools.world.noise import SIDE, frequency, read, step, tile
from tools.world.view import View

TILES = 8
ROWS = 224


@dataclass(frozen=True)
class Relief:
    """heights [rows, columns] float32 in world units: row 0 at the viewer, further rows further away, `cell` apart.

    The viewer looks from `eye` units of height over the middle column. Water fills what lies below `level`.
    """

    heights: np.ndarray
    cell: float
    eye: float
    level: float = -1e9

    @property
    def far(self) -> float:
        """The distance of the last row."""
        return (self.heights.shape[0] - 2) * self.cell

    def z(self) -> np.ndarray:
        """Distance of every cell [rows, 1]."""
        return np.arange(self.heights.shape[0], dtype=np.float32)[:, None] * self.cell

    def x(self) -> np.ndarray:
        """How far right of the viewer every cell is [1, columns]."""
        columns = self.heights.shape[1]
        return (np.arange(columns, dtype=np.float32)[None] - columns / 2) * self.cell

    def at(self, x: np.ndarray, z: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """The height, or another of the field's `values`, at places to the right (`x`) and away (`z`)."""
        field = self.heights if values is None else values
        return read(field, np.asarray(x) / self.cell + field.shape[1] / 2, np.asarray(z) / self.cell)


def crop(kind: str, view: View, rng: np.random.Generator) -> np.ndarray:
    """A random piece of a random tile of `kind`, 0..1, [ROWS, columns]: as wide as the view is at its far end."""
    columns = min(SIDE, 2 * int(0.5 * view.width / view.focal * ROWS) + 12)
    whole = heights(kind, int(rng.integers(TILES)))
    turn, flip, shift = int(rng.integers(4)), rng.random() < 0.5, rng.integers(0, SIDE, 2)
    whole = np.rot90(whole, turn)
    whole = whole[:, ::-1] if flip else whole
    rows = (np.arange(ROWS) + shift[0]) % SIDE
    return np.ascontiguousarray(whole[np.ix_(rows, (np.arange(columns) + shift[1]) % SIDE)])


@lru_cache(maxsize=32)
def heights(kind: str, index: int) -> np.ndarray:
    """A periodic height field [512, 512] float32, 0..1."""
    raw = {"alps": _alps, "hills": _hills, "dunes": _dunes, "mesas": _mesas}[kind](index)
    low, high = np.percentile(raw, (0.2, 99.9))
    return np.asarray(np.clip((raw - low) / (high - low), 0, 1), np.float32)


def _band(index: int, low: float, high: float) -> np.ndarray:
    """Noise with waves of `low` to `high` cycles per tile, standard deviation 1."""
    seed = np.random.default_rng([index, int(10 * low), int(10 * high)])
    wave = frequency()
    middle, width = np.log(np.sqrt(low * high)), np.log(high / low) / 2
    weight = np.exp(-(((np.log(wave) - middle) / width) ** 2))
    values = np.fft.irfft2(np.fft.rfft2(seed.standard_normal((SIDE, SIDE))) * weight, s=(SIDE, SIDE))
    return np.asarray(values / values.std(), np.float32)


def _alps(index: int) -> np.ndarray:
    """Ridges: where noise crosses zero there is a crest; finer crests grow on the flanks of coarser ones."""
    total = np.zeros((SIDE, SIDE), np.float32)
    weight, amplitude = np.ones_like(total), 1.0
    for octave in range(6):
        crest = np.clip(1 - np.abs(_band(index, 2.2 * 2**octave, 4.6 * 2**octave)) / 2.0, 0, 1) ** 1.3
        total += amplitude * crest * weight
        weight = np.clip(1.25 * crest, 0.15, 1) * weight
        amplitude *= 0.52
    return total + 0.3 * _band(index, 1.0, 2.5)


def _hills(index: int) -> np.ndarray:
    return np.asarray(sum(0.4**k * _band(index, 2.2 * 2**k, 5.0 * 2**k) for k in range(5)))


def _dunes(index: int) -> np.ndarray:
    """Waves of sand with a long windward side and a short slip face, bent and of uneven height."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    phase = (7 * x + 3 * y + 0.8 * _band(index, 1.5, 4.0)) % 1.0
    profile = np.where(phase < 0.7, (phase / 0.7) ** 1.4, ((1 - phase) / 0.3) ** 1.2)
    profile = ndimage.gaussian_filter(profile.astype(np.float32), 1.2, mode="wrap")
    return np.asarray(profile * (0.75 + 0.3 * _band(index, 1.5, 3.0)) + 0.5 * _band(index, 1.2, 2.6))


def _mesas(index: int) -> np.ndarray:
    """A plain with flat-topped rocks, their walls in terraces."""
    base = 0.7 * _band(index, 3.0, 7.0) + 0.32 * _band(index, 8.0, 18.0) + 0.1 * tile(0.9, index % 4)
    walls = sum(weight * step(at, at + 0.1, base) for at, weight in ((0.55, 0.36), (0.72, 0.30), (0.95, 0.34)))
    return ndimage.gaussian_filter(np.asarray(walls + 0.05 * base, np.float32), 0.7, mode="wrap")
