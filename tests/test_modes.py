"""Completing runs: on request, in idle time, or at once where economy finds it worth it."""

import gc
import threading
import time
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch

import trajflow
from trajflow.base import Cost, Result, Step
from trajflow.errors import Cancelled, NumericalError, RequestError
from trajflow.session.economy import MOST_FULL, deserves_full, distance_to
from trajflow.session.idle import Bell, IdleWorker

FIRST, SECOND, THIRD, STEPS = "snowy mountain", "snowy mountain dusk", "red cabin", 8
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """However late a busy machine goes on, it is not because nobody asks any more."""
    monkeypatch.setattr("trajflow.session.model_lock.PATIENCE", 600.0)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold; returns as soon as it does."""
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.001)
    return holds()


def idle_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "trajflow-idle"]


@pytest.fixture
def make_gated(make_mixture):
    """A mixture whose evaluations of one prompt wait for a permit each, once the gate is shut."""

    class Gated(make_mixture):
        def __init__(self) -> None:
            super().__init__()
            self.is_shut = False
            self.entered = threading.Semaphore(0)
            self.permits = threading.Semaphore(0)
            self.log: list[str] = []

        def evaluate(self, x, point, conditioning, keep=None):
            self.log.append(conditioning.prompt)
            if self.is_shut and conditioning.prompt == SECOND:
                self.entered.release()
                assert self.permits.acquire(timeout=PATIENCE)
            return super().evaluate(x, point, conditioning, keep)

    return Gated


# Completing on request


def test_completing_makes_the_run_true_and_measures_the_picture(session, mixture, make_mixture) -> None:
    session.generate(FIRST)
    shown = session.generate(SECOND, budget=3)
    calls, before = mixture.calls, session.spent
    *steps, result = session.complete()
    assert mixture.calls - calls == STEPS - 1
    assert [step.phase for step in steps] == ["completion"] * STEPS
    assert session.spent.background - before.background == Cost(STEPS - 1, STEPS - 1) == result.baseline_cost
    assert session.spent.waited == before.waited == Cost(STEPS + 3, STEPS + 3)
    alone = trajflow.Session(make_mixture())
    exact = alone.generate(SECOND, strategy="baseline")
    entry = session.entries()[0]
    assert entry.is_true
    assert entry.result is result
    assert (result.key, result.cost, result.kinds) == (shown.key, shown.cost, shown.kinds)
    assert torch.equal(entry.trajectory.velocities, alone.entries()[0].trajectory.velocities)
    assert np.array_equal(np.asarray(result.image), np.asarray(shown.image))
    assert np.array_equal(np.asarray(result.baseline), np.asarray(exact.image))
    error = (np.asarray(shown.image).astype(float) - np.asarray(exact.image)) ** 2
    assert result.metrics.psnr_db == pytest.approx(10 * np.log10(255**2 / error.mean()))
    assert list(session.complete()) == []


def test_a_completed_run_answers_with_its_exact_picture_and_is_a_source(session, mixture) -> None:
    session.generate(FIRST)
    session.generate(SECOND, budget=3)
    *_, completed = session.complete()
    calls = mixture.calls
    repeat = session.generate(SECOND, budget=3)
    assert mixture.calls == calls
    assert np.array_equal(np.asarray(repeat.image), np.asarray(completed.baseline))
    compared = session.generate(SECOND, budget=5, compare=True)
    assert compared.metrics.identical
    assert compared.baseline_cost == completed.baseline_cost
    plan = session.generate("snowy mountain at dusk", budget=3).plan
    assert plan.match.prompt == SECOND
    assert len(plan.sources) == 2


def test_the_newest_unfinished_run_comes_first_and_the_order_of_the_history_stays(session) -> None:
    session.generate(FIRST)
    for prompt in (SECOND, THIRD):
        session.generate(prompt, budget=3)
    history = [entry.key for entry in session.entries()]
    assert [entry.prompt for entry in session.unfinished()] == [THIRD, SECOND]
    completed = []
    while session.unfinished():
        *_, result = session.complete()
        completed.append(result.request.prompt)
    assert completed == [THIRD, SECOND]
    assert [entry.key for entry in session.entries()] == history


def test_any_run_can_be_named(session) -> None:
    session.generate(FIRST)
    second, _ = session.generate(SECOND, budget=3), session.generate(THIRD, budget=3)
    *_, result = session.complete(second.key)
    assert result.key == second.key
    assert [entry.prompt for entry in session.unfinished()] == [THIRD]
    with pytest.raises(RequestError, match="no longer kept"):
        next(session.complete("no such key"))


def test_a_picture_of_fewer_steps_becomes_a_source_too(session, mixture) -> None:
    shown = session.generate(FIRST, budget=3)
    assert len(shown.kinds) == 3
    calls = mixture.calls
    *_, result = session.complete()
    assert mixture.calls - calls == STEPS
    assert not result.metrics.identical
    assert session.generate(SECOND, budget=3).plan.sources == (shown.key,)
    repeat = session.generate(FIRST, budget=3)
    assert repeat.kinds == ("cached",) * STEPS


def test_a_compared_run_needs_no_completion(session, mixture) -> None:
    session.generate(FIRST)
    compared = session.generate(SECOND, budget=3, compare=True)
    assert session.unfinished() == ()
    calls = mixture.calls
    [result] = session.complete(compared.key)
    assert mixture.calls == calls
    assert result.metrics == compared.metrics


def test_a_true_run_is_its_own_completion(session, mixture) -> None:
    first = session.generate(FIRST)
    calls = mixture.calls
    assert list(session.complete(first.key)) == [first]
    assert mixture.calls == calls


def test_a_resumed_run_is_completed_from_the_start(session, mixture, make_mixture) -> None:
    """Its first steps are another prompt's."""
    session.generate(FIRST)
    session.generate(SECOND, strategy="resume", budget=3)
    calls = mixture.calls
    list(session.complete())
    assert mixture.calls - calls == STEPS
    alone = trajflow.Session(make_mixture())
    alone.generate(SECOND)
    assert torch.equal(session.entries()[0].trajectory.velocities, alone.entries()[0].trajectory.velocities)


@pytest.mark.parametrize("after", [1, 4, 8])
@pytest.mark.parametrize("way", ["close", "stop", "request"])
def test_an_interrupted_completion_goes_on_later(mixture, make_mixture, after: int, way: str) -> None:
    session = trajflow.Session(mixture)
    session.generate(FIRST)
    session.generate(SECOND, budget=3)
    calls, held = mixture.calls, session.nbytes
    stream = session.complete()
    for _ in range(after):
        assert isinstance(next(stream), Step)
    if way == "close":
        stream.close()
    else:
        session.stop() if way == "stop" else session.generate(FIRST)
        with pytest.raises(Cancelled):
            next(stream)
    assert mixture.calls - calls == after - 1
    kept = after * 3 * 8 * 8 * 4 if after > 1 else 0
    assert session.nbytes == held + kept <= session.capacity
    assert not session.entries()[0].is_true
    *_, result = session.complete()
    assert mixture.calls - calls == STEPS - 1
    assert result.baseline_cost.nfe == STEPS - after
    assert session.spent.background.nfe == STEPS - 1
    alone = trajflow.Session(make_mixture())
    alone.generate(SECOND)
    [entry] = [entry for entry in session.entries() if entry.prompt == SECOND]
    assert torch.equal(entry.trajectory.velocities, alone.entries()[0].trajectory.velocities)
    assert entry.prefix is None


def test_an_interrupted_refinement_is_completed_from_its_exact_steps(session, mixture) -> None:
    stream, shown = session.stream(SECOND, steps=28, refine=True), 0
    while shown < 3:
        shown += isinstance(next(stream), Result)
    stream.close()
    calls = mixture.calls
    *_, result = session.complete()
    assert mixture.calls - calls == 28 - 5
    assert result.is_final
    assert session.generate(SECOND, steps=28).from_store


def test_a_run_forgotten_meanwhile_stays_forgotten(session) -> None:
    session.generate(FIRST)
    key = session.generate(SECOND, budget=3).key
    for is_whole in (False, True):
        stream = session.complete(key) if not is_whole else session.complete(session.generate(SECOND, budget=3).key)
        next(stream), next(stream)
        session.forget(session.entries()[0].key)
        rest = list(stream) if is_whole else stream.close()
        assert [entry.prompt for entry in session.entries()] == [FIRST]
    assert rest[-1].key == ""


def test_completing_meets_nan(make_mixture) -> None:
    class Breaking(make_mixture):
        def evaluate(self, x, point, conditioning, keep=None):
            evaluation = super().evaluate(x, point, conditioning, keep)
            is_broken = conditioning.prompt == SECOND and point.k == 3
            return type(evaluation)(evaluation.velocity * torch.nan, {}, 1) if is_broken else evaluation

    session = trajflow.Session(Breaking())
    session.generate(FIRST)
    session.generate(SECOND, strategy="difference", budget=2)
    with pytest.raises(NumericalError):
        list(session.complete())
    assert not session.entries()[0].is_true
    assert session.entries()[0].prefix is None


def test_another_models_picture_is_not_completed_here(session, make_mixture) -> None:
    other = trajflow.Session(make_mixture(components=2))
    other.generate(FIRST)
    other.generate(SECOND, budget=3)
    session.adopt(other.entries()[0])
    with pytest.raises(RequestError, match="another model"):
        list(session.complete())


# In idle time


def test_an_interactive_session_completes_every_run_newest_first(make_gated) -> None:
    model = make_gated()
    with trajflow.Session(model, mode="interactive") as session:
        session.generate(FIRST)
        model.is_shut = True
        model.permits.release()
        session.generate(SECOND, budget=1)
        assert model.entered.acquire(timeout=PATIENCE)
        assert model.entered.acquire(timeout=PATIENCE), "the completion has begun, and waits at the gate"
        done = []
        request = threading.Thread(target=lambda: done.append(session.generate(THIRD, budget=1)))
        request.start()
        assert eventually(lambda: session._lock.is_called)
        model.permits.release(100)
        request.join(PATIENCE)
        [third] = done
        assert eventually(lambda: session.unfinished() == ())
        assert [third.key, FIRST] == [session.entries()[0].key, session.entries()[2].prompt]
        # The request waited for one evaluation at the most; then the newest run was completed before the older one.
        assert model.log == [FIRST] * 8 + [SECOND] * 2 + [THIRD] * 8 + [SECOND] * 6
        assert session.spent.waited.nfe == 8 + 1 + 1
        assert session.spent.background.nfe == 7 + 7 == model.calls - 10


def test_a_request_waits_for_one_evaluation_at_the_most(make_gated) -> None:
    """Counted: from the moment the request is there, the completion evaluates nothing but the step it is in."""
    model = make_gated()
    with trajflow.Session(model, mode="interactive") as session:
        session.generate(FIRST)
        model.is_shut = True
        model.permits.release(3)
        session.generate(SECOND, budget=1)
        for _ in range(4):
            assert model.entered.acquire(timeout=PATIENCE)
        stream = session.stream(THIRD, budget=1)
        request = threading.Thread(target=next, args=(stream,))
        request.start()
        assert eventually(lambda: session._lock.is_called)
        model.permits.release()
        request.join(PATIENCE)
        assert model.log[-1] == THIRD
        assert model.log.count(SECOND) == 4
        assert session.entries()[0].prefix.shape[0] == 4
        model.permits.release(100)
        assert model.log.count(SECOND) == 4, "nothing goes on while a request is open"
        list(stream)
        assert eventually(lambda: session.unfinished() == ())


def test_closing_ends_the_thread_within_an_evaluation(make_gated) -> None:
    model, before = make_gated(), len(idle_threads())
    session = trajflow.Session(model, mode="interactive")
    assert len(idle_threads()) == before + 1
    assert all(thread.daemon for thread in idle_threads())
    session.generate(FIRST)
    model.is_shut = True
    model.permits.release(1)
    session.generate(SECOND, budget=1)
    for _ in range(2):
        assert model.entered.acquire(timeout=PATIENCE)
    closing = threading.Thread(target=session.close)
    closing.start()
    assert eventually(lambda: session._worker._bell._closed)
    model.permits.release(100)
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert len(idle_threads()) == before
    assert model.log.count(SECOND) == 2
    session.close()
    assert session.generate(THIRD, budget=1).cost.nfe == 1, "requests still work"


def test_a_session_nobody_holds_is_collected_and_its_thread_ends(mixture) -> None:
    before = len(idle_threads())
    session = trajflow.Session(mixture, mode="interactive")
    session.generate(FIRST)
    session.generate(SECOND, budget=3)
    alive = weakref.ref(session)
    assert eventually(lambda: alive().unfinished() == ())
    del session
    assert eventually(lambda: gc.collect() is not None and alive() is None)
    assert eventually(lambda: len(idle_threads()) == before)


def test_what_cannot_be_completed_does_not_keep_the_thread_busy(make_mixture, caplog) -> None:
    class Blind(make_mixture):
        is_blind = False

        def decode(self, x):
            if self.is_blind:
                raise RuntimeError("out of memory")
            return super().decode(x)

    model = Blind()
    with trajflow.Session(model, mode="interactive") as session:
        session.generate(FIRST)
        elsewhere = coasted_elsewhere(session)
        model.is_blind = True
        session.adopt(elsewhere)
        session.stop()
        session._worker.ring()
        assert eventually(lambda: len(session._hopeless) == 1)
        assert "could not be completed" in caplog.text
        model.is_blind = False
        assert session.generate(FIRST).from_store
        assert [entry.prompt for entry in session.unfinished()] == [SECOND]


def coasted_elsewhere(session):
    """An entry that another session made from this one's."""
    other = trajflow.Session(session.model)
    other.adopt(session.entries()[0])
    other.generate(SECOND, budget=3)
    return other.entries()[0]


def test_sessions_complete_only_their_own_runs(mixture) -> None:
    quiet = trajflow.Session(mixture)
    quiet.generate(FIRST)
    quiet.generate(SECOND, budget=3)
    with trajflow.Session(mixture, mode="interactive") as session:
        session.generate(FIRST)
        session.generate(THIRD, budget=3)
        assert eventually(lambda: session.unfinished() == ())
    assert [entry.prompt for entry in quiet.unfinished()] == [SECOND]
    assert quiet.spent.background.nfe == 0
    assert quiet._worker is None


def test_a_manual_session_does_nothing_by_itself(session, mixture) -> None:
    session.generate(FIRST)
    session.generate(SECOND, budget=3)
    assert session._worker is None
    assert mixture.calls == STEPS + 3
    assert session.mode == "manual"


def test_the_bell_keeps_one_ring_and_none_after_closing() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait()
    bell.close()
    assert not bell.wait()


def test_the_worker_works_once_for_each_ring_it_hears() -> None:
    class Owner:
        def __init__(self) -> None:
            self.done = threading.Semaphore(0)

        def work(self) -> None:
            self.done.release()

    owner = Owner()
    worker = IdleWorker(owner.work)
    for _ in range(3):
        worker.ring()
        assert owner.done.acquire(timeout=PATIENCE)
    worker.close()
    assert not worker._thread.is_alive()


# Economy


def test_economy_computes_the_first_run_in_full_whatever_its_budget(mixture) -> None:
    session = trajflow.Session(mixture, mode="economy")
    result = session.generate(FIRST, budget=3)
    assert result.cost.nfe == STEPS
    assert session.entries()[0].is_true
    assert "later requests start from here" in result.plan.reason


def test_economy_carries_over_what_is_near_and_never_pays_twice_for_the_first_velocity(mixture) -> None:
    session = trajflow.Session(mixture, mode="economy")
    session.generate(FIRST)
    result = session.generate(SECOND, budget=3)
    assert result.cost.nfe == 3 == mixture.calls - STEPS
    assert session.estimate(THIRD, budget=3).nfe == STEPS, "it may be computed in full"


def test_economy_keeps_to_the_budget_where_a_run_without_sources_is_the_better_one(mixture, preferring_none) -> None:
    session = trajflow.Session(mixture, mode="economy", profile=preferring_none)
    session.generate(FIRST)
    foreseen = session.estimate(THIRD, budget=3)
    assert foreseen.nfe == 3
    assert "If nothing computed in full is near" not in foreseen.reason
    result = session.generate(THIRD, budget=3)
    assert (result.plan.sampling.method, result.plan.sources, result.cost.nfe) == ("solver", (), 3)


def test_economy_computes_in_full_what_is_far(mixture, monkeypatch) -> None:
    session = trajflow.Session(mixture, mode="economy")
    session.generate(FIRST)
    monkeypatch.setattr("trajflow.session.economy.FAR", 0.0)
    monkeypatch.setattr("trajflow.session.economy.MOST_FULL", 1.0)
    calls = mixture.calls
    result = session.generate(SECOND, budget=3)
    assert mixture.calls - calls == result.cost.nfe == STEPS
    assert session.entries()[0].is_true
    assert result.plan.reason.startswith("Far from all that is cached")
    for strategy in ("fewer-steps", "resume"):
        assert session.generate(THIRD, strategy=strategy, budget=3).cost.nfe == 3


def test_the_distance_is_to_the_nearest_source(mixture) -> None:
    session = trajflow.Session(mixture)
    for prompt in (FIRST, THIRD):
        session.generate(prompt)
    sources = tuple(entry.trajectory for entry in session.entries())
    fresh = sources[0].velocities[0] * 1.5
    near = float((fresh - sources[0].velocities[0]).norm() / fresh.norm())
    assert distance_to(fresh, sources) == pytest.approx(min(near, 1 / 3))
    assert distance_to(sources[1].velocities[0], sources) == 0


def test_the_share_of_full_runs_is_capped() -> None:
    full = 0
    for total in range(200):
        full += deserves_full(1e9, full, total)
    assert full / 200 == pytest.approx(MOST_FULL, abs=0.02)
    assert not deserves_full(0.0, 0, 100)


def test_an_unknown_mode_is_refused(mixture) -> None:
    with pytest.raises(RequestError, match="no mode 'lazy'"):
        trajflow.Session(mixture, mode="lazy")
