"""Completing a tab's pictures while they are looked at: the exact picture arrives, and the next edit starts from it.

Every evaluation is one step of a generator that anybody may stop: the tab's own next run makes it give way within one
evaluation (`Session.complete`), and while another tab's run is waited for it pauses.
"""

import logging
import time
from collections.abc import Generator, Iterator

from trajflow.base import Result
from trajflow.errors import Cancelled, TrajflowError
from trajflow.ui import words
from trajflow.ui.registry import Registry, Seat
from trajflow.ui.views import Changes, Views

logger = logging.getLogger(__name__)
REDRAW_SECONDS = 0.25
PAUSE_SECONDS = 0.05


def complete(seat: Seat, registry: Registry, views: Views) -> Iterator[Changes]:
    """Complete what the tab's session has unfinished, newest first, saying so; ends silently when it gives way."""
    before, is_done = seat.session.spent.background, False
    for entry in seat.session.unfinished():
        try:
            is_done |= yield from _complete(seat, registry, views, entry.key)
        except Cancelled:
            yield {views.parts.background: ""}
            return
        except TrajflowError as error:
            # Forgotten meanwhile, or not to be completed: its picture stands as it is.
            logger.info("a picture was not completed: %s", error)
        except Exception:
            logger.exception("a picture could not be completed")
    yield {views.parts.background: words.completed(seat.session.spent.background - before) if is_done else ""}


def _complete(seat: Seat, registry: Registry, views: Views, key: str) -> Generator[Changes, None, bool]:
    next_drawing = 0.0
    events = registry.line.each(seat.session.complete(key))
    while not seat.is_busy:
        while registry.is_waited_for(seat):
            time.sleep(PAUSE_SECONDS)
        event = next(events, None)
        if event is None:
            return False
        if isinstance(event, Result):
            if event.key:
                seat.measured(event)
                yield views.completed(seat, event)
            return True
        if time.monotonic() >= next_drawing:
            yield {views.parts.background: words.completing(event, is_shown=seat.shown == key)}
            next_drawing = time.monotonic() + REDRAW_SECONDS
    raise Cancelled("A run began.")
