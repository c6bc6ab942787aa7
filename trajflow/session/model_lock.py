"""Who has the model: callers one step at a time, and completions that give way to them within an evaluation.

A caller has the model only while one of its steps is made, never between two of them: one that stops asking, or is
dropped, is in nobody's way. Every step begins a new turn. A completion belongs to the turn in which it began, asks for
the model anew for each of its steps, and is over as soon as there has been another turn.
"""

import itertools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from trajflow.errors import Cancelled

# Seconds after its last step for which a caller is expected to ask for the next one, and idle work waits.
PATIENCE = 2.0


class ModelLock:
    """The turns of one session. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.now = 0
        self.stops = 0
        # Closing an abandoned run may happen anywhere, also in a thread that has the model.
        self._model = threading.RLock()
        self._numbers = itertools.count(1)
        # Until when each caller counts as present.
        self._callers: dict[int, float] = {}

    @property
    def is_called(self) -> bool:
        """Whether a caller is served, waits to be, or was a moment ago."""
        return any(until >= time.monotonic() for until in tuple(self._callers.values()))

    def stop(self) -> None:
        """Begin another turn that nobody has: completions give way, and callers see that `stops` has grown."""
        self.stops += 1
        self.now = next(self._numbers)

    @contextmanager
    def called(self) -> Iterator[int]:
        """A caller's turn, which is yielded: completions under way give way, and no other begins in idle time."""
        turn = next(self._numbers)
        self._callers[turn] = time.monotonic() + PATIENCE
        # Idle work reads the turn before it looks for callers: one of the two tells it.
        self.now = turn
        try:
            yield turn
        finally:
            self._callers.pop(turn, None)

    @contextmanager
    def step(self, turn: int) -> Iterator[None]:
        """The model, for one step of the caller of that turn."""
        self._callers[turn] = math.inf
        self.now = next(self._numbers)
        try:
            with self._model:
                yield
        finally:
            self._callers[turn] = time.monotonic() + PATIENCE

    @contextmanager
    def spare(self, turn: int) -> Iterator[None]:
        """The model, for one step of a completion that began in that turn; Cancelled once there has been another."""
        if self.now == turn:
            with self._model:
                if self.now == turn:
                    if turn in self._callers:
                        self._callers[turn] = math.inf
                    try:
                        yield
                    finally:
                        if turn in self._callers:
                            self._callers[turn] = time.monotonic() + PATIENCE
                    return
        raise Cancelled("Gave way. What has been computed is kept, and the next completion goes on from it.")
