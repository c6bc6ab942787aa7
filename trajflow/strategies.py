"""The strategies a request may name: which transition each one runs, on what kind of plan.

Families: `full` computes every step; `shorter` computes every step of a shorter schedule, without a cache; `switch`
follows one cached path and leaves it late; `transport` starts at the noise shared with the cached runs and evaluates at
a few nodes.
"""

from dataclasses import dataclass
from typing import Literal

Family = Literal["full", "shorter", "switch", "transport"]


@dataclass(frozen=True)
class Strategy:
    """A name's transition and family; `most_sources` limits how many cached runs a transport is given."""

    transition: str
    family: Family
    most_sources: int = 1


STRATEGIES: dict[str, Strategy] = {
    "auto": Strategy("basis", "transport", most_sources=6),
    "basis": Strategy("basis", "transport", most_sources=6),
    "difference": Strategy("difference", "transport"),
    "resume": Strategy("direct", "switch"),
    "blend": Strategy("blend", "switch"),
    "fewer-steps": Strategy("direct", "shorter"),
    "baseline": Strategy("direct", "full"),
}
