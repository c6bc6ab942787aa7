"""Stores one below the other: what is used stays above, what is not sinks, and only from the last one is it gone.

Entries begin in the uppermost store that can hold them. When it is full, its least recently used one sinks to the next
store, and so on. A use brings an entry up again, to the device it was recorded on, as long as nothing is lost by it.
"""

from bisect import insort

import torch
from torch import Tensor

from trajflow.cache.device_transfer import device_of, on_device, with_tensors
from trajflow.cache.entry import Entry
from trajflow.cache.store import Store, check_size
from trajflow.errors import CacheError


class TieredStore:
    """A store made of others, the uppermost first, which nobody else uses. Each keeps to its own capacity."""

    def __init__(self, stores: tuple[Store, ...]) -> None:
        self.capacity = sum(store.capacity for store in stores)
        self._stores = stores
        # By use, oldest first: the store an entry is in, and the device it was recorded on.
        self._places: dict[str, int] = {}
        self._homes: dict[str, torch.device] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._places

    @property
    def nbytes(self) -> int:
        """Bytes held now in all stores."""
        return sum(store.nbytes for store in self._stores)

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry; see `Store.put`. Returned are the keys that are in no store any more."""
        largest = max(store.capacity for store in self._stores)
        check_size(entry.nbytes, largest)
        self.delete(entry.key)
        self._homes[entry.key] = device_of(entry)
        evicted = self._sink(entry, 0)
        if entry.key not in self._places:
            raise CacheError("The run is not kept: no store below could be written to.")
        return tuple(evicted)

    def get(self, key: str) -> Entry | None:
        """The entry, or None; counts as a use."""
        if key not in self._places:
            return None
        at = self._places.pop(key)
        self._places[key] = at
        entry = self._stores[at].get(key)
        assert entry is not None
        return self._raise(key, entry, at) if at else entry

    def peek(self, key: str) -> Entry | None:
        """The entry, or None, without counting as a use."""
        return self._stores[self._places[key]].peek(key) if key in self._places else None

    def delete(self, key: str) -> None:
        """Forget an entry; nothing happens when it is not there."""
        if key in self._places:
            self._stores[self._places.pop(key)].delete(key)
            del self._homes[key]

    def spill(self) -> tuple[str, ...]:
        """Empty the uppermost store into those below it; see `Store.spill`."""
        evicted: list[str] = []
        for key in self._held(0) if len(self._stores) > 1 else ():
            evicted += self._lower(key)
        return tuple(evicted)

    def _held(self, at: int) -> list[str]:
        return [key for key, place in self._places.items() if place == at]

    def _sink(self, entry: Entry, first: int) -> list[str]:
        """Put an entry, which is in no store, into one from the `first` on; returns the keys that had to go, perhaps
        its own."""
        evicted: list[str] = []
        for at in range(first, len(self._stores)):
            store = self._stores[at]
            if entry.nbytes > store.capacity:
                continue
            while store.nbytes + entry.nbytes > store.capacity:
                evicted += self._lower(self._held(at)[0])
            try:
                store.put(entry)
            except CacheError:
                # A disk may be full before its time.
                continue
            self._places[entry.key] = at
            return evicted
        self._places.pop(entry.key, None)
        self._homes.pop(entry.key, None)
        return [*evicted, entry.key]

    def _lower(self, key: str) -> list[str]:
        """Move an entry to a store below its own; returns the keys that had to go."""
        at = self._places[key]
        entry = self._stores[at].peek(key)
        assert entry is not None
        self._stores[at].delete(key)
        return self._sink(entry, at + 1)

    def _raise(self, key: str, entry: Entry, at: int) -> Entry:
        """Move an entry to the uppermost store, if nothing is lost by what sinks for it; returns it as held then."""
        if entry.nbytes > self._stores[0].capacity or self._would_lose(key, entry.nbytes):
            return entry
        try:
            raised = _brought(entry, self._homes[key])
        except torch.OutOfMemoryError:
            return entry
        del self._places[key]
        self._stores[at].delete(key)
        self._sink(raised, 0)
        return raised

    def _would_lose(self, key: str, size: int) -> bool:
        """Whether putting the entry of that size uppermost would push another one out of the last store."""
        held: list[list[tuple[int, int]]] = [[] for _ in self._stores]
        for turn, (other, at) in enumerate(self._places.items()):
            sinking = self._stores[at].peek(other)
            if other != key and sinking is not None:
                held[at].append((turn, sinking.nbytes))

        def loses(entry: tuple[int, int], first: int) -> bool:
            for at in range(first, len(held)):
                capacity = self._stores[at].capacity
                if entry[1] > capacity:
                    continue
                while sum(size for _, size in held[at]) + entry[1] > capacity:
                    if loses(held[at].pop(0), at + 1):
                        return True
                insort(held[at], entry)
                return False
            return True

        return loses((len(self._places), size), 0)


def _brought(entry: Entry, home: torch.device) -> Entry:
    """The entry in the memory of its home: what is mapped from a file must not go with the file."""
    return on_device(entry, home) if home.type != "cpu" else with_tensors(entry, Tensor.clone)
