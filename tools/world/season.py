"""The seasons' colours, as linear RGB: grass, leaves and what grows where little does."""

import numpy as np

from tools.world.colour import hexed

_GRASS = {
    "spring": ("8cc250", "9cc858", "7db848", "a4c860"),
    "summer": ("4f8a34", "5c9038", "47803a", "6b9440"),
    "autumn": ("b08a3c", "a8783a", "b8964a", "96743a"),
    "winter": ("9a9478", "8c8a78", "a09880", "868070"),
}
_LEAVES = {
    "spring": ("f4a8c6", "fbd3e0", "a8d060", "f08cb4", "8cc84c", "fff0f4"),
    "summer": ("2f6a2c", "3c7a34", "28602c", "4a8438", "356e3c", "527f2e"),
    "autumn": ("d9621c", "e89a20", "c23a1e", "f0b830", "b84e1a", "d97c18"),
    "winter": ("5c5048", "6a5c50", "544a48", "70645a", "5c5048", "665a54"),
}
_NEEDLES = {
    "spring": ("3c7a4c", "4a8a50"),
    "summer": ("235a3a", "2c6640"),
    "autumn": ("34562e", "4a6030"),
    "winter": ("2a4a44", "34544c"),
}


def grass(season: str, rng: np.random.Generator) -> np.ndarray:
    """The colour of a meadow [3]."""
    codes = _GRASS[season]
    return np.asarray(hexed(codes[rng.integers(len(codes))]) * np.float32(np.exp(rng.normal(0, 0.1))))


def leaves(season: str, rng: np.random.Generator, count: int = 3) -> tuple[np.ndarray, ...]:
    """`count` colours [3] of a broad-leaved wood: in spring the first is of blossom, in autumn all of them burn."""
    codes = _LEAVES[season]
    start = int(rng.integers(len(codes)))
    return tuple(hexed(codes[(start + k) % len(codes)]) for k in range(count))


def needles(season: str, rng: np.random.Generator) -> np.ndarray:
    """The colour of a conifer [3]."""
    return hexed(_NEEDLES[season][rng.integers(2)])
