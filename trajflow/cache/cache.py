"""One session's memory of its runs: the same again, compatible trajectories near a new prompt, the history."""

import threading
from dataclasses import dataclass

import numpy as np

from trajflow.cache.entry import Entry
from trajflow.cache.index import PromptIndex
from trajflow.cache.store import Store
from trajflow.errors import CacheError


@dataclass(frozen=True)
class _Card:
    """What a look-up must know of an entry, so that the entries themselves are touched only when they are used.

    `computed` counts the evaluated steps of the trajectory, None without one.
    """

    key: str
    digest: str
    prompt: str
    strategy: str
    budget: int | None
    is_true: bool
    computed: int | None


class TrajectoryCache:
    """Finished runs over an empty `store` and `index` of their own; the same keys are in both at all times.

    Every method may be called from any thread. "Newest" is the order of insertion.
    """

    def __init__(self, store: Store, index: PromptIndex) -> None:
        self._store = store
        self._index = index
        self._cards: dict[str, _Card] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._cards)

    @property
    def nbytes(self) -> int:
        """Bytes held now; at most `capacity`."""
        with self._lock:
            return self._store.nbytes

    @property
    def capacity(self) -> int:
        """Bytes that may be held."""
        return self._store.capacity

    def insert(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry as the newest, replacing one of the same key; returns the keys evicted for it.

        Raises `CacheError`, and keeps all as it was, when the entry is larger than the store; also when it has room for
        it only on a disk that is full, and what had made room for it is gone then.
        """
        with self._lock:
            try:
                evicted = self._store.put(entry)
            except CacheError:
                for key in [key for key in self._cards if key not in self._store]:
                    self._drop(key)
                raise
            for key in (entry.key, *evicted):
                self._drop(key)
            self._index.add(entry.key, entry.vector)
            self._cards[entry.key] = _card(entry)
            return evicted

    def exact(self, digest: str, prompt: str, strategy: str, budget: int | None) -> Entry | None:
        """The stored run that may be shown at once for this prompt under this fingerprint, or None.

        That is a run whose every step was computed, or else one asked for with the same `strategy` and `budget`; of
        several the newest. Prompts are compared as typed, without the spaces around them. Counts as a use.
        """
        with self._lock:
            same = [card for card in self._newest_first() if (card.digest, card.prompt) == (digest, prompt.strip())]
            true = [card for card in same if card.is_true]
            asked_again = [card for card in same if (card.strategy, card.budget) == (strategy, budget)]
            return next((self._store.get(card.key) for card in (*true, *asked_again)), None)

    def candidates(self, digest: str, vector: np.ndarray, limit: int) -> list[tuple[Entry, float]]:
        """Compatible trajectories with the cosine of their prompt's vector to `vector` [384], most similar first.

        Compatible means an equal fingerprint and a kept trajectory. Each prompt appears once, by its best run: the one
        with the most computed steps (so a true one before any that coasted), then the newest. At most `limit` are
        returned; none counts as used until `get` takes it.
        """
        with self._lock:
            best: dict[str, _Card] = {}
            for card in self._newest_first():
                if card.digest != digest or card.computed is None:
                    continue
                rival = best.get(card.prompt)
                if rival is None or card.computed > (rival.computed or 0):
                    best[card.prompt] = card
            keys = [card.key for card in best.values()]
            near = self._index.nearest(vector, limit, keys)
            found = [(self._store.peek(key), similarity) for key, similarity in near]
            return [(entry, similarity) for entry, similarity in found if entry is not None]

    def get(self, key: str) -> Entry | None:
        """The entry of that key, or None when it was never here or is gone; counts as a use."""
        with self._lock:
            return self._store.get(key)

    def latest(self) -> Entry | None:
        """The newest entry, or None; with `differences`, what a changed setting leaves behind."""
        return next(iter(self.entries()), None)

    def entries(self) -> list[Entry]:
        """All entries, newest first; does not count as a use."""
        with self._lock:
            listed = [self._store.peek(card.key) for card in self._newest_first()]
            return [entry for entry in listed if entry is not None]

    def spill(self) -> None:
        """Make room on the device that the entries are used on; see `Store.spill`."""
        with self._lock:
            for key in self._store.spill():
                self._drop(key)

    def forget(self, key: str) -> None:
        """Remove one entry; nothing happens when it is not there."""
        with self._lock:
            self._store.delete(key)
            self._drop(key)

    def clear(self) -> None:
        """Remove every entry."""
        with self._lock:
            for key in list(self._cards):
                self.forget(key)

    def _newest_first(self) -> list[_Card]:
        return list(reversed(self._cards.values()))

    def _drop(self, key: str) -> None:
        """Take a key that has left the store, or is about to be renewed there, out of the index and the cards."""
        if self._cards.pop(key, None) is not None:
            self._index.remove(key)


def _card(entry: Entry) -> _Card:
    request, trajectory = entry.result.request, entry.trajectory
    return _Card(
        key=entry.key,
        digest=entry.cache_key.digest(),
        prompt=entry.prompt,
        strategy=request.strategy,
        budget=request.budget,
        is_true=entry.is_true,
        computed=None if trajectory is None else trajectory.kinds.count("computed"),
    )
