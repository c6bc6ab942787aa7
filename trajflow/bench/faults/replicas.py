"""kill -9 to replicas in the middle of runs, and to the store they share: runs end, bit for bit as undisturbed."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point, Result, Step
from trajflow.bench.scale.server import StoreServer
from trajflow.errors import TrajflowError
from trajflow.models.registry import load
from trajflow.session import Session

SEED = 0
PATIENCE_SECONDS = 180.0
STORE_BYTES = 2**30
FIRST, EDIT = "a mountain", "a mountain at dusk"


@dataclass(frozen=True)
class Watched:
    """A model that writes down in which process it evaluates; everything else is the model's own."""

    model: Model
    log: Path

    def __getattr__(self, name: str) -> object:
        if name == "model":
            raise AttributeError(name)
        return getattr(self.model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """The model's own evaluation."""
        with self.log.open("a") as log:
            log.write(f"{os.getpid()}\n")
        return self.model.evaluate(x, point, conditioning, keep)


@dataclass(frozen=True)
class Killed:
    """So many kills: runs that ended, those that differ from the undisturbed one, seconds without a step, and
    evaluations beyond those that were counted."""

    kills: int
    ended: int
    different: int
    longest_gap_seconds: float
    median_gap_seconds: float
    lost_evaluations: int


@dataclass(frozen=True)
class Away:
    """So many outages of the store: runs that ended, differ, times that it was not said, and that sharing stayed off
    when the store was back."""

    outages: int
    ended: int
    different: int
    unsaid: int
    not_resumed: int
    longest_seconds: float
    usual_seconds: float


def watched(name: str, log: Path) -> Callable[[], Model]:
    """What loads a model and watches it."""
    return partial(_watched, name, log)


def _watched(name: str, log: Path) -> Model:
    return Watched(load(name), log)  # type: ignore[return-value]


def replica_kills(name: str, folder: Path, kills: int, steps: int) -> Killed:
    """Kill the replica that makes a run, at a step drawn anew each time."""
    from trajflow.engine.replicas.cluster import start
    from trajflow.engine.replicas.sharing import Sharing

    log, drawn = folder / "evaluations", random.Random(SEED)
    engine = start(watched(name, log), 2, sharing=Sharing(f"file://{folder}/store", STORE_BYTES))
    gaps: list[float] = []
    ended = different = lost = 0
    try:
        undisturbed = _edited(Session(engine.open()), steps)
        for _ in range(kills):
            _wait(lambda: engine.running == 2)
            session = Session(engine.open())
            session.generate(FIRST, seed=7, steps=steps)
            log.unlink(missing_ok=True)
            at, made, times = drawn.randrange(1, steps - 1), None, []
            for event in session.stream(EDIT, seed=7, steps=steps, strategy="baseline"):
                times.append(time.monotonic())
                if isinstance(event, Step) and event.k == at:
                    os.kill(int(log.read_text().split()[-1]), signal.SIGKILL)
                made = event if isinstance(event, Result) else made
            # Until the cluster has noticed, it counts the dead one.
            _wait(lambda: engine.running < 2)
            if made is not None:
                ended += 1
                different += not _are_same(made, undisturbed)
                lost += len(log.read_text().split()) - made.cost.nfe
            gaps.append(max(after - before for before, after in pairwise(times)))
    finally:
        engine.close()
    return Killed(kills, ended, different, max(gaps), sorted(gaps)[len(gaps) // 2], lost)


def store_kills(name: str, folder: Path, outages: int, steps: int) -> Away:
    """Kill the store in the middle of a run, make another run without it, and start it again."""
    from trajflow.engine.replicas.cluster import start
    from trajflow.engine.replicas.path_cache import RETRY_SECONDS
    from trajflow.engine.replicas.sharing import Sharing

    server = StoreServer(folder)
    log = folder / "evaluations"
    engine = start(watched(name, log), 2, sharing=Sharing(server.url, STORE_BYTES))
    ended = different = unsaid = unresumed = 0
    took: list[float] = []
    try:
        began = time.monotonic()
        undisturbed = _edited(Session(engine.open()), steps)
        usual = time.monotonic() - began
        for _ in range(outages):
            session, made = Session(engine.open()), None
            began = time.monotonic()
            session.generate(FIRST, seed=7, steps=steps)
            for event in session.stream(EDIT, seed=7, steps=steps, strategy="baseline"):
                if isinstance(event, Step) and event.k == steps // 2:
                    server.kill()
                made = event if isinstance(event, Result) else made
            took.append(time.monotonic() - began)
            if made is not None:
                ended += 1
                different += not _are_same(made, undisturbed)
            unsaid += not any("do not share" in note for note in engine.notes())
            session.generate(FIRST, seed=8, steps=steps)
            server.start()
            time.sleep(RETRY_SECONDS)
            session.generate(FIRST, seed=9, steps=steps)
            unresumed += any("do not share" in note for note in engine.notes())
    finally:
        engine.close()
        server.kill()
    return Away(outages, ended, different, unsaid, unresumed, max(took), usual)


def _edited(session: Session, steps: int) -> Result:
    session.generate(FIRST, seed=7, steps=steps)
    return session.generate(EDIT, seed=7, steps=steps, strategy="baseline")


def _are_same(one: Result, other: Result) -> bool:
    return one.image.tobytes() == other.image.tobytes() and one.cost == other.cost


def _wait(is_so: Callable[[], bool]) -> None:
    """Wait until something is so. Raises TrajflowError when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TrajflowError(f"No replica took the place of the one that was killed for {PATIENCE_SECONDS:g} s.")
        time.sleep(0.2)
