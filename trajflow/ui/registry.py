"""Who is using the app: one library session per browser tab, found by a secret the server made, within a byte budget.

Tensors live here and never in `gr.State`, which holds only the key. Gradio's own session hash is chosen by the client,
so it is used for one thing only: noticing that a tab has gone.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trajflow.base import Result
from trajflow.plots import Run
from trajflow.session import Session
from trajflow.ui.line import Line

TOTAL_BYTES = 2 * 2**30
IDLE_SECONDS = 2 * 3600.0
LEFT_SECONDS = 600.0


@dataclass
class Seat:
    """One tab's place: its session, what its charts show, and the state of its current run.

    `ticket` names the run that was asked for last, from the click until its end; None once that was stopped.
    """

    session: Session
    deadline: float
    tab: str | None = None
    runs: list[Run] = field(default_factory=list)
    shown: str | None = None
    ticket: str | None = None
    is_busy: bool = False
    is_stopping: bool = False
    may_complete: bool = False

    def measured(self, result: Result) -> None:
        """A run of the charts has been completed: how near it came is known now."""
        assert result.metrics is not None
        psnr_db, spent = result.metrics.psnr_db, result.baseline_cost.nfe if result.baseline_cost else 0
        self.runs = [
            replace(run, psnr_db=psnr_db, background_nfe=spent)
            if run.key == result.key and run.psnr_db is None
            else run
            for run in self.runs
        ]


class Registry:
    """Every open session. Thread-safe; the least recently used idle sessions go first when memory is short.

    They share a model: whatever asks it for anything does so in the `line`.
    """

    def __init__(
        self,
        make: Callable[[], Session],
        *,
        total_bytes: int = TOTAL_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        left_seconds: float = LEFT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._total_bytes = total_bytes
        self._idle_seconds = idle_seconds
        self._left_seconds = left_seconds
        self._clock = clock
        self._seats: OrderedDict[str, Seat] = OrderedDict()
        self._lock = threading.RLock()
        self.line = Line()

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def nbytes(self) -> int:
        """Bytes of trajectories held by all sessions together."""
        with self._lock:
            return sum(seat.session.nbytes for seat in self._seats.values())

    @property
    def tabs(self) -> set[str]:
        """The tabs that have a seat, by the names their browsers gave them."""
        with self._lock:
            return {seat.tab for seat in self._seats.values() if seat.tab is not None}

    def open(self, key: str | None, tab: str | None = None) -> tuple[str, Seat]:
        """The seat of `key`, or a new one under a new secret when the key is unknown or its seat was given up."""
        with self._lock:
            self.sweep()
            if key is None or key not in self._seats:
                key = secrets.token_hex(16)
                self._seats[key] = Seat(self._make(), deadline=0.0)
            seat = self._seats[key]
            self._seats.move_to_end(key)
            seat.deadline = self._clock() + self._idle_seconds
            seat.tab = tab or seat.tab
            return key, seat

    def find(self, key: str | None) -> Seat | None:
        """The seat of `key`, or None; does not count as use."""
        with self._lock:
            return self._seats.get(key) if key else None

    def is_waited_for(self, seat: Seat) -> bool:
        """Whether somebody else waits for a run."""
        with self._lock:
            return any(other.is_busy for other in self._seats.values() if other is not seat)

    def sweep(self) -> None:
        """Give up the seats whose time has run out, then the least recently used ones beyond the byte budget."""
        with self._lock:
            now = self._clock()
            for key in [key for key, seat in self._seats.items() if seat.deadline < now and not seat.is_busy]:
                self.drop(key)
            newest = next(reversed(self._seats), None)
            for key in [key for key, seat in self._seats.items() if not seat.is_busy and key != newest]:
                if self.nbytes <= self._total_bytes:
                    break
                self.drop(key)

    def drop(self, key: str | None) -> None:
        """Forget a seat and everything in it."""
        with self._lock:
            seat = self._seats.pop(key, None) if key else None
        if seat is not None:
            seat.is_stopping = True
            seat.session.stop()
            seat.session.clear()

    def leave(self, tab: str | None) -> None:
        """The tab was closed: stop its run, and keep its pictures only a little longer in case it comes back."""
        with self._lock:
            gone = [seat for seat in self._seats.values() if tab is not None and seat.tab == tab]
            for seat in gone:
                seat.deadline = min(seat.deadline, self._clock() + self._left_seconds)
                seat.is_stopping = seat.is_busy
        for seat in gone:
            seat.session.stop()
