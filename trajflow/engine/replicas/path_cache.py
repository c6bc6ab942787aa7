"""The paths that a replica has at hand, and the store behind them, which may be away.

Every path is written through to the store as soon as it is made or brought. While the store does not answer, the
replica goes on with what it has, says so, and asks again after a while; what could not be shared meanwhile is shared
then, as far as it is still at hand.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

from trajflow.base import Trajectory
from trajflow.cache.store import Store
from trajflow.engine.replicas import paths
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
T = TypeVar("T")
Name = tuple[str, str]
CPU = torch.device("cpu")
WARM_BYTES = 2**30
RETRY_SECONDS = 1.0


class PathCache:
    """Paths by owner and digest, up to `capacity` bytes in memory, the least recently used going first."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        capacity: int = WARM_BYTES,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.note = ""
        self._store = store
        self._capacity = capacity
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._away_until = 0.0
        self._warm: OrderedDict[Name, Trajectory] = OrderedDict()
        self._unshared: OrderedDict[Name, None] = OrderedDict()
        self._lock = threading.RLock()

    def warm(self, owner: str, digest: str) -> Trajectory | None:
        """The path, if it is at hand."""
        with self._lock:
            path = self._warm.get((owner, digest))
            if path is not None:
                self._warm.move_to_end((owner, digest))
            return path

    def shared(self, owner: str, digest: str) -> Trajectory | None:
        """The path, if the store has it; it is at hand from then on."""
        with self._lock:
            document = self._ask(lambda store: store.get(owner, digest))
            if document is None:
                return None
            try:
                path = paths.read(document, digest)
            except CacheError as error:
                logger.warning("%s It is made do without.", str(error))
                return None
            self._hold((owner, digest), path)
            return path

    def keep(self, owner: str, digest: str, path: Trajectory) -> None:
        """Have a path at hand, and share it."""
        name, path = (owner, digest), paths.moved(path, CPU)
        with self._lock:
            self._hold(name, path)
            if self._store is not None:
                self._unshared[name] = None
                self._share()

    def make_room(self) -> None:
        """Let go of every path at hand."""
        with self._lock:
            self._warm.clear()

    def _hold(self, name: Name, path: Trajectory) -> None:
        self._warm[name] = path
        self._warm.move_to_end(name)
        held = sum(each.nbytes for each in self._warm.values())
        while held > self._capacity:
            held -= self._warm.popitem(last=False)[1].nbytes

    def _share(self) -> None:
        """Write what the store has not been given, oldest first, as long as it answers."""
        while self._unshared:
            owner, digest = name = next(iter(self._unshared))
            path = self._warm.get(name)
            if path is not None and not self._ask(partial(_put, owner, digest, paths.write(path))):
                # Should it be the path that the store does not take, the next time is another one's.
                self._unshared.move_to_end(name)
                return
            del self._unshared[name]

    def _ask(self, question: Callable[[Store], T]) -> T | None:
        """The store's answer; None without a store, while it is away, and where it has none."""
        if self._store is None or self._clock() < self._away_until:
            return None
        try:
            answer = question(self._store)
        except CacheError as error:
            if not self.note:
                logger.warning("%s Runs are not shared until it does.", str(error))
            self.note = f"{error} Runs are made as ever, but replicas do not share them."
            self._away_until = self._clock() + self._retry_seconds
            return None
        if self.note:
            logger.warning("The store answers again: runs are shared.")
            self.note = ""
        return answer


def _put(owner: str, digest: str, document: bytes, store: Store) -> bool:
    """Keep a document; True when that is done."""
    store.put(owner, digest, document)
    return True
