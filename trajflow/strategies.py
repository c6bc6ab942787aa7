"""The strategies a request may name: which transition each one runs, on what kind of plan.

Families: `full` computes every step; `shorter` computes every step of a shorter schedule, without a cache; `reuse`
computes some steps of the whole schedule and reuses their residuals on the others, without a cache; `switch` follows
one cached path and leaves it late; `transport` starts at the noise shared with the cached runs and evaluates at a few
nodes.
"""

from dataclasses import dataclass
from typing import Literal

Family = Literal["full", "shorter", "reuse", "switch", "transport"]


@dataclass(frozen=True)
class Strategy:
    """A name's transition and family; `most_sources` limits how many cached runs a transport is given."""

    transition: str
    family: Family
    most_sources: int = 1

    @property
    def is_anytime(self) -> bool:
        """Whether a run can be refined, or given a fidelity to reach instead of a budget."""
        return self.transition == "basis"


STRATEGIES: dict[str, Strategy] = {
    "auto": Strategy("basis", "transport", most_sources=16),
    "basis": Strategy("basis", "transport", most_sources=16),
    "difference": Strategy("basis", "transport"),
    "resume": Strategy("direct", "switch"),
    "blend": Strategy("blend", "switch"),
    "fewer-steps": Strategy("direct", "shorter"),
    "ab2": Strategy("ab2", "shorter"),
    "dpm++2m": Strategy("dpm++2m", "shorter"),
    "unipc": Strategy("unipc", "shorter"),
    "interval": Strategy("reuse", "reuse"),
    "budcache": Strategy("reuse", "reuse"),
    "aligned": Strategy("reuse", "reuse"),
    "tcc": Strategy("reuse", "reuse"),
    "resume-budcache": Strategy("reuse", "switch"),
    "shooting": Strategy("shooting", "transport", most_sources=6),
    "multiple-shooting": Strategy("multiple-shooting", "transport", most_sources=6),
    "mpc": Strategy("mpc", "transport", most_sources=6),
    "shooting-mpc": Strategy("shooting-mpc", "transport", most_sources=6),
    "kalman": Strategy("kalman", "switch"),
    "uncertainty-blend": Strategy("uncertainty-blend", "switch"),
    "flow-blend": Strategy("flow-blend", "switch"),
    "derivative-blend": Strategy("derivative-blend", "switch"),
    "baseline": Strategy("direct", "full"),
}
