"""One session's memory of its runs: one table of records, held at several places, the least recently used going first.

Runs begin at the first place, where they were recorded. When it is full, the least recently used one goes down to the
next, and so on; only past the last one it is gone. A use brings a run up again, as long as nothing is lost by that.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch

from trajflow.cache.device_transfer import device_of, on_device
from trajflow.cache.disk import in_memory
from trajflow.cache.entry import Entry
from trajflow.cache.places import Place, settle
from trajflow.cache.similarity import PromptIndex, is_searchable
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)


@dataclass
class Record:
    """All that is known of one key, with what a look-up asks of an entry, so that its tensors stay where they are.

    `number` is its own in the index; `order` that of the requests and `used` that of the uses, rising. `home` is the
    device it was recorded on, `computed` how many steps of its trajectory were evaluated, None without one. `companion`
    is the key of a run that was made only to compare this one with.
    """

    entry: Entry
    number: int
    order: int
    used: int
    place: int
    home: torch.device
    digest: str
    computed: int | None
    is_true: bool
    nbytes: int
    companion: str = ""


class TrajectoryCache:
    """Finished runs at `places`, the first one first. Every method may be called from any thread."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._records: dict[str, Record] = {}
        self._index = PromptIndex() if is_searchable() else None
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
            held = [sum(r.nbytes for r in self._records.values() if r.place == at) for at in range(len(self._places))]
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
                key = self._let_go(self._records[key]).companion

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            for record in tuple(self._records.values()):
                self._let_go(record)

    def make_room(self) -> None:
        """Empty the first place into those below it, as far as they have room; nothing where there is but one."""
        with self._lock:
            if len(self._places) > 1:
                self._settle(self._after(first=0))

    def runs_of(self, digest: str, prompt: str) -> tuple[Record, ...]:
        """The runs of this very prompt under that fingerprint: those with every step computed first, then newest first.

        Prompts are compared as typed, without the spaces around them.
        """
        with self._lock:
            same = [r for r in self._records.values() if r.digest == digest and r.entry.prompt == prompt.strip()]
            return tuple(sorted(same, key=lambda record: (record.is_true, record.order), reverse=True))

    def candidates(self, digest: str, vector: np.ndarray) -> tuple[tuple[Record, float], ...]:
        """Compatible runs with the cosine of their prompt's vector to `vector` [384], most similar first.

        Compatible means an equal fingerprint and a kept trajectory. Each prompt appears once, by its best run: the one
        with the most computed steps (so a true one before any that coasted), then the newest. Where prompts cannot be
        compared, the newest come first and the cosines are 0.
        """
        with self._lock:
            best: dict[str, Record] = {}
            for record in sorted(self._records.values(), key=lambda record: record.order, reverse=True):
                rival = best.get(record.entry.prompt)
                if record.digest != digest or record.computed is None:
                    continue
                if rival is None or record.computed > (rival.computed or 0):
                    best[record.entry.prompt] = record
            numbered = {record.number: record for record in best.values()}
            if self._index is None:
                return tuple((record, 0.0) for record in numbered.values())
            near = self._index.nearest(vector, numbered, len(numbered))
            return tuple((numbered[number], cosine) for number, cosine in near)

    def _listed(self) -> list[Record]:
        """The requests, newest first."""
        hidden = {record.companion for record in self._records.values()}
        listed = [record for key, record in self._records.items() if key not in hidden]
        return sorted(listed, key=lambda record: record.order, reverse=True)

    def _hold(self, entry: Entry, order: int) -> None:
        """Put a record of the entry at the first place, and whoever has to give way for it where they belong."""
        entry = in_memory(entry)
        largest = max(place.capacity for place in self._places)
        if entry.nbytes > largest:
            raise CacheError(
                f"A run of {entry.nbytes:,} bytes does not fit into a store of {largest:,} bytes. "
                "Give the store more bytes, or generate with fewer steps or at a smaller size."
            )
        former = self._records.pop(entry.key, None)
        turn, kinds = next(self._turns), () if entry.trajectory is None else entry.trajectory.kinds
        self._records[entry.key] = record = Record(
            entry=self._places[0].take(entry),
            number=turn,
            order=order,
            used=turn,
            place=0,
            home=device_of(entry),
            digest=entry.cache_key.digest(),
            computed=None if entry.trajectory is None else kinds.count("computed"),
            is_true=entry.is_true,
            nbytes=entry.nbytes,
            companion=former.companion if former is not None else "",
        )
        if self._index is not None:
            self._index.add(record.number, entry.vector)
        self._settle(self._after())
        is_held = entry.key in self._records
        if former is not None and is_held:
            self._release(former)
        elif former is not None:
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
        self._places[record.place].drop(record.entry)
        record.entry, record.place = raised, 0
        self._settle(after)
        return raised

    def _read(self, record: Record) -> Entry | None:
        """The entry in memory; None, and the record gone, when it can no longer be read from the disk."""
        try:
            return in_memory(record.entry)
        except CacheError as error:
            logger.warning("%s It is forgotten.", error)
            self._let_go(record)
            return None

    def _after(self, *, first: int | None = None, raised: Record | None = None) -> dict[str, int]:
        """The place of every key once all places keep to their capacities, the first to `first` bytes where given, and
        with `raised` at the first; in the order of use, oldest first."""
        by_use = sorted(self._records.items(), key=lambda item: item[1].used)
        capacities = [place.capacity for place in self._places]
        capacities[0] = capacities[0] if first is None else first
        held = [(0 if record is raised else record.place, record.nbytes) for _, record in by_use]
        return dict(zip((key for key, _ in by_use), settle(held, capacities), strict=True))

    def _settle(self, after: dict[str, int]) -> None:
        """Move every record to its place, those that go furthest first, so that no place ever holds too much."""
        for key, at in sorted(after.items(), key=lambda item: item[1], reverse=True):
            record = self._records[key]
            if at == len(self._places):
                self._let_go(record)
            elif at != record.place:
                self._lower(record, at)

    def _lower(self, record: Record, at: int) -> None:
        """Move a record down to a place, or let go of it where that does not take it."""
        try:
            taken = self._places[at].take(record.entry)
        except CacheError as error:
            logger.warning("%s One run less is held.", error)
            self._let_go(record)
            return
        self._places[record.place].drop(record.entry)
        record.entry, record.place = taken, at

    def _let_go(self, record: Record) -> Record:
        """Take a record out of the table, with all that is held for it."""
        del self._records[record.entry.key]
        self._release(record)
        return record

    def _release(self, record: Record) -> None:
        self._places[record.place].drop(record.entry)
        if self._index is not None:
            self._index.remove(record.number)
