"""What must agree before one run's trajectory may serve another: everything that decides a velocity but the prompt.

The fingerprint is a sha256 over canonical JSON, in which the grid stands as the sha256 of its float32 sigmas: two
schedules of one name and length can differ (shift, sigma_min), their sigmas cannot lie.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from trajflow.errors import ModelError


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
