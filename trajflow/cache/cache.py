"""One session's memory of its runs: one table of records, held at several places, the least recently used going first.

Runs begin at the first place, where they were recorded. When it is full, the least recently used one goes down to the
next, and so on; only past the last one it is gone. A use brings a run up again, as long as nothing is lost by that.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np
import torch

from trajflow.cache.entry import CacheKey, Entry, device_of, on_cpu, on_device
from trajflow.cache.similarity import alike, nearest
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)


class Place(Protocol):
    """A place for at most `capacity` bytes of entries, by `Entry.nbytes`. The cache counts them, and locks."""

    @property
    def name(self) -> str:
        """What users call it: "gpu", "memory" or "disk"."""

    @property
    def capacity(self) -> int:
        """Bytes that may be held here."""

    def take(self, entry: Entry) -> Entry:
        """The entry as it is held here, for as long as somebody refers to it. Raises CacheError where it cannot be."""


@dataclass(frozen=True)
class Memory:
    """A place in this process: tensors stay where they are, or are brought to the CPU with `is_host`."""

    name: str
    capacity: int
    is_host: bool = False

    def take(self, entry: Entry) -> Entry:
        """The entry itself, or its copy on the CPU, in pinned memory where it comes from a GPU."""
        return on_cpu(entry) if self.is_host else entry


@dataclass
class Record:
    """All that is known of one key. `order` is that of the requests and `used` that of the uses, both rising; `home` is
    the device the entry was recorded on, `companion` the key of a run that was made only to compare this one with."""

    entry: Entry
    order: int
    used: int
    home: torch.device
    place: int = 0
    companion: str = ""


class TrajectoryCache:
    """Finished runs at `places`, the first one first. Every method may be called from any thread."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._records: dict[str, Record] = {}
        self._turns = count()
        self._lock = threading.RLock()

    @property
    def capacity(self) -> int:
        """Bytes that may be held in all."""
        return sum(place.capacity for place in self._places)

    @property
    def nbytes(self) -> int:
        """Bytes held, wherever."""
        return sum(self.nbytes_by_place().values())

    def nbytes_by_place(self) -> dict[str, int]:
        """Bytes held at each place, by its name; none holds more than its capacity."""
        with self._lock:
            held = [
                sum(r.entry.nbytes for r in self._records.values() if r.place == at) for at in range(len(self._places))
            ]
            return {place.name: nbytes for place, nbytes in zip(self._places, held, strict=True)}

    def place_of(self, key: str) -> str | None:
        """The name of the place where a run is held, None where it is not."""
        with self._lock:
            return self._places[self._records[key].place].name if key in self._records else None

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first, companions left out. Does not count as a use."""
        with self._lock:
            return tuple(record.entry for record in self._listed())

    def get(self, key: str) -> Entry | None:
        """The entry of that key, or None when it was never here or is gone. Counts as a use."""
        with self._lock:
            record = self._records.get(key)
            if record is None:
                return None
            record.used = next(self._turns)
            return self._raised(record) if record.place else record.entry

    def adopt(self, entry: Entry) -> None:
        """Hold an entry as the newest, in place of one of the same key.

        Raises CacheError, with the former one kept, when it is larger than every place, or can only go to a disk that
        does not take it.
        """
        with self._lock:
            self._hold(entry, next(self._turns))

    def renew(self, entry: Entry) -> bool:
        """Replace the entry of the same key, which keeps its order; False, and nothing changed, where that is gone or
        the new one cannot be held."""
        with self._lock:
            if entry.key not in self._records:
                return False
            try:
                self._hold(entry, self._records[entry.key].order)
            except CacheError:
                return False
            return True

    def accompany(self, key: str, companion: str) -> None:
        """Hide `companion` behind the request of `key`, for as long as that is held: it goes when that is forgotten."""
        with self._lock:
            if key in self._records:
                self._records[key].companion = companion

    def forget(self, key: str) -> None:
        """Drop one entry and its companion; nothing happens when it is not there."""
        with self._lock:
            while key in self._records:
                key = self._records.pop(key).companion

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._records.clear()

    def make_room(self) -> None:
        """Empty the first place into those below it, as far as they have room; nothing where there is but one."""
        with self._lock:
            if len(self._places) > 1:
                self._settle(self._after(first=0))

    def runs_of(self, digest: str, prompt: str) -> tuple[Entry, ...]:
        """The runs of this very prompt under that fingerprint: those with every step computed first, then newest first.

        Prompts are compared as typed, without the spaces around them.
        """
        with self._lock:
            newest = (record.entry for record in self._newest(self._records.values()))
            same = [entry for entry in newest if (entry.digest, entry.prompt) == (digest, prompt.strip())]
            return tuple(sorted(same, key=lambda entry: not entry.is_true))

    def candidates(
        self,
        cache_key: CacheKey,
        vector: np.ndarray,
        limit: int,
        weighed: Callable[[np.ndarray, CacheKey], np.ndarray] = lambda vector, cache_key: vector,
    ) -> tuple[tuple[Entry, float], ...]:
        """At most `limit` sources with the cosine of their prompt's vector to `vector` [384], most similar first.

        They start from the same noise on the same grid and have a kept trajectory, and are true as long as any of these
        is. Each prompt appears once with each negative prompt and guidance, by its best run: the one with the most
        computed steps (so a true one before any that coasted), then the newest. Those of another negative prompt or
        guidance are compared by what `weighed` makes of a prompt's vector and them (`similarity.alike`). Where prompts
        cannot be compared, the newest with the same of both come first, and all are as alike as 0.
        """
        digest, own = cache_key.source_digest(), cache_key.digest()
        with self._lock:
            best: dict[tuple[str, str, float], Entry] = {}
            for entry in (record.entry for record in self._newest(self._records.values())):
                asked = (entry.prompt, entry.cache_key.negative_prompt, entry.cache_key.guidance)
                rival = best.get(asked)
                is_better = rival is None or (entry.computed or 0) > (rival.computed or 0)
                if entry.source_digest == digest and entry.computed is not None and is_better:
                    best[asked] = entry
        found = [entry for entry in best.values() if entry.is_true] or list(best.values())
        same = [entry for entry in found if entry.digest == own]
        near = [(same[number], cosine) for number, cosine in nearest(vector, [e.vector for e in same], limit)]
        others = [entry for entry in found if entry.digest != own]
        if others:
            asked_for = weighed(vector, cache_key)
            near += [(entry, alike(asked_for, weighed(entry.vector, entry.cache_key))) for entry in others]
        return tuple(sorted(near, key=lambda source: -source[1])[:limit])

    def _listed(self) -> list[Record]:
        """The requests, newest first."""
        hidden = {record.companion for record in self._records.values()}
        return self._newest(record for key, record in self._records.items() if key not in hidden)

    @staticmethod
    def _newest(records: Iterable[Record]) -> list[Record]:
        """Newest request first."""
        return sorted(records, key=lambda record: record.order, reverse=True)

    def _hold(self, entry: Entry, order: int) -> None:
        """Put a record of the entry at the first place, and whoever has to give way for it where they belong."""
        entry = entry.in_memory()
        largest = max(place.capacity for place in self._places)
        if entry.nbytes > largest:
            raise CacheError(
                f"A run of {entry.nbytes:,} bytes does not fit into a store of {largest:,} bytes. "
                "Give the store more bytes, or generate with fewer steps or at a smaller size."
            )
        former = self._records.pop(entry.key, None)
        companion = former.companion if former is not None else ""
        held = self._places[0].take(entry)
        self._records[entry.key] = Record(held, order, next(self._turns), device_of(entry), companion=companion)
        self._settle(self._after())
        is_held = entry.key in self._records
        if former is not None and not is_held:
            self._records[entry.key] = former
            self._settle(self._after())
        if not is_held:
            raise CacheError("The run is not kept: the disk did not take it, and there is no room for it in memory.")

    def _raised(self, record: Record) -> Entry | None:
        """The entry for use: at the first place, if no run is lost by what goes down for it, else where it is."""
        entry, after = self._read(record), self._after(raised=record)
        if entry is None or after[entry.key] > 0 or len(self._places) in after.values():
            return entry
        try:
            raised = on_device(entry, record.home)
        except torch.OutOfMemoryError:
            return entry
        record.entry, record.place = raised, 0
        self._settle(after)
        return raised

    def _read(self, record: Record) -> Entry | None:
        """The entry in memory; None, and the record gone, when it can no longer be read from the disk."""
        try:
            return record.entry.in_memory()
        except CacheError as error:
            # Not the error itself: a log that is kept would keep the file with its traceback.
            logger.warning("%s It is forgotten.", str(error))
            self._let_go(record.entry.key)
            return None

    def _after(self, *, first: int | None = None, raised: Record | None = None) -> dict[str, int]:
        """The place of every key once all places keep to their capacities, the first to `first` bytes where given, and
        with `raised` at the first; in the order of use, oldest first."""
        by_use = sorted(self._records.items(), key=lambda item: item[1].used)
        capacities = [place.capacity for place in self._places]
        capacities[0] = capacities[0] if first is None else first
        held = [(0 if record is raised else record.place, record.entry.nbytes) for _, record in by_use]
        return dict(zip((key for key, _ in by_use), settle(held, capacities), strict=True))

    def _settle(self, after: dict[str, int]) -> None:
        """Move every record to its place, those that go furthest first, so that no place ever holds too much."""
        for key, at in sorted(after.items(), key=lambda item: item[1], reverse=True):
            record = self._records[key]
            if at == len(self._places):
                self._let_go(key)
            elif at != record.place:
                self._lower(record, at)

    def _lower(self, record: Record, at: int) -> None:
        """Move a record down to a place, or let go of it where that does not take it."""
        try:
            record.entry, record.place = self._places[at].take(record.entry), at
        except CacheError as error:
            logger.warning("%s One run less is held.", str(error))
            self._let_go(record.entry.key)

    def _let_go(self, key: str) -> None:
        """No longer hold a run that nobody asked to forget."""
        del self._records[key]


def settle(held: Sequence[tuple[int, int]], capacities: Sequence[int]) -> list[int]:
    """Where runs belong, given the place and the bytes of each, least recently used first.

    From the first place down, each keeps to its capacity: what is larger than all of it goes to the next one, then the
    least recently used do. The number after the last place means that a run is let go.
    """
    places = [place for place, _ in held]
    for at, capacity in enumerate(capacities):
        here = [number for number, place in enumerate(places) if place == at]
        left = sum(held[number][1] for number in here if held[number][1] <= capacity)
        for number in here:
            size = held[number][1]
            if size > capacity:
                places[number] = at + 1
            elif left > capacity:
                places[number] = at + 1
                left -= size
    return places
