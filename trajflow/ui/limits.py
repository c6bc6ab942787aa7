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
        super().__init__(f"{text} Try again in {self.retry_seconds} seconds.")


def work_of(options: dict[str, Any], defaults: Defaults) -> float:
    """Steps x pixels, twice that when compared, in pictures of the model's own size and steps; 0 where that cannot be
    said because the request is not valid."""
    steps, width, height = (
        getattr(defaults, name) if options.get(name) is None else options[name] for name in ("steps", "width", "height")
    )
    if not all(type(value) is int and 0 < value < 2**20 for value in (steps, width, height)):
        return 0.0
    times = 2 if options.get("compare") is True else 1
    return times * steps * width * height / (defaults.steps * defaults.width * defaults.height)


def check_work(options: dict[str, Any], defaults: Defaults) -> None:
    """Raises RequestError for a valid request that would hold up everybody else for too long."""
    is_in_range = all(
        not isinstance(options.get(name), int) or options[name] <= most
        for name, most in (("steps", MOST_STEPS), ("width", defaults.largest_side), ("height", defaults.largest_side))
    )
    work = work_of(options, defaults)
    if is_in_range and work > MOST_WORK:
        raise RequestError(
            f"This asks for the work of {work:.1f} pictures of {defaults.width} x {defaults.height} pixels and "
            f"{defaults.steps} steps; here one request may take that of {MOST_WORK:g}. "
            "Ask for fewer steps or a smaller picture, or do not compare."
        )
