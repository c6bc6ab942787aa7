"""Who is using the app: a library session per browser tab, found by a secret the server made, within a byte budget."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from trajflow.session import Session
from trajflow.ui.desk import Desk
from trajflow.ui.tree import Tree

TOTAL_BYTES = 2 * 2**30
IDLE_SECONDS = 2 * 3600.0
LEFT_SECONDS = 600.0


@dataclass
class TabSession:
    """One tab's place: its session, and the tree of its pictures."""

    key: str
    session: Session
    deadline: float
    tree: Tree = field(default_factory=Tree)


class Registry:
    """Every open session. Thread-safe; the least recently used idle sessions go first when memory is short.

    They share a model: whatever asks it for anything does so as a job at the `desk`.
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
        self.desk = Desk()
        self._make = make
        self._total_bytes = total_bytes
        self._idle_seconds = idle_seconds
        self._left_seconds = left_seconds
        self._clock = clock
        self._tab_sessions: OrderedDict[str, TabSession] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._tab_sessions)

    @property
    def nbytes(self) -> int:
        """Bytes of trajectories held by all sessions together."""
        with self._lock:
            return sum(tab_session.session.nbytes for tab_session in self._tab_sessions.values())

    def open(self, key: str | None) -> TabSession:
        """The session of `key`, or a new one under a new secret when the key is unknown or its session was given up."""
        with self._lock:
            self.sweep()
            if key is None or key not in self._tab_sessions:
                key = secrets.token_hex(16)
                self._tab_sessions[key] = TabSession(key, self._make(), deadline=0.0)
            return self._used(key)

    def find(self, key: str | None) -> TabSession | None:
        """The session of `key`, or None; counts as use."""
        with self._lock:
            return self._used(key) if key in self._tab_sessions and key else None

    def sweep(self) -> None:
        """Give up the sessions whose time has run out, then the least recently used ones beyond the byte budget."""
        with self._lock:
            now, newest = self._clock(), next(reversed(self._tab_sessions), None)
            for key, tab_session in list(self._tab_sessions.items()):
                if tab_session.deadline < now and not self.desk.is_busy(key):
                    self.drop(key)
            for key in list(self._tab_sessions):
                if self.nbytes <= self._total_bytes:
                    break
                if key != newest and not self.desk.is_busy(key):
                    self.drop(key)

    def drop(self, key: str) -> None:
        """Forget a session and everything in it."""
        with self._lock:
            tab_session = self._tab_sessions.pop(key, None)
        if tab_session is not None:
            self.desk.cancel(key)
            tab_session.session.stop()
            tab_session.session.clear()
            tab_session.tree.clear()

    def leave(self, key: str) -> None:
        """The tab was closed: stop what it runs, and keep its pictures only a little longer in case it comes back."""
        with self._lock:
            tab_session = self._tab_sessions.get(key)
            if tab_session is not None:
                tab_session.deadline = min(tab_session.deadline, self._clock() + self._left_seconds)
        self.desk.cancel(key)

    def _used(self, key: str) -> TabSession:
        tab_session = self._tab_sessions[key]
        self._tab_sessions.move_to_end(key)
        tab_session.deadline = self._clock() + self._idle_seconds
        return tab_session
