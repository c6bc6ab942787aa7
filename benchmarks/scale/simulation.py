"""Replicas, their sessions and their store as queues (simpy), where seconds are those of the clock that is simulated.

A run waits for a replica among the first few on the ring of its session's hash, its own first, as
`engine/replicas/serve.py` has it. There it holds the replica while it fetches from the store the sources that are not
at hand, evaluates, and writes its path through. A replica's paths at hand go by least use. The store is a number of
servers, each of which moves the bytes of one path at a time.
"""

import bisect
import hashlib
import random
import statistics
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

VIRTUAL_NODES = 100
FALLBACKS = 2
Process = Generator[Any, Any, None]


@dataclass(frozen=True)
class Work:
    """What people ask for, and what it takes. With `people` these go on for ever; else sessions arrive, so many a
    second, and end after `pictures`. The first picture of a session takes `full` evaluations, the others `edit`.

    Sessions that arrive are there from the beginning, each somewhere on its way; what is counted begins after
    `before_seconds`. `joining` replicas come in the middle of the `seconds` that are counted.
    """

    replicas: int
    seconds: float
    people: int = 0
    sessions_per_second: float = 0.0
    pictures: int = 10
    think_seconds: float = 30.0
    full: int = 28
    edit: int = 7
    evaluation_seconds: float = 0.1
    fixed_seconds: float = 0.1
    sources: int = 5
    path_bytes: float = 14.7e6
    warm_bytes: float = 64e9
    store_servers: int = 8
    store_bytes_per_second: float = 1e9
    store_seconds: float = 0.001
    joining: int = 0
    before_seconds: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of it. Waiting and latency are in seconds; `warm_share` of the sources were at hand where the run was
    made, `at_home_share` of the runs were made at their session's own replica. `moved_share` of the sessions have
    another own replica since others joined. Store figures are per second."""

    runs: int
    runs_per_second: float
    busy_share: float
    wait_mean: float
    wait_p95: float
    latency_mean: float
    warm_share: float
    at_home_share: float
    moved_share: float
    store_reads: float
    store_read_bytes: float
    store_written_bytes: float


class Ring:
    """Replicas on a circle of hashes, each at many places (Karger et al. 1997)."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []

    def add(self, replica: int) -> None:
        """One more replica."""
        self._places += [(_hash(f"{replica}:{number}"), replica) for number in range(VIRTUAL_NODES)]
        self._places.sort()

    def ranked(self, session: int) -> list[int]:
        """The session's own replica, and those that follow."""
        start, found = bisect.bisect(self._places, (_hash(f"session {session}"), -1)), []
        for offset in range(len(self._places)):
            replica = self._places[(start + offset) % len(self._places)][1]
            if replica not in found:
                found.append(replica)
            if len(found) > FALLBACKS:
                break
        return found


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class _Cluster:
    """The state of one simulation."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.env = simpy.Environment()
        self.ring = Ring()
        self.drawn = random.Random(work.seed)
        self.busy: list[bool] = []
        self.warm: list[OrderedDict[tuple[int, int], None]] = []
        self.freed = self.env.event()
        self.store = simpy.Resource(self.env, work.store_servers)
        self.homes: dict[int, int] = {}
        self.moved = self.moved_of = 0
        self.forget()
        for _ in range(work.replicas):
            self.join()

    def forget(self) -> None:
        """Begin to count."""
        self.waits: list[float] = []
        self.latencies: list[float] = []
        self.busy_seconds = self.read_bytes = self.written_bytes = 0.0
        self.asked = self.found = self.at_home = self.reads = 0

    def join(self) -> None:
        self.ring.add(len(self.busy))
        self.busy.append(False)
        self.warm.append(OrderedDict())

    def person(self, session: int, forever: bool, number: int = 0) -> Process:
        while forever or number < self.work.pictures:
            yield self.env.timeout(self.drawn.expovariate(1 / self.work.think_seconds))
            yield from self.run(session, number)
            number += 1

    def run(self, session: int, number: int) -> Process:
        work, asked_at = self.work, self.env.now
        while True:
            ranked = self.ring.ranked(session)
            free = next((replica for replica in ranked if not self.busy[replica]), None)
            if free is not None:
                break
            yield self.freed
        began = self.env.now
        self.busy[free] = True
        self.at_home += free == ranked[0]
        self.homes[session] = ranked[0]
        sources = [(session, earlier) for earlier in range(max(0, number - work.sources), number)]
        for source in sources:
            self.asked += 1
            if source in self.warm[free]:
                self.found += 1
            else:
                self.reads += 1
                self.read_bytes += work.path_bytes
                yield from self.moved_by_store()
            self.hold(free, source)
        evaluations = work.edit if sources else work.full
        yield self.env.timeout(evaluations * work.evaluation_seconds + work.fixed_seconds)
        self.hold(free, (session, number))
        self.written_bytes += work.path_bytes
        yield from self.moved_by_store()
        self.waits.append(began - asked_at)
        self.latencies.append(self.env.now - asked_at)
        self.busy_seconds += self.env.now - began
        self.busy[free] = False
        freed, self.freed = self.freed, self.env.event()
        freed.succeed()

    def moved_by_store(self) -> Process:
        with self.store.request() as turn:
            yield turn
            yield self.env.timeout(self.work.store_seconds + self.work.path_bytes / self.work.store_bytes_per_second)

    def hold(self, replica: int, path: tuple[int, int]) -> None:
        held = self.warm[replica]
        held[path] = None
        held.move_to_end(path)
        while len(held) * self.work.path_bytes > self.work.warm_bytes:
            held.popitem(last=False)

    def arrivals(self) -> Process:
        work = self.work
        there = round(work.sessions_per_second * work.pictures * work.think_seconds)
        for session in range(there):
            self.env.process(self.person(session, forever=False, number=self.drawn.randrange(work.pictures)))
        session = there
        while True:
            yield self.env.timeout(self.drawn.expovariate(self.work.sessions_per_second))
            self.env.process(self.person(session, forever=False))
            session += 1

    def growth(self) -> Process:
        yield self.env.timeout(self.work.before_seconds + self.work.seconds / 2)
        for _ in range(self.work.joining):
            self.join()
        self.moved = sum(self.ring.ranked(session)[0] != home for session, home in self.homes.items())
        self.moved_of = len(self.homes)


def simulate(work: Work) -> Outcome:
    """Let the work be done, and say how it went."""
    cluster = _Cluster(work)
    for session in range(work.people):
        cluster.env.process(cluster.person(session, forever=True))
    if work.sessions_per_second:
        cluster.env.process(cluster.arrivals())
    if work.joining:
        cluster.env.process(cluster.growth())
    if work.before_seconds:
        cluster.env.run(work.before_seconds)
        cluster.forget()
    cluster.env.run(work.before_seconds + work.seconds)
    runs = len(cluster.waits)
    there = work.replicas + work.joining / 2
    return Outcome(
        runs,
        runs / work.seconds,
        cluster.busy_seconds / work.seconds / there,
        statistics.fmean(cluster.waits),
        statistics.quantiles(cluster.waits, n=20)[-1],
        statistics.fmean(cluster.latencies),
        cluster.found / max(1, cluster.asked),
        cluster.at_home / runs,
        cluster.moved / max(1, cluster.moved_of),
        cluster.reads / work.seconds,
        cluster.read_bytes / work.seconds,
        cluster.written_bytes / work.seconds,
    )
