"""Sessions on ZeroGPU against sessions in one process: same bits, same counts, less asked for where less is done."""

import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from trajflow import METHODS, Session
from trajflow.base import Result, Step
from trajflow.engine import ZeroGPUModel, placed
from trajflow.engine.serialization import pack, unpack
from trajflow.engine.zerogpu import GPUError
from trajflow.errors import BudgetExceeded, Cancelled, MemoryExhausted, ModelError, NumericalError
from trajflow.field import Field
from trajflow.sampler import RemoteModel
from trajflow.ui import work
from trajflow.ui.ask import read_ask
from trajflow.ui.registry import Registry

CPU = torch.device("cpu")


def trajectories(session):
    return [entry.trajectory for entry in session.entries()]


def are_equal(one, other):
    return (
        len(one) == len(other)
        and all(torch.equal(a.velocities, b.velocities) for a, b in zip(one, other, strict=True))
        and all(torch.equal(a.noise, b.noise) and a.kinds == b.kinds for a, b in zip(one, other, strict=True))
    )


@pytest.fixture(params=["mixture", "model"])
def model(request):
    """A velocity known in closed form, and a pipeline with text encoders and a decoder."""
    return request.getfixturevalue(request.param)


def test_a_session_makes_the_same_bits_as_in_one_process_and_asks_for_less_where_it_evaluates_less(space, model):
    there, here = Session(space.place(model)), Session(model)
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8, guidance=2.0)
        session.generate("a mountain at dusk", seed=3, steps=8, guidance=2.0, budget=3)
    full, cached = (entry.result.cost for entry in reversed(there.entries()))
    assert (full.nfe, cached.nfe) == (8, 3)
    assert are_equal(trajectories(there), trajectories(here))
    assert there.spent == here.spent
    for one, other in zip(there.entries(), here.entries(), strict=True):
        assert np.array_equal(one.result.image, other.result.image)
        assert one.result.angles == other.result.angles
    first, second = space.durations
    assert second < first
    there.generate("a mountain at dusk", seed=3, steps=8, guidance=2.0, budget=3)
    assert len(space.durations) == 2, "a stored picture asks for nothing"


def test_the_plans_of_every_strategy_can_be_sent(space, mixture):
    there, here = Session(space.place(mixture)), Session(mixture)
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8)
        for name in METHODS:
            session.generate(
                "a mountain at dusk", seed=3, steps=8, strategy=name, budget=None if name == "baseline" else 4
            )
    for one, other in zip(there.entries(), here.entries(), strict=True):
        assert one.result.request == other.result.request
        assert (one.result.kinds, one.result.cost) == (other.result.kinds, other.result.cost)
        assert np.array_equal(one.result.image, other.result.image), one.result.request.strategy


def test_steps_arrive_one_by_one_and_the_newest_ones_decide_what_the_next_call_asks_for(space, mixture):
    model = space.place(mixture)
    session = Session(model)
    events = list(session.stream("a mountain", steps=8))
    assert [event.k for event in events[:-1]] == list(range(8))
    assert isinstance(events[-1], Result)
    session.generate("a forest", seed=1, steps=8)
    first, second = space.durations
    assert first == 10 + 2 * 8, "nothing was timed yet"
    assert second == 11, "evaluations of milliseconds"


def test_two_sessions_do_not_see_each_other(space, mixture):
    model = space.place(mixture)
    one, other = Session(model), Session(model)
    one.generate("a mountain", seed=3)
    result = other.generate("a mountain", seed=3)
    assert not result.from_store
    assert result.cost.nfe == mixture.defaults.steps
    assert len(one.entries()) == len(other.entries()) == 1
    other.clear()
    assert one.generate("a mountain", seed=3).from_store


def test_refinement_pays_for_no_state_twice(space, mixture):
    """Its passes are calls of their own: what the field remembers has to come back."""
    there, here = Session(space.place(mixture)), Session(mixture)
    costs = []
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=16)
        events = session.stream("a mountain at dusk", seed=3, steps=16, refine=True, compare=True)
        results = [event for event in events if isinstance(event, Result)]
        costs.append([result.cost for result in results])
        assert results[-1].metrics.identical
    assert costs[0] == costs[1]
    assert are_equal(trajectories(there), trajectories(here))


def test_economy_probes_and_goes_on(space, mixture):
    there, here = (Session(model, mode="economy") for model in (space.place(mixture), mixture))
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8)
        session.generate("a mountain at dusk", seed=3, steps=8, budget=3)
    assert there.spent == here.spent
    assert are_equal(trajectories(there), trajectories(here))
    full, probe, rest = space.durations
    assert max(probe, rest) < full


def test_a_completion_works_though_each_step_is_a_call(space, mixture):
    there, here = Session(space.place(mixture)), Session(mixture)
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8)
        session.generate("a mountain at dusk", seed=3, steps=8, budget=3)
        *_, result = session.complete()
        assert result.baseline_cost.nfe == 7
    assert are_equal(trajectories(there), trajectories(here))


def test_a_completion_that_is_stopped_asks_for_nothing_more(space, mixture):
    session = Session(space.place(mixture))
    session.generate("a mountain", seed=3, steps=8)
    session.generate("a mountain at dusk", seed=3, steps=8, budget=3)
    completion = session.complete()
    assert [next(completion).k for _ in range(4)] == list(range(4))
    asked = len(space.durations)
    completion.close()
    assert len(space.durations) == asked
    *_, result = session.complete()
    assert result.baseline_cost.nfe == 7


def test_stopping_ends_the_run_and_keeps_what_was_spent(space, mixture):
    session = Session(space.place(mixture))
    events = session.stream("a mountain", steps=100)
    steps = [next(events), next(events)]
    session.stop()
    with pytest.raises(Cancelled) as stopped:
        list(events)
    assert session.spent.waited.nfe >= len(steps)
    assert session.entries() == ()
    forks = len(multiprocessing.active_children())
    assert session.generate("a mountain", steps=8).cost.nfe == 8
    assert len(multiprocessing.active_children()) <= forks, "the worker was free, whoever holds on to the error"
    assert stopped.value is not None


def test_a_stream_that_is_closed_frees_the_worker(space, mixture):
    session = Session(space.place(mixture))
    events = session.stream("a mountain", steps=100)
    assert isinstance(next(events), Step)
    events.close()
    assert session.generate("a mountain", steps=8).cost.nfe == 8


class Broken:
    """A model whose third evaluation goes wrong, in the way that is asked for."""

    def __init__(self, model, fail):
        self._model, self._fail = model, fail

    def evaluate(self, x, point, *others):
        evaluation = self._model.evaluate(x, point, *others)
        return self._fail(evaluation) if point.k == 2 else evaluation

    def __getattr__(self, name):
        return getattr(self._model, name)


def spoil(evaluation):
    evaluation.velocity.fill_(float("nan"))
    return evaluation


def run_out(evaluation):
    raise torch.OutOfMemoryError("no memory left")


def fail(evaluation):
    raise RuntimeError("something else")


def test_nan_in_the_worker_is_a_numerical_error_here_and_nothing_is_kept(space, mixture):
    there, here = Session(space.place(Broken(mixture, spoil))), Session(Broken(mixture, spoil))
    for session in (there, here):
        with pytest.raises(NumericalError, match="step 2 of 8"):
            session.generate("a mountain", steps=8)
        assert session.entries() == ()
    assert there.spent == here.spent, "the spoilt evaluation was paid for"


def test_a_worker_without_memory_says_so_in_our_words_and_nothing_is_kept(space, mixture):
    session = Session(space.place(Broken(mixture, run_out)))
    with pytest.raises(MemoryExhausted, match=r"does not suffice.*\(no memory left\)"):
        session.generate("a mountain", steps=8)
    assert session.entries() == ()
    assert session.spent.waited.nfe == 2


def test_any_other_error_in_the_worker_is_named(space, mixture):
    session = Session(space.place(Broken(mixture, fail)))
    with pytest.raises(GPUError, match="ZeroGPU worker error: RuntimeError"):
        session.generate("a mountain", steps=8)


def test_an_exhausted_quota_is_said_in_its_own_words(space, mixture, monkeypatch):
    session = Session(space.place(mixture))
    monkeypatch.setenv("SPACES_STAND_IN_QUOTA", "20")
    with pytest.raises(GPUError, match=r"quota exceeded: .* \(26s requested vs\. 20s left\)"):
        session.generate("a mountain", steps=8)
    assert session.generate("a mountain", steps=4).cost.nfe == 4, "less may still be granted"


def test_the_budget_is_kept_in_the_worker(space, mixture, make_grid_plan):
    model = space.place(mixture)
    plan = make_grid_plan(mixture, 8)
    shape = model.latent_shape(8, 8)
    field = Field(model, model.encode("a mountain", "", 1.0), plan.schedule, model.noise(0, shape), budget=5)
    with pytest.raises(BudgetExceeded):
        list(model.run(plan, (), field, "a mountain"))
    assert field.nfe == 5


def test_the_app_asks_once_for_a_picture_and_for_nothing_else(space, mixture):
    """No previews of steps, and no drawing of its own: both would be calls of their own."""
    model = space.place(mixture)
    tab_session = Registry(lambda: Session(model)).open(None)
    for calls, prompt in enumerate(("a mountain", "a mountain at dusk"), start=1):
        events = list(work.run(tab_session, read_ask({"prompt": prompt, "seed": 7}, model.defaults), 0.0))
        steps = [event for event in events if event["type"] == "step"]
        assert len(steps) > 2, "the steps are still shown as they come"
        assert not any("image" in step for step in steps)
        assert len(space.durations) == calls
    assert len(tab_session.session.entries()) == 2


def test_elsewhere_the_model_stays_as_it_is(space, mixture, monkeypatch):
    """The package may be installed on any Space; only where ZeroGPU says so does it lend."""
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert placed(lambda: mixture) is mixture
    assert not isinstance(mixture, RemoteModel)


def test_a_folder_of_that_name_is_not_the_package(space, mixture, monkeypatch, tmp_path):
    (tmp_path / "spaces").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ModelError, match=r"requirements\.txt"):
        placed(lambda: mixture)


def test_what_a_session_sees_is_a_remote_model(space, mixture):
    model = space.place(mixture)
    assert isinstance(model, ZeroGPUModel)
    assert isinstance(model, RemoteModel)
    assert model.identity() == mixture.identity()


def test_serialization_keeps_bits_and_leaves_out_what_is_not_asked_for(mixture):
    whole = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    part = whole[3]
    packed = pack({"once": part, "twice": part, "model": mixture}, mixture)
    assert len(packed) < 20 * part.nbytes < whole.nbytes
    other = object()
    back = unpack(packed, other, CPU)
    assert torch.equal(back["once"].view(torch.int16), part.view(torch.int16))
    assert back["once"] is back["twice"]
    assert back["model"] is other


def test_a_conditioning_travels_as_words(mixture):
    conditioning = mixture.encode("a mountain", "a forest", 2.5)
    back = unpack(pack(conditioning, mixture), mixture, CPU)
    assert back == conditioning
    assert back is not conditioning


class Foreign:
    """A class of nobody's."""


@pytest.mark.parametrize("value", [Foreign(), os.getcwd, subprocess.Popen], ids=["class", "function", "process"])
def test_nothing_but_our_own_records_is_unpacked(mixture, value):
    with pytest.raises(pickle.UnpicklingError, match="only trajflow's own records do"):
        unpack(pack(value, mixture), mixture, torch.device("cpu"))
