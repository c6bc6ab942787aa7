"""The figures of `trajflow bench load`, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from trajflow.base import Model
from trajflow.bench.figures import Figure
from trajflow.bench.load import intruders
from trajflow.bench.load.isolation import Library, Tab, compare
from trajflow.bench.load.memory import KEPT_SESSIONS, Growth, soak, visits
from trajflow.bench.load.overflow import Overflow, overflow, overflow_of_programs
from trajflow.bench.load.people import Ask, Counted, closed_loop, jain, onwards, together
from trajflow.bench.load.prompts import prompt
from trajflow.bench.served import Served, served
from trajflow.bench.visitor import Visitor
from trajflow.session import Session

LEAST_SHARE, LEAST_JAIN, MOST_GROWTH, MOST_SECONDS = 0.90, 0.95, 0.05, 1.0
PARTS = ("people", "memory", "overflow", "isolation", "intruders")


@dataclass(frozen=True)
class Size:
    """How much is done. `seconds` is the time of each of the phases, alone and together, of `rounds`; `steps` and
    `side` (pixels) are those of pictures whose looks do not matter."""

    people: int = 50
    rounds: int = 3
    seconds: float = 60.0
    amount: int = 7
    generations: int = 1000
    visits: int = 500
    excess: int = 40
    queue: int = 5
    sessions: int = 200
    operations: int = 50
    scripts: int = 20
    guesses: int = 200
    steps: int = 4
    side: int = 64


QUICK = Size(
    people=6, rounds=1, seconds=6.0, amount=3, generations=40, visits=30, excess=16, queue=3,
    sessions=8, operations=8, scripts=4, guesses=5, steps=2,
)  # fmt: skip


def measure_app(model: str, size: Size, parts: Sequence[str] = PARTS) -> Iterator[Figure]:
    """The figures at the app, served on the loopback: one process for those of many people, one for those of few."""
    limit = str(max(64, 2 * size.people, 2 * size.sessions))
    if {"people", "isolation", "intruders"} & set(parts):
        with served(model, ["--max-queue", limit, "--max-sessions", limit]) as app:
            if "people" in parts:
                yield from _people_at(app, size)
            if "isolation" in parts:
                make = partial(Tab, app.url, size.steps, size.side)
                yield isolation_figure(compare(make, size.sessions, size.operations, size.scripts), size)
            if "intruders" in parts:
                yield leaks_figure("session names stolen or guessed", *intruders.stolen_sessions(app, size.guesses))
                yield leaks_figure("paths of files guessed", *intruders.guessed_files(app))
            yield traces_figure(app)
    if {"memory", "overflow"} & set(parts):
        with served(model, ["--max-queue", str(size.queue), "--max-sessions", str(KEPT_SESSIONS + size.excess)]) as app:
            if "overflow" in parts:
                yield overflow_figure("the page", overflow(app, size.excess, 14), size)
                yield overflow_figure("the endpoints for programs", overflow_of_programs(app, size.excess, 14), size)
    if "memory" in parts:
        with served(model, ["--max-sessions", str(KEPT_SESSIONS)]) as app:
            growth = soak(app, size.generations, size.steps, size.side)
            yield growth_figure(f"{size.generations} pictures in visits of 20", growth)
            yield growth_figure(f"{size.visits} tabs opened and closed", visits(app, size.visits))


def measure_library(model: Model, size: Size, parts: Sequence[str] = PARTS) -> Iterator[Figure]:
    """The same of sessions in this process, as far as there is something to measure."""
    if "people" in parts:
        sessions = [Session(model) for _ in range(size.people)]
        memory = psutil.Process()

        def ask(session: Session, person: int, number: int) -> object:
            return session.generate(prompt(number), seed=person, budget=size.amount)

        def held() -> int:
            return memory.memory_info().rss - sum(session.nbytes for session in sessions)

        yield from _people([partial(ask, session, person) for person, session in enumerate(sessions)], held, size)
    if "isolation" in parts:
        make = partial(Library, model, size.steps, size.side)
        yield isolation_figure(compare(make, size.sessions, size.operations, size.scripts), size)


def _people_at(app: Served, size: Size) -> Iterator[Figure]:
    visitors = [Visitor(app.url) for _ in range(size.people)]

    def ask(visitor: Visitor, person: int, number: int) -> object:
        return visitor.run(prompt(number), seed=person, quality="evaluations", amount=size.amount)

    def held() -> int:
        return app.rss() - int(sum(n for name, n in app.counts().items() if name.startswith("trajflow_cache_bytes")))

    yield from _people([partial(ask, visitor, person) for person, visitor in enumerate(visitors)], held, size)
    for visitor in visitors:
        visitor.close()


def _people(asks: Sequence[Ask], held: Callable[[], int], size: Size) -> Iterator[Figure]:
    """Figures of the closed loop; `held()` is the memory in bytes beside the cached pictures."""
    people = [onwards(ask) for ask in asks]
    closed_loop(people, 0.1)
    alone: list[Counted] = []
    crowd: list[Counted] = []
    before = 0
    for turn in range(size.rounds):
        alone.append(closed_loop(people[:1], size.seconds / 2))
        crowd.append(closed_loop(people, size.seconds))
        # Everybody has been there once: what grows from now on grows without end.
        before = held() if turn == 0 else before
    if size.rounds == 1:
        crowd.append(closed_loop(people, size.seconds / 2))
    one, many, growth = together(alone), together(crowd), Growth(before, held())
    ratio, fairness = many.rate / one.rate, jain(many.pictures)
    errors, who = len(one.errors) + len(many.errors), f"{size.people} people, closed loop"
    numbers = {"pictures": sum(many.pictures), "seconds": many.seconds, "errors": errors}
    yield Figure(f"{who}: errors", "0", f"{errors} of {sum(many.pictures)} pictures", errors == 0, numbers)
    numbers = {"alone_per_second": one.rate, "together_per_second": many.rate, "ratio": ratio}
    told = f"{ratio:.0%} ({many.rate:.2f} against {one.rate:.2f} pictures/s)"
    yield Figure(f"{who}: throughput against one alone", f">= {LEAST_SHARE:.0%}", told, ratio >= LEAST_SHARE, numbers)
    told = f"{fairness:.3f} ({min(many.pictures)} to {max(many.pictures)} pictures each)"
    yield Figure(f"{who}: fairness (Jain)", f">= {LEAST_JAIN}", told, fairness >= LEAST_JAIN, {"jain": fairness})
    yield growth_figure(f"{who}: memory beside the pictures", growth)


def growth_figure(what: str, growth: Growth) -> Figure:
    """A growth of memory below the limit, or not."""
    told = f"{growth.share:+.1%} ({growth.before / 2**20:.0f} to {growth.after / 2**20:.0f} MB)"
    numbers = {"before_bytes": growth.before, "after_bytes": growth.after}
    return Figure(f"{what}: growth", f"< {MOST_GROWTH:.0%}", told, growth.share < MOST_GROWTH, numbers)


def overflow_figure(where: str, seen: Overflow, size: Size) -> Figure:
    """Nobody hangs, and whoever is refused knows at once."""
    told = f"{seen.served} served, {seen.refused} refused, the slowest in {seen.slowest:.2f} s, {seen.hung} hung"
    is_ok = seen.hung == 0 and seen.refused > 0 and seen.slowest < MOST_SECONDS
    what = f"{size.excess} people at once, {size.queue} places, at {where}"
    numbers = {"served": seen.served, "refused": seen.refused, "hung": seen.hung, "slowest_seconds": seen.slowest}
    return Figure(what, f"refused within {MOST_SECONDS:g} s, none hung", told, is_ok, numbers)


def isolation_figure(differing: int, size: Size) -> Figure:
    """Nothing differs."""
    count = size.sessions * size.operations
    what = f"{size.sessions} sessions x {size.operations} operations, each as if alone"
    return Figure(what, "0 differ", f"{differing} of {count} differ", differing == 0, {"differing": differing})


def leaks_figure(what: str, attempts: int, leaks: int) -> Figure:
    """Nothing leaks."""
    return Figure(what, "0 leaks", f"{leaks} of {attempts} requests", leaks == 0, {"leaks": leaks, "tried": attempts})


def traces_figure(app: Served) -> Figure:
    """Nothing went wrong that nobody foresaw."""
    count = app.traces()
    return Figure("stack traces in the app's log", "0", str(count), count == 0, {"traces": count})
