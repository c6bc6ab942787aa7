"""Who is using the app: a library session per browser tab, found by a secret the server made, within a byte budget."""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trajflow.cache import Entry, OwnedStore, Store
from trajflow.cache.store import owner_of
from trajflow.errors import CacheError
from trajflow.session import Session
from trajflow.ui import account
from trajflow.ui.desk import Desk
from trajflow.ui.keeping import NOTE, note_of, tree_of
from trajflow.ui.limits import MOST_SESSIONS, MOST_WAITING, Busy
from trajflow.ui.tree import Tree

logger = logging.getLogger(__name__)
TOTAL_BYTES = 2 * 2**30
IDLE_SECONDS = 2 * 3600.0
LEFT_SECONDS = 600.0
# When to try again where every place is taken.
FULL_SECONDS = 60.0


@dataclass
class TabSession:
    """One tab's place: its session, and the tree of its pictures; `is_spare` once nobody is known to come back. What
    it keeps beyond the life of the server stands in its `owned_store`."""

    key: str
    session: Session
    deadline: float
    tree: Tree = field(default_factory=Tree)
    is_spare: bool = False
    owned_store: OwnedStore | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    def keep(self) -> None:
        """Keep the tree, where that is wanted and it has changed."""
        note = note_of(self.tree)
        if self.owned_store is not None and note != self.kept:
            self.owned_store.write_note(NOTE, note)
            self.kept = note

    def entry(self, key: str) -> Entry | None:
        """The entry of that key, where it is held and listed."""
        return next((entry for entry in self.session.entries() if entry.key == key), None)

    @property
    def is_bare(self) -> bool:
        """Whether it has no picture, here or in its part of the store."""
        return not self.session.entries() and not self.session.unheld

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that its visitor could miss."""
        return self.is_bare and not self.tree.deleted


class Registry:
    """Every open session. Thread-safe; the least recently used idle sessions go first when memory is short.

    They share a model: whatever asks it for anything does so as a job at the `desk`, which has as many `hands` as the
    engine, whose `notes` are told. With a `store`, which keeps for `kept_days`, sessions are found again after the
    server was restarted, or had given up their memory; `make` is given the part of each as `state`, and `tidy_store`
    removes what was kept long enough.
    """

    def __init__(
        self,
        make: Callable[..., Session],
        *,
        store: Store | None = None,
        tidy_store: Callable[[], object] = lambda: None,
        kept_days: float | None = None,
        total_bytes: int = TOTAL_BYTES,
        most_sessions: int = MOST_SESSIONS,
        most_waiting: int = MOST_WAITING,
        hands: int = 1,
        notes: Callable[[], tuple[str, ...]] = tuple,
        idle_seconds: float = IDLE_SECONDS,
        left_seconds: float = LEFT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.desk = Desk(most_waiting, hands)
        self.desk.watch(account.log)
        self.notes = notes
        self.kept_days = kept_days
        self._make = make
        self._store = store
        self._tidy_store = tidy_store
        self._total_bytes = total_bytes
        self._most_sessions = most_sessions
        self._idle_seconds = idle_seconds
        self._left_seconds = left_seconds
        self._clock = clock
        self._tab_sessions: OrderedDict[str, TabSession] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._tab_sessions)

    @property
    def nbytes(self) -> int:
        """Bytes of trajectories held by all sessions together, those of deleted pictures among them."""
        with self._lock:
            return sum(each.session.nbytes + each.tree.nbytes for each in self._tab_sessions.values())

    def nbytes_by_place(self) -> dict[str, int]:
        """The same by where they are held."""
        held: dict[str, int] = {}
        with self._lock:
            for tab_session in self._tab_sessions.values():
                places = tab_session.session.nbytes_by_place()
                for place, nbytes in (*places.items(), ("memory", tab_session.tree.nbytes)):
                    held[place] = held.get(place, 0) + nbytes
        return held

    def open(self, key: str | None, *, is_spare: bool = False) -> TabSession:
        """The session of `key`, or a new one under a new secret when the key is unknown or its session was given up.

        Raises Busy when as many sessions are held as may be, all in use and with pictures in them.
        """
        # Reading takes its time, and others are served meanwhile.
        kept = None if self.find(key) is not None else self._kept(key)
        with self._lock:
            self.sweep()
            if key is None or key not in self._tab_sessions:
                self._make_room()
                tab_session = kept or self._new(secrets.token_hex(16))
                key = tab_session.key
                self._tab_sessions[key] = tab_session
            tab_session = self._used(key)
            tab_session.is_spare = is_spare
            return tab_session

    def reopen(self, key: str) -> TabSession | None:
        """The session of `key`, also one that is only kept; None for one that is unknown. Raises Busy as `open`."""
        return self.find(key) or (self.open(key, is_spare=True) if self._is_kept(key) else None)

    def left(self, keys: Sequence[str]) -> str | None:
        """The first of these sessions that is kept, or held, and that no open tab is known to show."""
        for key in keys if self._store is not None else ():
            with self._lock:
                held = self._tab_sessions.get(key)
            if held.is_spare if held is not None else self._is_kept(key):
                return key
        return None

    def _is_kept(self, key: str) -> bool:
        return self._store is not None and not OwnedStore(self._store, owner_of(key)).is_empty

    def _new(self, key: str) -> TabSession:
        """A session under that secret, with what is kept of it."""
        if self._store is None:
            return TabSession(key, self._make(), deadline=0.0)
        owned_store = OwnedStore(self._store, owner_of(key))
        session, tree = self._make(state=owned_store), tree_of(owned_store.read_note(NOTE))
        tree.set_aside(session.unheld)
        return TabSession(key, session, deadline=0.0, tree=tree, owned_store=owned_store)

    def _kept(self, key: str | None) -> TabSession | None:
        """A session that is only kept, as it was."""
        return self._new(key) if key and self._is_kept(key) else None

    def find(self, key: str | None, *, is_shown: bool = False) -> TabSession | None:
        """The session of `key`, or None; counts as use. `is_shown`: by a tab that shows it, so it is not spare."""
        with self._lock:
            if key is None or key not in self._tab_sessions:
                return None
            tab_session = self._used(key)
            # A tab may come back without a greeting, from the browser's own cache.
            tab_session.is_spare = tab_session.is_spare and not is_shown
            return tab_session

    def sweep(self) -> None:
        """Give up the sessions whose time has run out, then the least recently used ones beyond the byte budget."""
        with self._lock:
            now, newest = self._clock(), next(reversed(self._tab_sessions), None)
            for key, tab_session in list(self._tab_sessions.items()):
                if self.desk.is_busy(key):
                    # What it is at work on is as good as use.
                    least = self._left_seconds if tab_session.is_spare else self._idle_seconds
                    tab_session.deadline = max(tab_session.deadline, now + least)
                elif tab_session.deadline < now:
                    self.drop(key)
            for key in list(self._tab_sessions):
                if self.nbytes <= self._total_bytes:
                    break
                if key != newest and not self.desk.is_busy(key):
                    self.drop(key)

    def tidy(self) -> None:
        """Remove what was kept long enough. What is wrong is in the log."""
        try:
            self._tidy_store()
        except CacheError as error:
            logger.warning("%s", error)

    def _make_room(self) -> None:
        """Room for one more session, by giving up the least recently used spare ones, then those that hold nothing.

        An empty session costs nobody anything: its page begins a new one by itself. A limit by address would shut out
        everybody behind one proxy, and on Spaces that is everybody. Raises Busy.
        """
        idle = [(key, each) for key, each in self._tab_sessions.items() if not self.desk.is_busy(key)]
        spare = [key for key, each in idle if each.is_spare]
        empty = [key for key, each in idle if not each.is_spare and each.is_empty]
        for key in [*spare, *empty][: max(0, len(self) - self._most_sessions + 1)]:
            self.drop(key)
        if len(self) >= self._most_sessions:
            raise Busy("As many people are here as there are places for.", FULL_SECONDS)

    def drop(self, key: str) -> None:
        """Let go of a session and everything in it; what is kept of it stays kept."""
        with self._lock:
            tab_session = self._tab_sessions.pop(key, None)
        if tab_session is not None:
            self.desk.cancel(key)
            tab_session.session.stop()
            tab_session.session.release()
            tab_session.tree.clear()

    def leave(self, key: str) -> None:
        """The tab was closed: stop what it runs, and keep its pictures only a little longer in case it comes back."""
        with self._lock:
            tab_session = self._tab_sessions.get(key)
            if tab_session is not None:
                tab_session.is_spare = True
                tab_session.deadline = min(tab_session.deadline, self._clock() + self._left_seconds)
        self.desk.cancel(key)

    def _used(self, key: str) -> TabSession:
        tab_session = self._tab_sessions[key]
        self._tab_sessions.move_to_end(key)
        tab_session.deadline = self._clock() + self._idle_seconds
        return tab_session
