"""Where entries live: the Protocol of a store, and the one in memory (see also `disk.py` and `tiered.py`)."""

from collections import OrderedDict
from typing import Protocol

from trajflow.cache.device_transfer import on_cpu
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

    def __contains__(self, key: str) -> bool:
        """Whether the entry is held."""

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

    def spill(self) -> tuple[str, ...]:
        """Make room where entries are used, by moving them to where they are kept; nothing where that is one place.

        Returns the keys for which there was no room elsewhere, oldest use first; they are gone.
        """


def check_size(size: int, capacity: int) -> None:
    """Raise `CacheError` for an entry of `size` bytes that is larger than a store of `capacity` bytes."""
    if size > capacity:
        raise CacheError(
            f"A run of {size:,} bytes does not fit into a store of {capacity:,} bytes. "
            "Give the store more bytes, or generate with fewer steps or at a smaller size."
        )


class MemoryStore:
    """A store in this process. `capacity` in bytes; tensors stay where they were recorded, or with `is_on_cpu` are
    brought to the CPU, in pinned memory where they come from a GPU."""

    def __init__(self, capacity: int, *, is_on_cpu: bool = False) -> None:
        self.capacity = capacity
        self._is_on_cpu = is_on_cpu
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def nbytes(self) -> int:
        """Bytes held now; at most `capacity`."""
        return sum(self._sizes.values())

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry; see `Store.put`."""
        size = entry.nbytes
        check_size(size, self.capacity)
        self.delete(entry.key)
        evicted = []
        while self.nbytes + size > self.capacity:
            oldest = next(iter(self._entries))
            self.delete(oldest)
            evicted.append(oldest)
        self._entries[entry.key], self._sizes[entry.key] = on_cpu(entry) if self._is_on_cpu else entry, size
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

    def spill(self) -> tuple[str, ...]:
        """Nothing: there is nowhere to go; see `Store.spill`."""
        return ()
