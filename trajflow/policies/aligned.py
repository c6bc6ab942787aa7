"""Reuse by a mask on a grid of its own: sigmas moved so that a tight budget lands where the full run does.

K + 1 logits l give the sigmas of the K computed steps and of the end: p = softmax(l), s_i = sum_{j >= i} p_j, and s is
stretched so that s_0 is the first sigma of the model's grid and s_K the last (arXiv:2606.13496). Steps between two
computed ones keep their relative place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trajflow.base import Level, Residual, Schedule


@dataclass(frozen=True)
class Aligned:
    """The steps of `mask` are computed, the others reuse the newest residual, on the grid that `logits` move."""

    mask: tuple[int, ...]
    logits: tuple[float, ...]
    level: Level
    depth: int = 1

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """Compute what the mask holds."""
        return "compute" if k in self.mask else "reuse"

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """The newest residual."""
        return kept[0]

    def grid(self, schedule: Schedule) -> Schedule:
        """The grid to run on, from the model's own."""
        return align(schedule, self.mask, torch.tensor(self.logits, dtype=torch.float64))


def logits_of(sigmas: Tensor, mask: Sequence[int]) -> Tensor:
    """The logits [K + 1] float64, on the CPU, that leave a grid of sigmas [N + 1] as it is."""
    ends = sigmas.cpu().double()[[*mask, len(sigmas) - 1]]
    gaps = -ends.diff()
    # The last share fixes only the scale, which the stretching undoes: any positive value will do.
    return torch.cat([gaps, gaps.mean()[None]]).log()


def align(schedule: Schedule, mask: Sequence[int], logits: Tensor) -> Schedule:
    """The grid whose computed steps are where `logits` [K + 1] put them; all its sigmas are distinct.

    Raises ValueError when rounding has made two of them equal.
    """
    sigmas, last = schedule.sigmas.cpu().double(), len(schedule.sigmas) - 1
    shares = torch.softmax(logits, 0).flip(0).cumsum(0).flip(0)
    ends = sigmas[-1] + (sigmas[0] - sigmas[-1]) * (shares - shares[-1]) / (shares[0] - shares[-1])
    moved = sigmas.clone()
    for i, (first, following) in enumerate(zip(mask, (*mask[1:], last), strict=True)):
        place = (sigmas[first : following + 1] - sigmas[first]) / (sigmas[following] - sigmas[first])
        moved[first : following + 1] = ends[i] + place * (ends[i + 1] - ends[i])
    moved = moved.to(schedule.sigmas)
    if not bool((moved.diff() < 0).all()):
        raise ValueError("the aligned sigmas are not distinct")
    scale = schedule.timesteps / schedule.sigmas[:-1]
    return Schedule(moved, (moved[:-1] * scale).to(schedule.timesteps))
