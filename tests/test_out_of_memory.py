"""A device that is full: cached runs make room, the step is tried once more, and then it is one sentence."""

import pkgutil
from functools import partial

import pytest
import torch

import trajflow
from trajflow.cache.entry import on_device
from trajflow.errors import MemoryExhausted, NumericalError
from trajflow.memory import nothing_to_give, retry_on_oom

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"


@pytest.fixture
def make_model(make_mixture):
    """A mixture whose calls number `failing` (from 1) find the device full; `word` says which calls count."""

    def make(failing, word="evaluate"):
        class Crowded(make_mixture):
            counted = 0

            def __getattribute__(self, name):
                called = super().__getattribute__(name)
                return partial(self.crowded, called) if name == word else called

            def crowded(self, called, *arguments):
                self.counted += 1
                if self.counted in failing:
                    raise torch.OutOfMemoryError(FULL)
                return called(*arguments)

        return Crowded()

    return make


def pictures(session) -> list[bytes]:
    return [entry.result.image.tobytes() for entry in session.entries()]


@pytest.mark.parametrize("word", ["evaluate", "encode", "decode", "noise"])
@pytest.mark.parametrize("first", [1, 2])
def test_a_call_that_fails_once_is_made_again_and_changes_nothing(make_model, mixture, word, first) -> None:
    results = []
    for model in (mixture, make_model({first}, word)):
        session = trajflow.Session(model)
        session.generate("snowy mountain", seed=3)
        results.append(session.generate("snowy mountain dusk", seed=3, budget=4))
    plain, crowded = results
    assert crowded.image.tobytes() == plain.image.tobytes()
    assert (crowded.cost, crowded.kinds) == (plain.cost, plain.kinds)


@pytest.mark.parametrize("strategy", ["interval", "shooting", "mpc", "blend"])
def test_every_way_goes_on_after_a_step_that_failed_once(make_model, mixture, strategy) -> None:
    results = []
    for model in (mixture, make_model({8 + 2})):
        session = trajflow.Session(model)
        session.generate("snowy mountain", seed=3)
        results.append(session.generate("snowy mountain dusk", seed=3, strategy=strategy, budget=6))
    plain, crowded = results
    assert crowded.image.tobytes() == plain.image.tobytes()
    assert crowded.cost == plain.cost


@pytest.mark.parametrize(
    "place",
    [
        "trajflow.sampler.Recording.finish",
        "trajflow.transitions.prediction.Prediction.of",
        "trajflow.session.runner.device_copy",
    ],
)
def test_what_stands_around_the_steps_is_tried_again_too(mixture, monkeypatch, place) -> None:
    def after_a_source() -> trajflow.Session:
        session = trajflow.Session(mixture)
        session.generate("snowy mountain", seed=3)
        return session

    asked = {"prompt": "snowy mountain dusk", "seed": 3, "strategy": "shooting", "budget": 4}
    plain = after_a_source().generate(**asked)
    session, relieved, failed = after_a_source(), [], []
    session._runner.free_memory = lambda: relieved.append(True)
    works = pkgutil.resolve_name(place)

    def crowded(*arguments, **options):
        if not failed:
            failed.append(True)
            raise torch.OutOfMemoryError(FULL)
        return works(*arguments, **options)

    monkeypatch.setattr(place, crowded)
    result = session.generate(**asked)
    assert result.image.tobytes() == plain.image.tobytes()
    assert (result.cost, relieved) == (plain.cost, [True])
    assert len(session.entries()) == 2


@pytest.mark.parametrize("word", ["evaluate", "encode", "decode", "noise"])
def test_what_fails_again_is_one_sentence_and_nothing_is_kept(make_model, word) -> None:
    model = make_model(range(1, 100), word)
    session = trajflow.Session(model)
    with pytest.raises(MemoryExhausted, match=r"does not suffice.*\(CUDA out of memory\).*smaller picture") as caught:
        session.generate("snowy mountain", seed=3)
    assert model.counted == 2
    assert caught.value.__context__ is None, "the error would hold the tensors of the run"
    assert (session.entries(), session.nbytes) == ((), 0)


def test_a_session_that_failed_goes_on_and_others_never_notice(make_model) -> None:
    model = make_model({9, 10})
    mine, yours = trajflow.Session(model), trajflow.Session(model)
    yours.generate("a lake", seed=3)
    before, held = pictures(yours), yours.nbytes
    with pytest.raises(MemoryExhausted):
        mine.generate("snowy mountain", seed=3)
    assert mine.entries() == ()
    assert (pictures(yours), yours.nbytes) == (before, held)
    assert mine.generate("snowy mountain", seed=3).cost.nfe == 8
    assert yours.generate("a lake", seed=3).from_store


@pytest.mark.parametrize("way", ["refine", "complete", "compare"])
def test_later_pictures_of_a_request_fail_in_the_same_way(make_model, way) -> None:
    """After the run of the source (8 evaluations) and four of its own, the device stays full."""
    model = make_model(range(13, 100))
    session = trajflow.Session(model)
    session.generate("snowy mountain", seed=3)
    if way == "refine":
        with pytest.raises(MemoryExhausted):
            list(session.stream("snowy mountain dusk", seed=3, refine=True))
    elif way == "compare":
        with pytest.raises(MemoryExhausted):
            session.generate("snowy mountain dusk", seed=3, budget=4, compare=True)
    else:
        session.generate("snowy mountain dusk", seed=3, budget=4)
        with pytest.raises(MemoryExhausted):
            list(session.complete())
    kept = session.entries()
    assert [entry.prompt for entry in kept][-1] == "snowy mountain"
    assert all(torch.isfinite(entry.trajectory.velocities).all() for entry in kept)
    assert [entry.is_true for entry in kept] == [False] * (len(kept) - 1) + [True]


def test_relief_comes_before_the_second_attempt_and_only_then() -> None:
    order = []

    def work():
        order.append("work")
        if len(order) < 3:
            raise torch.OutOfMemoryError(FULL)
        return "made"

    assert retry_on_oom(work, lambda: order.append("relief")) == "made"
    assert order == ["work", "relief", "work"]
    assert retry_on_oom(lambda: "made", pytest.fail) == "made"
    with pytest.raises(ZeroDivisionError):
        retry_on_oom(lambda: 1 / 0, pytest.fail)
    nothing_to_give()


def test_relief_moves_the_runs_of_the_session_out_of_the_first_place(make_model) -> None:
    """The two places of a session on a GPU, here both in the CPU's memory."""
    model = make_model({10})
    model.device = torch.device("cuda")
    session = trajflow.Session(model)
    # Sources are handed out where the mixture computes.
    session._cache._device = torch.device("cpu")
    session.generate("snowy mountain", seed=3)
    [entry] = session.entries()
    assert session._cache.place_of(entry.key) == "gpu"
    steps = session.stream("snowy mountain dusk", seed=3, budget=4)
    next(steps)
    assert session._cache.nbytes_by_place() == {"gpu": entry.nbytes, "memory": 0}
    list(steps)
    assert session._cache.place_of(entry.key) == "memory"
    assert len(session.entries()) == 2


class Broken:
    """Mixed into a model: from evaluation number `first` on, velocities are NaN."""

    first = 0

    def evaluate(self, *arguments, **options):
        evaluation = super().evaluate(*arguments, **options)
        if self.calls >= self.first:
            evaluation.velocity[0, 0, 0, 0] = torch.nan
        return evaluation


@pytest.mark.parametrize("first", [1, 3, 9, 10, 12])
@pytest.mark.parametrize("strategy", ["basis", "interval", "resume", "shooting", "refine", "compare", "economy"])
def test_nothing_of_a_run_with_nan_is_kept(make_mixture, strategy, first) -> None:
    model = type("BrokenMixture", (Broken, make_mixture), {})()
    model.first = first
    mode = "economy" if strategy == "economy" else "manual"
    session = trajflow.Session(model, mode=mode)
    special = {"refine": {"refine": True}, "compare": {"compare": True, "budget": 6}, "economy": {"budget": 6}}
    options = special.get(strategy, {"strategy": strategy, "budget": 6})

    def work() -> None:
        session.generate("snowy mountain", seed=3)
        for prompt in ("snowy mountain dusk", "mountain dusk fog", "mountain fog"):
            list(session.stream(prompt, seed=3, **options))

    with pytest.raises(NumericalError):
        work()
    held = session.entries()
    assert len(held) == (0 if first <= 8 else 1 if first <= 10 else len(held))
    assert session.nbytes == sum(entry.nbytes for entry in held)
    for entry in held:
        assert entry.result.is_final
        assert entry.prefix is None
        assert torch.isfinite(entry.trajectory.velocities).all()


def test_a_source_that_finds_no_room_on_the_device_is_fetched_again(mixture, monkeypatch) -> None:
    session = trajflow.Session(mixture)
    session.generate("snowy mountain", seed=3)
    fetched, relieved = [], []

    def fetch(entry, device):
        fetched.append(entry.key)
        if len(fetched) == 1:
            raise torch.OutOfMemoryError(FULL)
        return on_device(entry, device)

    monkeypatch.setattr("trajflow.session.cache.on_device", fetch)
    monkeypatch.setattr(session._cache, "make_room", lambda: relieved.append(True))
    assert session.generate("snowy mountain dusk", seed=3, budget=4).cost.nfe == 4
    assert (len(fetched), relieved) == (2, [True])
