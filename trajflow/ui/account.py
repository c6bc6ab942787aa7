"""What a job has come to: the pictures it made and what they took, told once, when the desk is done with it."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trajflow.base import Result

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """One picture. Evaluations: `spent` while somebody waited, `background` beside that, `full` of a run from scratch;
    `seconds` by phase."""

    planned: str
    spent: int
    background: int
    full: int
    seconds: Mapping[str, float]

    @property
    def saved(self) -> int:
        """Evaluations that a run from scratch would have taken and this one did not."""
        return max(0, self.full - self.spent)


@dataclass(frozen=True)
class Ended:
    """A job that is over. `outcome` is done, stopped, error or refused, `error` the kind of what went wrong.

    `abandoned` counts the evaluations of a picture that was not finished; `seconds` is the time at work, `waited` that
    before it.
    """

    person: str
    outcome: str
    error: str = ""
    made: tuple[Made, ...] = ()
    abandoned: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def evaluations(self) -> int:
        """All that the network was asked for."""
        return self.abandoned + sum(made.spent + made.background for made in self.made)


@dataclass
class Account:
    """What a job has come to so far, read from its events."""

    made: list[Made] = field(default_factory=list)
    abandoned: int = 0

    def enter(self, event: Mapping[str, Any]) -> None:
        """One event of the job."""
        if event["type"] == "made":
            self.made.append(event["made"])
            self.abandoned = 0
        elif "nfe" in event and event["type"] in ("step", "completing", "ahead"):
            self.abandoned = event["nfe"]


def run_made(result: Result) -> Mapping[str, Any]:
    """The event that enters a picture which was asked for; no listener is told of it."""
    compared = 0 if result.from_store or result.baseline_cost is None else result.baseline_cost.nfe
    planned = "from-store" if result.from_store else result.plan.strategy
    return {"type": "made", "made": Made(planned, result.cost.nfe, compared, len(result.kinds), result.seconds)}


def completion_made(result: Result) -> Mapping[str, Any]:
    """The event that enters a picture which was made exact in idle time."""
    spent = 0 if result.baseline_cost is None else result.baseline_cost.nfe
    return {"type": "made", "made": Made("completion", 0, spent, 0, result.baseline_seconds or {})}


def ahead_made(result: Result) -> Mapping[str, Any]:
    """The event that enters a picture which nobody has asked for yet."""
    return {"type": "made", "made": Made("ahead", 0, result.cost.nfe, 0, result.seconds)}


def show() -> None:
    """Write these lines, and the library's warnings, where the program's other output goes, with time and level."""
    library = logging.getLogger("trajflow")
    if not library.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        library.addHandler(handler)
        # MCP's package gives the root logger a handler later on, which would write each line a second time.
        library.propagate = False
    logger.setLevel(logging.INFO)


def log(ended: Ended) -> None:
    """One line for each job that came to anything, without its prompt; the session is shown by a hash."""
    if ended.made or ended.abandoned or ended.outcome != "done":
        person = hashlib.sha256(ended.person.encode()).hexdigest()[:8]
        planned = ",".join(sorted({made.planned for made in ended.made})) or "-"
        logger.info(
            "run session=%s planned=%s pictures=%d evaluations=%d seconds=%.3f waited=%.3f outcome=%s error=%s",
            *(person, planned, len(ended.made), ended.evaluations, ended.seconds, ended.waited),
            *(ended.outcome, ended.error or "-"),
        )
