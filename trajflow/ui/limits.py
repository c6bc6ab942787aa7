"""How much one visitor may ask for, and what is said beyond it."""

from typing import Any

from trajflow.base import Defaults
from trajflow.errors import RequestError, TrajflowError
from trajflow.settings import MOST_STEPS

# People who wait, sessions that are held at once, and jobs of one person that wait.
MOST_WAITING = 32
MOST_SESSIONS = 256
MOST_OF_A_PERSON = 4
# Of one request: the model's own picture, at its own number of steps, so many times over.
MOST_WORK = 8.0


class Busy(TrajflowError):
    """There is no room now; `retry_seconds` says when there may be."""

    def __init__(self, text: str, retry_seconds: float) -> None:
        self.retry_seconds = max(1, round(retry_seconds))
        seconds = "1 second" if self.retry_seconds == 1 else f"{self.retry_seconds} seconds"
        super().__init__(f"{text} Try again in {seconds}.")


def work_of(options: dict[str, Any], defaults: Defaults) -> float:
    """Steps x pixels, twice that when compared, in pictures of the model's own size and steps; 0 of a request that is
    not valid, which the library refuses."""
    most = {"steps": MOST_STEPS, "width": defaults.largest_side, "height": defaults.largest_side}
    work = 2.0 if options.get("compare") is True else 1.0
    for name, largest in most.items():
        value = getattr(defaults, name) if options.get(name) is None else options[name]
        if type(value) is not int or not 0 < value <= largest:
            return 0.0
        work *= value / getattr(defaults, name)
    return work


def check_work(options: dict[str, Any], defaults: Defaults) -> None:
    """Raises RequestError for a valid request that would hold up everybody else for too long."""
    work = work_of(options, defaults)
    if work > MOST_WORK:
        raise RequestError(
            f"This asks for the work of {work:.1f} pictures of {defaults.width} x {defaults.height} pixels and "
            f"{defaults.steps} steps; here one request may take that of {MOST_WORK:g}. "
            "Ask for fewer steps or a smaller picture, or do not compare."
        )
