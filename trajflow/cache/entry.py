"""One finished run as the cache keeps it."""

import secrets
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Result, Trajectory
from trajflow.cache.key import CacheKey
from trajflow.errors import CacheError

VECTOR_SIZE = 384


def new_key() -> str:
    """A random 128-bit name for an entry, 32 hexadecimal digits: it cannot be guessed from another."""
    return secrets.token_hex(16)


@dataclass(frozen=True, eq=False)
class Entry:
    """A result with what is needed to reuse it. Two entries are equal only if they are the same object.

    `trajectory` is None where only the picture is kept, as for a run on another grid of sigmas. `vector` [384] float32
    of unit norm is the prompt's sentence vector; `created` is in unix seconds. `prefix` [m, *x.shape] are the first
    velocities of the from-scratch run where its completion was interrupted. Raises `CacheError` for another vector.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> result = session.generate("a mountain")
    >>> [entry] = session.entries()
    >>> entry.prompt, entry.is_true
    ('a mountain', True)
    """

    key: str
    cache_key: CacheKey
    result: Result
    trajectory: Trajectory | None
    vector: np.ndarray
    created: float
    prefix: Tensor | None = None

    def __post_init__(self) -> None:
        if self.vector.shape != (VECTOR_SIZE,) or self.vector.dtype != np.float32:
            raise CacheError(
                f"An entry's sentence vector must be float32 of shape ({VECTOR_SIZE},), "
                f"got {self.vector.dtype} of shape {self.vector.shape}. Make it with SentenceEncoder.encode."
            )

    @property
    def prompt(self) -> str:
        """The prompt as compared between runs: as typed, without the spaces around it."""
        return self.result.request.prompt.strip()

    @cached_property
    def digest(self) -> str:
        """The fingerprint of what decides its velocities."""
        return self.cache_key.digest()

    @cached_property
    def computed(self) -> int | None:
        """How many steps of the kept trajectory were computed, None without one."""
        return None if self.trajectory is None else self.trajectory.kinds.count("computed")

    @cached_property
    def is_true(self) -> bool:
        """Whether every step of the kept trajectory was computed."""
        return self.trajectory is not None and self.trajectory.is_true

    @cached_property
    def nbytes(self) -> int:
        """Bytes held: the trajectory, the prefix, the pixels of the picture and of a baseline beside it, the vector."""
        trajectory = self.trajectory.nbytes if self.trajectory is not None else 0
        trajectory += self.prefix.numel() * self.prefix.element_size() if self.prefix is not None else 0
        pictures = (self.result.image, self.result.baseline)
        return (
            trajectory + sum(_pixel_bytes(picture) for picture in pictures if picture is not None) + self.vector.nbytes
        )


def _pixel_bytes(image: Image) -> int:
    return image.width * image.height * 3
