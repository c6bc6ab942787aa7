"""Reuse by a mask: the steps to compute were searched beforehand for a budget (BudCache, arXiv:2606.13496).

The search itself is `learning/masks.py`: simulated annealing and hill climbing on the error of the final latents.
"""

from dataclasses import dataclass
from typing import Literal

from trajflow.base import Level, Residual


@dataclass(frozen=True)
class BudCache:
    """The steps of `mask`, rising, are computed, the others reuse the newest residual."""

    mask: tuple[int, ...]
    level: Level
    depth: int = 1

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """Compute what the mask holds."""
        return "compute" if k in self.mask else "reuse"

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """The newest residual."""
        return kept[0]


def suffix_mask(mask: tuple[int, ...], start: int, steps: int, budget: int) -> tuple[int, ...]:
    """`budget` steps of start..steps-1 to compute after a resume, `start` among them, as late as the mask's own.

    The mask's place on the whole grid is carried over to the rest of it: node j of N goes to start + j (N - start) / N.
    """
    span = steps - start
    budget = min(budget, span)
    chosen: list[int] = []
    for i in range(budget):
        wished = start + round(mask[i * len(mask) // budget] * span / steps)
        earliest = chosen[-1] + 1 if chosen else start
        chosen.append(min(max(wished, earliest), steps - budget + i))
    return (start, *chosen[1:])
