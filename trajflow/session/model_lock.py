"""Who has the model: callers one at a time, and completions that give way to them within an evaluation.

Every caller takes a new turn as it arrives. A completion belongs to the turn in which it began, asks for the model anew
for each of its steps, and is over as soon as there has been another turn.
"""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trajflow.errors import Cancelled


class ModelLock:
    """The turns of one session. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.now = 0
        self.model = threading.Lock()
        self._numbers = itertools.count(1)
        self._callers: set[int] = set()

    @property
    def is_called(self) -> bool:
        """Whether a caller is served, or waits to be."""
        return bool(self._callers)

    def pass_on(self) -> None:
        """Begin another turn that nobody has: completions under way give way."""
        self.now = next(self._numbers)

    @contextmanager
    def called(self) -> Iterator[int]:
        """A caller's turn, which is yielded: completions under way give way, and no other begins in idle time."""
        turn = next(self._numbers)
        self._callers.add(turn)
        # Idle work reads the turn before it looks for callers: one of the two tells it.
        self.now = turn
        try:
            yield turn
        finally:
            self._callers.discard(turn)

    @contextmanager
    def spare(self, turn: int) -> Iterator[None]:
        """The model, for one step of a completion that began in that turn; Cancelled once there has been another."""
        if self.now == turn:
            with self.model:
                if self.now == turn:
                    yield
                    return
        raise Cancelled("Gave way. What has been computed is kept, and the next completion goes on from it.")
