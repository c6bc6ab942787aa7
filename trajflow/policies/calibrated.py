"""Reuse with priors: what is reused is first moved toward what computing would have given.

On top of any policy, at each reused step and for each part of the residual r, per channel,

    r = sum_i w_i r_{j_i} + b,   j_0 > j_1 > ... the newest computed steps.

`offset` has w = (1), `scale` one free w, `history` as many as are kept. The priors are estimated in order by
`learning/priors.py`, each on runs that the earlier ones have corrected.

Two strategies run on it. `tcc` is Trajectory-Consistent Calibration (arXiv:2605.24870): offsets and scales on what the
blocks of every n-th step left; the form of the correction is ours. `solver` is `history` on velocities, which makes it
a multistep solver whose coefficients are learned for the model and the mask, a bespoke one; nearest is L2P
(arXiv:2604.26365).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from trajflow.base import Level, Residual, StepPolicy


@dataclass(frozen=True)
class Prior:
    """`weights` [M, ...] for the M newest residuals and an `offset` [...], one number a channel."""

    weights: Tensor
    offset: Tensor

    def fits(self, kept: Tensor) -> bool:
        """Whether a residual has the rows and channels that this was estimated for: without guidance a branch is
        missing, and its priors are not those of the other."""
        shape = self.offset.shape
        return len(shape) == kept.ndim and all(n in (1, m) for n, m in zip(shape, kept.shape, strict=True))

    def apply(self, kept: tuple[Tensor, ...]) -> Tensor:
        """The corrected residual, in the dtype of the newest."""
        moved = self.offset.to(kept[0].device).float()
        for weight, each in zip(self.weights.to(kept[0].device), kept, strict=False):
            moved = moved + weight * each.float()
        return moved.to(kept[0].dtype)


@dataclass(frozen=True)
class Calibrated:
    """Another policy's decisions, with `priors` by reused step and by part of the residual."""

    policy: StepPolicy
    priors: Mapping[int, Mapping[str, Prior]]
    depth: int = 1

    @property
    def level(self) -> Level:
        """That of the policy below."""
        return self.policy.level

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """What the policy below says."""
        return self.policy.decide(k, kept)

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """What the policy below restores, where a prior is known corrected."""
        reused = self.policy.restore(k, kept)
        priors = self.priors.get(k, {})
        older = kept[1:]
        return {
            name: priors[name].apply((each, *(past[name] for past in older if name in past)))
            if name in priors and priors[name].fits(each)
            else each
            for name, each in reused.items()
        }
