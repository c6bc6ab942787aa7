"""Where runs are held: places one below the other, each with its bytes, and the one rule of who has to go down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trajflow.cache.device_transfer import on_cpu
from trajflow.cache.entry import Entry


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
