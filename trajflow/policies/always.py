"""The policy that reuses nothing: the from-scratch run itself."""

from dataclasses import dataclass
from typing import Literal

from trajflow.base import Level, Residual


@dataclass(frozen=True)
class Always:
    """Every step is computed."""

    level: Level = "velocity"
    depth: int = 1

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """Compute."""
        return "compute"

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """The newest residual, which nobody asks for."""
        return kept[0]
