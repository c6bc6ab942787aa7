"""What a request would do, known before it runs."""

from dataclasses import dataclass

from trajflow.base import Forecast


@dataclass(frozen=True)
class Outlook:
    """What a request would do, known before it runs.

    `seconds` is None until this session has timed an evaluation, `forecast` where none can be made.
    """

    warning: str
    nfe: int
    seconds: float | None
    reason: str
    forecast: Forecast | None
