"""Two sessions, two threads, one model: whatever they do, bytes stay within bounds and nothing passes between them."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from trajflow.base import Model, Result
from trajflow.errors import Cancelled
from trajflow.session import Session
from trajflow.testing import GaussianMixture

ACTS = st.tuples(
    st.sampled_from(["make", "make", "make", "coast", "repeat", "complete", "forget", "clear", "look"]),
    st.sampled_from(["a mountain", "a lake", "a city", "a mountain dusk", "a lake dusk", "a city night"]),
)
A_TURN = st.lists(ACTS, min_size=1, max_size=4)
STEPS_OF_AN_EXAMPLE = 25
# In runs of the closed-form flow, memory and the disk together.
CAPACITIES = st.sampled_from([0.5, 1.5, 3.0, 8.0])
RUN_BYTES = 9_000


@dataclass
class Seen:
    """What came of all the steps."""

    steps: int = 0
    beyond: int = 0
    crossed: int = 0


class Room:
    """One session, the key of every picture that it has ever made, and of every one that it was shown or began from."""

    def __init__(self, model: Model, capacity: float, folder: Path, seen: Seen) -> None:
        self.session = Session(model, cache_bytes=int(capacity * RUN_BYTES), spill=folder)
        self.made: set[str] = set()
        self.used: set[str] = set()
        self._seen = seen

    def act(self, turn: list[tuple[str, str]]) -> None:
        """One thread's acts, each followed by a look at what must hold."""
        for name, prompt in turn:
            # A completion gives way to the other thread's request.
            with suppress(Cancelled):
                self._act(name, prompt)
            self._look()

    def _act(self, name: str, prompt: str) -> None:
        session = self.session
        if name == "clear":
            session.clear()
        elif name == "forget":
            for entry in session.entries()[:1]:
                session.forget(entry.key)
        elif name == "complete":
            for event in session.complete():
                if isinstance(event, Result):
                    self.made.add(event.key)
        elif name == "look":
            session.estimate(prompt, seed=1)
        else:
            result = session.generate(prompt, seed=1, budget={"make": 8, "coast": 3}.get(name))
            (self.used if result.from_store else self.made).add(result.key)
            self.used.update(result.plan.sources)

    def _look(self) -> None:
        """Nothing is held beyond the capacity, and nothing that this session has not made itself."""
        held = self.session.nbytes_by_place()
        capacity = self.session.capacity
        self._seen.beyond += sum(held.values()) > capacity
        self._seen.steps += 1


def machine(model: Model, seen: Seen) -> type[RuleBasedStateMachine]:
    """Two rooms on one model, in which two threads act: one in each, or both in one."""

    class Rooms(RuleBasedStateMachine):
        @initialize(capacities=st.tuples(CAPACITIES, CAPACITIES))
        def open(self, capacities: tuple[float, float]) -> None:
            self.folder = tempfile.TemporaryDirectory(prefix="trajflow-bench-")
            self.pool = ThreadPoolExecutor(2)
            self.rooms = [Room(model, each, Path(self.folder.name), seen) for each in capacities]

        @rule(one=A_TURN, other=A_TURN)
        def apart(self, one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
            self._both(self.rooms, one, other)

        @rule(room=st.integers(0, 1), one=A_TURN, other=A_TURN)
        def in_one_room(self, room: int, one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
            self._both([self.rooms[room]] * 2, one, other)

        def _both(self, rooms: list[Room], one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
            turns = zip(rooms, (one, other), strict=True)
            for done in [self.pool.submit(room.act, turn) for room, turn in turns]:
                done.result(60)
            # Not before both are done: a picture is in the session a moment before its maker hears of it.
            for room in self.rooms:
                room.used.update(entry.key for entry in room.session.entries() if not entry.is_true)
                seen.crossed += len(room.used - room.made)
                room.used.clear()

        def teardown(self) -> None:
            if hasattr(self, "pool"):
                self.pool.shutdown()
                self.rooms.clear()
                self.folder.cleanup()

    return Rooms


def two_threads(steps: int) -> Seen:
    """About so many steps of the machine, over the closed-form flow. Raises what a step raises."""
    seen = Seen()
    # An act of each of two threads is a step; a rule has five of them on average.
    examples = max(1, steps // (5 * STEPS_OF_AN_EXAMPLE))
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS_OF_AN_EXAMPLE,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    made = machine(GaussianMixture(size=8), seen)
    while seen.steps < steps:
        run_state_machine_as_test(made, settings=chosen)
    return seen
