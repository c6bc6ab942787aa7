"""Reuse at even intervals: every n-th step is computed (arXiv:2407.01425 at the level of blocks)."""

from dataclasses import dataclass
from typing import Literal

from trajflow.base import Level, Residual


@dataclass(frozen=True)
class Interval:
    """Steps 0, n, 2 n and so on are computed, the others reuse the newest residual."""

    every: int
    level: Level
    depth: int = 1

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """Compute every n-th step."""
        return "compute" if k % self.every == 0 else "reuse"

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """The newest residual."""
        return kept[0]


def interval_within(budget: int, steps: int) -> int:
    """The smallest n that computes at most `budget` of `steps` steps; `budget` is at least 1."""
    return -(-steps // budget)
