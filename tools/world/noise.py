"""Noise: periodic tiles with a power-law spectrum, read at any coordinates, and the few curves that shape them.

The amplitude at spatial frequency f falls as f^-slope: 0.6 is grainy, 1 rocky, 1.5 cloudy, 2 rolling.
"""

from functools import lru_cache

import numpy as np

SIDE = 512
TILES = 4


@lru_cache(maxsize=64)
def tile(slope: float, index: int) -> np.ndarray:
    """A periodic tile [512, 512] float32 of mean 0 and standard deviation 1."""
    spectrum = np.fft.rfft2(np.random.default_rng([index, int(100 * slope)]).standard_normal((SIDE, SIDE)))
    wave = frequency()
    values = np.fft.irfft2(spectrum / wave**slope, s=(SIDE, SIDE))
    return np.asarray((values - values.mean()) / values.std(), np.float32)


def frequency() -> np.ndarray:
    """Cycles per tile of every bin [512, 257] of a real transform; the constant's is very high, so that it vanishes."""
    wave = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)) * SIDE
    wave[0, 0] = 1e9
    return wave


def read(values: np.ndarray, x: np.ndarray, y: np.ndarray | float) -> np.ndarray:
    """`values` [N, M], periodic, between its cells at columns `x` and rows `y` (any shapes that broadcast)."""
    rows, columns = values.shape
    # Rows and columns are worked out before they are broadcast: most readers ask for a grid.
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    before, above = np.floor(x), np.floor(y)
    right_part, low_part = x - before, y - above
    left, top = before.astype(np.int32) % columns, above.astype(np.int32) % rows
    right, low = np.where(left == columns - 1, 0, left + 1), np.where(top == rows - 1, 0, top + 1) * columns
    top = top * columns
    flat = values.ravel()
    upper = flat[top + left]
    upper = upper + (flat[top + right] - upper) * right_part
    lower = flat[low + left]
    lower = lower + (flat[low + right] - lower) * right_part
    return np.asarray(upper + (lower - upper) * low_part)


def grain(rng: np.random.Generator, slope: float, x: np.ndarray, y: np.ndarray | float) -> np.ndarray:
    """Noise of a random tile from a random place; `x` and `y` count in cells of the tile."""
    shift = rng.integers(0, SIDE, 2)
    return read(tile(slope, int(rng.integers(TILES))), x + np.float32(shift[0]), y + float(shift[1]))


def ripple(rng: np.random.Generator, slope: float, length: int, cells: float) -> np.ndarray:
    """Noise along a line [length] that covers `cells` cells."""
    return grain(rng, slope, np.linspace(0, cells, length, dtype=np.float32), 0.0)


def step(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray | float) -> np.ndarray:
    """From 0 where x is at `low` to 1 at `high` (which may be smaller), smoothly."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def mix(first: np.ndarray | float, second: np.ndarray | float, part: np.ndarray | float) -> np.ndarray:
    """`first` where part is 0, `second` where it is 1."""
    return np.asarray(first + (second - first) * part)
