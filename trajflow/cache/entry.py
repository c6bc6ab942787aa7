"""One finished run as the cache keeps it, and the key that says which runs it may serve.

What must agree before one run's trajectory may serve another is everything that decides a velocity but the prompt, the
negative prompt and guidance. The fingerprint of that, and the one that has the latter two, are each a sha256 over
canonical JSON, in which the grid stands as the sha256 of its float32 sigmas: two schedules of one name and length can
differ (shift, sigma_min), their sigmas cannot lie.

An entry's tensors are on the CPU or a device, equal bit for bit.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Result, Trajectory
from trajflow.errors import CacheError, ModelError
from trajflow.memory import device_copy, host_copy

CPU = torch.device("cpu")
VECTOR_SIZE = 384


def new_key() -> str:
    """A random 128-bit name for an entry, 32 hexadecimal digits: it cannot be guessed from another."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class CacheKey:
    """The named parts of a cache_digest, all plain JSON.

    `identity` is `Model.identity()`, `shape` the latent shape, `sigmas_sha256` the hex digest of the grid of `steps`
    steps as little-endian float32. Make one with `CacheKey.of`, which brings every field into its canonical form.
    """

    identity: Mapping[str, Any]
    shape: tuple[int, ...]
    sigmas_sha256: str
    steps: int
    guidance: float
    negative_prompt: str
    seed: int
    sampler: str = "euler"

    @classmethod
    def of(
        cls,
        identity: Mapping[str, Any],
        shape: tuple[int, ...],
        sigmas: Tensor,
        guidance: float,
        negative_prompt: str,
        seed: int,
        sampler: str = "euler",
    ) -> "CacheKey":
        """The key of a run on the grid `sigmas` [N + 1]. Raises `ModelError` when `identity` is not plain JSON."""
        try:
            plain = json.loads(json.dumps(identity, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"A model's identity() must be plain JSON (strings, finite numbers, booleans, lists, mappings): {error}"
            ) from error
        return cls(
            plain,
            tuple(shape),
            sigmas_sha256(sigmas),
            len(sigmas) - 1,
            float(guidance),
            negative_prompt,
            int(seed),
            sampler,
        )

    def digest(self) -> str:
        """The fingerprint: 64 hexadecimal digits."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def source_digest(self) -> str:
        """The fingerprint without negative prompt and guidance: runs of one can serve each other as sources."""
        return replace(self, negative_prompt="", guidance=1.0).digest()


def sigmas_sha256(sigmas: Tensor) -> str:
    """The sha256 (hex) of a grid [N + 1] as little-endian float32."""
    return hashlib.sha256(sigmas.detach().cpu().float().numpy().astype("<f4").tobytes()).hexdigest()


def cache_digest(
    identity: Mapping[str, Any],
    shape: tuple[int, ...],
    sigmas: Tensor,
    guidance: float,
    negative_prompt: str,
    seed: int,
    sampler: str = "euler",
) -> str:
    """The sha256 (hex) of a run's key; see `CacheKey.of` for the arguments and what is raised."""
    return CacheKey.of(identity, shape, sigmas, guidance, negative_prompt, seed, sampler).digest()


def differences(a: CacheKey, b: CacheKey) -> tuple[str, ...]:
    """What differs from `a` to `b`, in words for the user: `("steps (28 -> 20)", "seed (7 -> 8)")`; empty when nothing.

    A changed model, size, number of steps or sampler brings other sigmas with it, so "schedule" is named only when the
    sigmas differ and none of those does.
    """
    changes = {
        "model": a.identity != b.identity,
        "size": a.shape != b.shape,
        f"steps ({a.steps} -> {b.steps})": a.steps != b.steps,
        f"sampler ({a.sampler} -> {b.sampler})": a.sampler != b.sampler,
    }
    changes["schedule"] = a.sigmas_sha256 != b.sigmas_sha256 and not any(changes.values())
    changes |= {
        f"guidance ({a.guidance} -> {b.guidance})": a.guidance != b.guidance,
        "negative prompt": a.negative_prompt != b.negative_prompt,
        f"seed ({a.seed} -> {b.seed})": a.seed != b.seed,
    }
    return tuple(words for words, is_changed in changes.items() if is_changed)


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

    def in_memory(self) -> "Entry":
        """The entry with its tensors, read where they are on the disk. Raises CacheError where that fails."""
        return self

    @property
    def prompt(self) -> str:
        """The prompt as compared between runs: as typed, without the spaces around it."""
        return self.result.request.prompt.strip()

    @cached_property
    def digest(self) -> str:
        """The fingerprint of what decides its velocities."""
        return self.cache_key.digest()

    @cached_property
    def source_digest(self) -> str:
        """The fingerprint of what must agree before it may serve another run."""
        return self.cache_key.source_digest()

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


def device_of(entry: Entry) -> torch.device:
    """Where the entry's tensors are; the CPU for one without any."""
    held = entry.trajectory.velocities if entry.trajectory is not None else entry.prefix
    return CPU if held is None else held.device


def on_cpu(entry: Entry) -> Entry:
    """The entry with its tensors on the CPU, in pinned memory where they come from a GPU."""
    return entry if device_of(entry) == CPU else with_tensors(entry, host_copy)


def on_device(entry: Entry, device: torch.device) -> Entry:
    """The entry with its tensors on `device`."""
    return entry if device_of(entry) == device else with_tensors(entry, lambda tensor: device_copy(tensor, device))


def with_tensors(entry: Entry, change: Callable[[Tensor], Tensor]) -> Entry:
    """The entry with `change` applied to the tensors of its trajectory, the grid's included, and to its prefix."""
    trajectory = entry.trajectory
    if trajectory is not None:
        grid = trajectory.schedule
        trajectory = replace(
            trajectory,
            schedule=replace(grid, sigmas=change(grid.sigmas), timesteps=change(grid.timesteps)),
            noise=change(trajectory.noise),
            velocities=change(trajectory.velocities),
            negative=None if trajectory.negative is None else change(trajectory.negative),
        )
    return replace(entry, trajectory=trajectory, prefix=None if entry.prefix is None else change(entry.prefix))
