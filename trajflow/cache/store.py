"""Where entries live: the Protocol of a store, and the one in memory."""

from collections import OrderedDict
from typing import Protocol

from trajflow.cache.entry import Entry
from trajflow.errors import CacheError


class Store(Protocol):
    """Entries by key, never more than `capacity` bytes of them; the least recently used go first.

    A store belongs to one cache, which locks it.
    """

    capacity: int

    @property
    def nbytes(self) -> int:
        """Bytes held now, by `Entry.nbytes`; at most `capacity`."""

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry, replacing one of the same key, and return the keys that had to go, oldest use first.

        Raises `CacheError`, leaving everything as it was, when the entry alone is larger than `capacity`.
        """

    def get(self, key: str) -> Entry | None:
        """The entry, or None; counts as a use."""

    def peek(self, key: str) -> Entry | None:
        """The entry, or None, without counting as a use: for listing."""

    def delete(self, key: str) -> None:
        """Forget an entry; nothing happens when it is not there."""


class MemoryStore:
    """A store in this process; tensors stay on the device they were recorded on. `capacity` in bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._sizes: dict[str, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held now; at most `capacity`."""
        return sum(self._sizes.values())

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry; see `Store.put`."""
        size = entry.nbytes
        if size > self.capacity:
            raise CacheError(
                f"A run of {size:,} bytes does not fit into a store of {self.capacity:,} bytes. "
                "Give the store more bytes, or generate with fewer steps or at a smaller size."
            )
        self.delete(entry.key)
        evicted = []
        while self.nbytes + size > self.capacity:
            oldest = next(iter(self._entries))
            self.delete(oldest)
            evicted.append(oldest)
        self._entries[entry.key], self._sizes[entry.key] = entry, size
        return tuple(evicted)

    def get(self, key: str) -> Entry | None:
        """The entry, or None; counts as a use."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def peek(self, key: str) -> Entry | None:
        """The entry, or None, without counting as a use."""
        return self._entries.get(key)

    def delete(self, key: str) -> None:
        """Forget an entry; nothing happens when it is not there."""
        self._entries.pop(key, None)
        self._sizes.pop(key, None)
