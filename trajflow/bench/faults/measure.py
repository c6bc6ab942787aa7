"""The figures of `trajflow bench faults`: a table of parts, each of which yields its rows.

A part is a function of a `Place`. What needs more than one machine, or a store of another kind, is one more row here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trajflow.base import Model
from trajflow.bench.faults.clocks import jumps, slowed
from trajflow.bench.faults.files import HARMS, Harmed, full_disks, harmed, harmed_documents, two_processes
from trajflow.bench.faults.kills import Killed, kills_while_running, kills_while_saving
from trajflow.bench.faults.network import Failed, failures
from trajflow.bench.faults.replicas import replica_kills, store_kills
from trajflow.bench.faults.restarts import kills_of_the_app
from trajflow.bench.faults.stops import Ending, Stopped, hang_ups, stops_in_library
from trajflow.bench.figures import Figure
from trajflow.bench.served import served
from trajflow.session import Session

LONGEST_GAP_SECONDS = 3.0
# What a part needs beside the library: extras, and whether a store's server.
NEEDS = {"hang-ups": ("ui",), "kills": ("ui",), "replicas": ("ray",), "store": ("ray", "store")}


@dataclass(frozen=True)
class Size:
    """How much is done; `side` in pixels."""

    steps: int = 28
    side: int = 64
    hang_ups: int = 28
    kills_saving: int = 200
    kills_running: int = 50
    kills_app: int = 10
    harms: int = 100
    failing_steps: int = 28
    replica_kills: int = 50
    store_kills: int = 10
    seconds: float = 5.0


QUICK = Size(
    steps=6,
    hang_ups=4,
    kills_saving=10,
    kills_running=4,
    kills_app=1,
    harms=20,
    failing_steps=3,
    replica_kills=1,
    store_kills=1,
    seconds=1.0,
)


@dataclass(frozen=True)
class Place:
    """Where faults are put in: a model and the name it was loaded by, a folder of one's own, and how much."""

    model: Model
    name: str
    folder: Path
    size: Size


def _stops(place: Place) -> Iterator[Figure]:
    size = place.size
    ways: dict[Ending, str] = {"stop": "stopped", "close": "stream closed", "drop": "stream dropped"}
    for ending, words in ways.items():
        seen = stops_in_library(place.model, size.steps, size.side, ending)
        yield _stopped(f"{words} at each of {size.steps} steps", seen)


def _hang_ups(place: Place) -> Iterator[Figure]:
    size = place.size
    with served(place.name) as app:
        seen = hang_ups(app, size.hang_ups, size.steps, size.side)
        traces = app.traces()
    yield _stopped(f"tab closed, or the stream's reader gone, {size.hang_ups} times at the app", seen)
    yield Figure("stack traces in the app's log", "0", str(traces), traces == 0, {"traces": traces})


def _kills(place: Place) -> Iterator[Figure]:
    size = place.size
    yield _killed("kill -9 while saving", kills_while_saving(place.folder / "saving", size.kills_saving))
    seen = kills_while_running(place.model, place.name, place.folder / "running", size.kills_running, size.steps)
    yield _killed("kill -9 during a run", seen)
    yield _killed("kill -9 of the app", kills_of_the_app(place.name, place.folder / "app", size.kills_app, size.steps))


def _files(place: Place) -> Iterator[Figure]:
    size, session = place.size, Session(place.model)
    session.generate("a mountain", seed=7, steps=min(size.steps, 4), width=size.side, height=size.side)
    [entry] = session.entries()
    for name, harm in HARMS.items():
        yield _harmed(name, harmed(place.folder / name.replace(" ", "-"), entry, harm, size.harms))
    yield _harmed("harm that no checksum of the store sees", harmed_documents(entry, size.harms))
    yield _harmed("disk full", full_disks(place.folder / "full", entry, size.harms))
    yield _harmed("two processes on one folder", two_processes(place.folder / "shared", size.seconds))


def _network(place: Place) -> Iterator[Figure]:
    size = place.size
    steps = [number * size.steps // size.failing_steps for number in range(size.failing_steps)]
    for failure, words in (("memory", "out of memory"), ("nan", "NaN")):
        seen = failures(place.model, failure, steps, size.steps, size.side)  # type: ignore[arg-type]
        yield _failed(f"{words} from step k on, k = {steps[0]} to {steps[-1]}", seen)


def _time(place: Place) -> Iterator[Figure]:
    size = place.size
    slow = slowed(place.model, place.folder / "slow", size.seconds / 2, 2, size.side)
    is_ok = slow.pictures > 0 and slow.wrong == 0
    told = f"{slow.pictures} pictures of others in the {slow.seconds:.1f} s that one took, {slow.wrong} wrong"
    yield Figure("slow disk", "others go on", told, is_ok, {"pictures": slow.pictures, "seconds": slow.seconds})
    count, harm = jumps(place.model, place.folder / "clock", 2, size.side)
    numbers = {"jumps": count, "harm": harm}
    yield Figure("clock jumps by hours and days", "nothing changes", f"{harm} changes in {count}", harm == 0, numbers)


def _replicas(place: Place) -> Iterator[Figure]:
    size = place.size
    (place.folder / "replicas").mkdir()
    seen = replica_kills(place.name, place.folder / "replicas", size.replica_kills, size.steps)
    told = f"{seen.ended} finish, {seen.different} differ, longest gap {seen.longest_gap_seconds:.2f} s"
    is_ok = seen.ended == seen.kills and not seen.different and seen.longest_gap_seconds < LONGEST_GAP_SECONDS
    what = f"Ray replica killed mid-run, {seen.kills} times"
    yield Figure(what, f"all finish bit-equal, gap under {LONGEST_GAP_SECONDS:g} s", told, is_ok, asdict(seen))


def _store(place: Place) -> Iterator[Figure]:
    size = place.size
    (place.folder / "server").mkdir()
    seen = store_kills(place.name, place.folder / "server", size.store_kills, size.steps)
    told = f"{seen.ended} finish, {seen.different} differ, unsaid {seen.unsaid}, sharing stays off {seen.not_resumed}"
    is_ok = seen.ended == seen.outages and not (seen.different or seen.unsaid or seen.not_resumed)
    what = f"the store of two replicas killed mid-run, {seen.outages} times"
    yield Figure(what, "all finish bit-equal, said, sharing resumes", told, is_ok, asdict(seen))


PARTS: dict[str, Callable[[Place], Iterator[Figure]]] = {
    "stops": _stops,
    "hang-ups": _hang_ups,
    "kills": _kills,
    "files": _files,
    "network": _network,
    "time": _time,
    "replicas": _replicas,
    "store": _store,
}


def measure(model: Model, name: str, size: Size, parts: Sequence[str] = tuple(PARTS)) -> Iterator[Figure]:
    """The rows of those parts; files are made in a temporary folder."""
    with TemporaryDirectory(prefix="trajflow-bench-") as folder:
        for part in parts:
            yield from PARTS[part](Place(model, name, Path(folder), size))


def _stopped(what: str, seen: Stopped) -> Figure:
    told = f"{seen.late} late, {seen.disturbed} next runs disturbed, {seen.held} left something"
    numbers = {"count": seen.count, "late": seen.late, "disturbed": seen.disturbed, "held": seen.held}
    return Figure(what, "ends there, next run bit-equal, memory back", told, seen.is_clean, numbers)


def _killed(what: str, seen: Killed) -> Figure:
    told = f"{seen.torn} torn, {seen.lost} lost, {seen.unserved} not served again, of {seen.committed} committed"
    numbers = {"kills": seen.kills, "committed": seen.committed, "torn": seen.torn, "lost": seen.lost}
    return Figure(f"{what}, {seen.kills} times", "0 torn, 0 lost, restart serves them", told, seen.is_clean, numbers)


def _harmed(what: str, seen: Harmed) -> Figure:
    told = f"{seen.misses} misses, {seen.wrong} wrong, {seen.crashes} crashes"
    numbers = {"count": seen.count, "misses": seen.misses, "wrong": seen.wrong, "crashes": seen.crashes}
    return Figure(f"{what}, {seen.count} times", "a miss, no crash, nothing wrong", told, seen.is_clean, numbers)


def _failed(what: str, seen: Failed) -> Figure:
    told = f"{seen.untold} untold, {seen.peers} peers harmed, {seen.poisoned} poisoned, {seen.after} differ afterwards"
    numbers = {"count": seen.count, "untold": seen.untold, "peers": seen.peers, "poisoned": seen.poisoned}
    return Figure(what, "told in words, peers unharmed, nothing poisoned", told, seen.is_clean, numbers)
