"""Two replicas on this machine, as the simulation has them: people who ask, look, and ask again.

The model is paced: an evaluation sleeps, as the process of a GPU's does, so that two replicas are two GPUs even where
cores are few. What is measured is everything around it: routing, parcels, planning, the store.
"""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from benchmarks.scale.simulation import Outcome, Work, simulate
from trajflow.base import Conditioning, Evaluation, Level, Model, Point
from trajflow.engine.replicas.cluster import start
from trajflow.engine.replicas.sharing import Sharing
from trajflow.session import Session
from trajflow.testing import GaussianMixture

STEPS = 12
BUDGET = 5
SIMULATED_SECONDS = 2000.0
WORDS = ["dusk", "noon", "night", "fog", "snow", "rain", "spring", "autumn", "summer", "winter", "storm", "mist"]


class Paced(GaussianMixture):
    """The mixture, with evaluations of `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """The mixture's, after a while."""
        time.sleep(self._seconds)
        return super().evaluate(x, point, conditioning, keep)


@dataclass(frozen=True)
class Measured:
    """What people got at so many replicas: runs a second, the mean seconds of one, and the share of its sources that
    its replica had at hand, of those that it or the store had."""

    replicas: int
    runs_per_second: float
    latency_mean: float
    warm_share: float


def measure(replicas: int, people: int, *, seconds: float, think_seconds: float, pace: float) -> Measured:
    """Let people work for so many seconds, after each has made a first picture."""
    load: Callable[[], Model] = partial(Paced, pace)
    with tempfile.TemporaryDirectory(prefix="trajflow-scale-") as folder:
        engine = start(load, replicas, sharing=Sharing(f"file://{Path(folder) / 'store'}", 2**30), cpus=0.5)
        try:
            sessions = [Session(engine.open()) for _ in range(people)]
            for session in sessions:
                session.generate("a mountain", steps=STEPS)
            warm, shared = engine.warm, engine.shared
            latencies: list[float] = []
            deadline = time.monotonic() + seconds
            persons = [
                threading.Thread(target=_work, args=(session, number, deadline, think_seconds, latencies))
                for number, session in enumerate(sessions)
            ]
            for person in persons:
                person.start()
            for person in persons:
                person.join()
            warm, shared = engine.warm - warm, engine.shared - shared
        finally:
            engine.close()
    found = warm / max(1, warm + shared)
    return Measured(replicas, len(latencies) / seconds, statistics.fmean(latencies), found)


def one_and_two(
    people: int = 4, *, seconds: float = 40.0, think_seconds: float = 1.0, pace: float = 0.3
) -> tuple[tuple[Measured, Outcome], ...]:
    """One replica, and two, each measured and simulated. What a run takes beside its evaluations is known from the
    one, which never rests; the two are then foretold."""
    measured = [
        measure(replicas, people, seconds=seconds, think_seconds=think_seconds, pace=pace) for replicas in (1, 2)
    ]
    work = Work(
        1,
        SIMULATED_SECONDS,
        people=people,
        think_seconds=think_seconds,
        full=BUDGET,
        edit=BUDGET,
        evaluation_seconds=pace,
        fixed_seconds=max(0.0, 1 / measured[0].runs_per_second - BUDGET * pace),
        path_bytes=0.0,
        store_seconds=0.0,
    )
    return tuple((seen, simulate(replace(work, replicas=seen.replicas))) for seen in measured)


def _work(session: Session, number: int, deadline: float, think_seconds: float, latencies: list[float]) -> None:
    drawn, count = random.Random(number), 0
    while True:
        time.sleep(drawn.expovariate(1 / think_seconds))
        began = time.monotonic()
        if began > deadline:
            return
        words = " ".join(drawn.sample(WORDS, 3))
        session.generate(f"a mountain {words} {count}", steps=STEPS, budget=BUDGET)
        count += 1
        if time.monotonic() <= deadline:
            latencies.append(time.monotonic() - began)
