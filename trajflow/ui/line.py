"""The line for the model: one at a time, in the order of asking, whichever way they came.

Gradio's queue limits its own events only. A place is taken for one piece of work, never between two events of a run, so
nobody who walks away keeps it.
"""

import threading
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

Event = TypeVar("Event")


class Line:
    """A lock that is handed to whoever has waited longest."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Event()
            self._waiting.append(called)
        called.wait()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False

    def each(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events, each of them made in a turn of its own."""
        while True:
            with self:
                event = next(events, None)
            if event is None:
                return
            yield event
