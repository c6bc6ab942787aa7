"""What every engine promises, over all of them; then what only replicas can be asked for.

One file, so that one cluster serves all of it.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.scripted import KNOWN, OF_A_LONG_PROMPT, PUSH, Evaluations, Scripted
from trajflow import METHODS, Session
from trajflow.base import Result, vocabulary_of
from trajflow.bench.scale.server import StoreServer, server_program
from trajflow.engine import Engine, InProcess, placed
from trajflow.errors import Cancelled, MemoryExhausted, NumericalError, RequestError
from trajflow.extras import missing
from trajflow.sampler import RemoteModel
from trajflow.testing import GaussianMixture

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "spaces" / "stand_in"
NO_RAY = "the extra `ray` is not installed" if missing("ray") else ""
NO_STORE = "" if server_program() and not missing("store") else "no Valkey or Redis server, or no extra `store`"

# Ray's own imports and threads warn of what its dependencies will change.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


class Place:
    """An engine, what was evaluated in it, and the same model in this process."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.evaluations = Evaluations(folder / "there")
        self._here = InProcess(Scripted(folder / "here"))

    def there(self):
        return Session(self.engine.open(), cache_bytes=2**24)

    def here(self):
        return Session(self._here.open(), cache_bytes=2**24)


def start_ray(folder, **options):
    """Two replicas of the scripted model on a cluster of this process, small and silent."""
    from trajflow.engine.replicas import cluster

    os.environ["PYTHONPATH"] = str(ROOT)
    return cluster.start(lambda: Scripted(folder / "there"), 2, **options)


@pytest.fixture(scope="module")
def store_server(tmp_path_factory):
    if NO_STORE:
        yield None
        return
    server = StoreServer(tmp_path_factory.mktemp("store"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def replicas(tmp_path_factory, store_server):
    if NO_RAY:
        pytest.skip(NO_RAY)
    from trajflow.engine.replicas.sharing import Sharing

    folder = tmp_path_factory.mktemp("replicas")
    engine = start_ray(folder, sharing=None if store_server is None else Sharing(store_server.url, 2**24))
    yield Place(engine, folder)
    engine.close()


@pytest.fixture(scope="module", params=["process", "zerogpu", pytest.param("ray", marks=pytest.mark.ray)])
def place(request, tmp_path_factory):
    if request.param == "ray":
        yield request.getfixturevalue("replicas")
        return
    folder = tmp_path_factory.mktemp(request.param)
    model = Scripted(folder / "there")
    if request.param == "process":
        yield Place(InProcess(model), folder)
        return
    threads = torch.get_num_threads()
    # A fork of a process whose OpenMP threads have worked would wait for them for ever.
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(STAND_IN)
        patch.delitem(sys.modules, "spaces", raising=False)
        patch.setenv("SPACES_ZERO_GPU", "true")
        patch.setenv("SPACES_STAND_IN_LOG", str(folder / "durations"))
        patch.setenv("SPACES_STAND_IN_FRESH", "0")
        yield Place(InProcess(placed(lambda: model)), folder)
    sys.modules.pop("spaces", None)
    torch.set_num_threads(threads)


def settled(evaluations):
    """How many there are once none has come for half a second."""
    count = -1
    while count != (count := len(evaluations.all())):
        time.sleep(0.5)
    return count


def same(one, other):
    """Whether two results are of the same bits, and cost the same."""
    return np.array_equal(one.image, other.image) and (one.cost, one.kinds) == (other.cost, other.kinds)


def test_it_is_an_engine(place):
    assert isinstance(place.engine, Engine)
    assert place.engine.hands >= 1
    assert place.engine.notes() == ()
    assert place.engine.model.defaults == place.there().model.defaults


def test_every_method_makes_the_same_bits_at_the_same_cost(place):
    there, here = place.there(), place.here()
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8, guidance=2.0)
        for name in METHODS:
            budget = None if name == "baseline" else 4
            session.generate("a mountain at dusk", seed=3, steps=8, guidance=2.0, strategy=name, budget=budget)
    for one, other in zip(there.entries(), here.entries(), strict=True):
        assert same(one.result, other.result), one.result.request.strategy
        assert one.result.angles == other.result.angles
        assert one.trajectory == other.trajectory
    assert there.spent == here.spent


def test_a_stopped_run_ends_within_a_step_and_the_next_one_is_undisturbed(place):
    session = place.there()
    before = len(place.evaluations.all())
    events = session.stream("a slow mountain", steps=200)
    next(events), next(events)
    session.stop()
    with pytest.raises(Cancelled):
        list(events)
    heard, ended = len(place.evaluations.all()), settled(place.evaluations)
    # The evaluation under way, and one that had begun before the word arrived; between machines the word travels.
    most = before + 199 if place.engine.name == "Ray Serve" else heard + 2
    assert ended <= most
    assert session.entries() == ()
    expected = place.here().generate("a mountain", seed=5, steps=8)
    assert same(session.generate("a mountain", seed=5, steps=8), expected)


def test_a_stream_that_nobody_reads_to_its_end_is_in_nobodys_way(place):
    session = place.there()
    before = len(place.evaluations.all())
    events = session.stream("a slow mountain", seed=1, steps=200)
    next(events)
    events.close()
    assert session.generate("a forest", steps=8).cost.nfe == 8
    assert settled(place.evaluations) - before < 200 + 8, "it waited for the whole run"


@pytest.mark.parametrize(
    ("word", "error", "sentence"),
    [("nan", NumericalError, "step 2 of 8"), ("full", MemoryExhausted, r"does not suffice.*\(no memory left\)")],
)
def test_what_goes_wrong_there_is_a_sentence_here_and_poisons_nothing(place, word, error, sentence):
    session, other = place.there(), place.there()
    with pytest.raises(error, match=sentence):
        session.generate(f"a {word} mountain", steps=8)
    assert session.entries() == ()
    expected = place.here().generate("a mountain", seed=6, steps=8)
    for each in (session, other):
        assert same(each.generate("a mountain", seed=6, steps=8), expected)


def test_it_knows_the_words_of_the_model(place):
    assert vocabulary_of(place.engine.model) == vocabulary_of(place.there().model) == KNOWN


def test_a_prompt_between_two_is_mixed_where_the_model_is(place):
    there, here, prompt = place.there(), place.here(), "a lake ~25%~ a mountain"
    for session in (there, here):
        session.generate("a lake", seed=3, steps=8)
        session.generate(prompt, seed=3, steps=8)
        session.generate("a lake ~50%~ a mountain", seed=3, steps=8, budget=3)
    for one, other in zip(there.entries(), here.entries(), strict=True):
        assert same(one.result, other.result), one.prompt
        assert one.trajectory == other.trajectory
    model = there.model
    shape = model.latent_shape(8, 8)
    x, point = model.noise(3, shape), model.schedule(8, shape).point(0)
    pushed = model.evaluate(x, point, model.encode(prompt, "", 1.0)).velocity
    letters = 0.75 * len("a lake") + 0.25 * len("a mountain")
    torch.testing.assert_close(
        pushed - GaussianMixture().velocity(x, float(point.sigma), prompt), letters * PUSH + 0 * x
    )


@pytest.mark.parametrize("options", [{}, {"refine": True}], ids=["at once", "refined"])
def test_what_the_text_encoders_did_not_read_is_told_with_the_picture(place, options):
    *_, result = place.there().stream("a long mountain ~40%~ a lake", seed=8, steps=4, **options)
    assert result.warnings == (OF_A_LONG_PROMPT,)
    *_, result = place.there().stream("a mountain", seed=8, steps=4, **options)
    assert result.warnings == ()


def test_refinement_and_completion_cost_no_more_than_here(place):
    there, here = place.there(), place.here()
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=16)
        *_, result = session.stream("a mountain at dusk", seed=3, steps=16, refine=True)
        assert isinstance(result, Result)
        session.generate("a mountain at noon", seed=3, steps=16, budget=4)
        *_, result = session.complete()
        assert result.metrics is not None
    assert there.spent == here.spent
    for one, other in zip(there.entries(), here.entries(), strict=True):
        assert one.trajectory == other.trajectory


# From here on only replicas, and the worst last: what is killed takes a while to come back.


def replica_of(place, session):
    """The process that a session's runs are made in."""
    place.evaluations.new()
    session.generate("where", seed=int(time.monotonic() * 1e6) % 2**31, steps=1)
    [(process, _)] = place.evaluations.new()
    return process


def neighbours(place):
    """Two sessions of one replica."""
    first = place.there()
    process = replica_of(place, first)
    for _ in range(50):
        second = place.there()
        if replica_of(place, second) == process:
            return first, second, process
    raise AssertionError("every session has a replica of its own")


@pytest.mark.ray
def test_a_session_stays_with_its_replica_and_its_sources_do_not_travel(replicas):
    sessions = [replicas.there() for _ in range(5)]
    homes = [replica_of(replicas, session) for session in sessions]
    assert [replica_of(replicas, session) for session in sessions] == homes
    warm, shared = replicas.engine.warm, replicas.engine.shared
    for session in sessions:
        session.generate("a lake", seed=2, steps=8)
        assert session.generate("a lake at dusk", seed=2, steps=8, budget=3).plan.sources
    assert (replicas.engine.warm - warm, replicas.engine.shared - shared) == (5, 0)


@pytest.mark.ray
@pytest.mark.skipif(bool(NO_STORE), reason=NO_STORE or "-")
def test_another_replica_finds_the_sources_in_the_store(replicas):
    first, second, process = neighbours(replicas)
    expected = replicas.here()
    for session in (second, expected):
        session.generate("a lake", seed=2, steps=8)
    shared = replicas.engine.shared
    occupied = first.stream("a slow lake", steps=200)
    next(occupied)
    replicas.evaluations.new()
    made = second.generate("a lake at dusk", seed=2, steps=8, budget=3)
    assert {at for at, _ in replicas.evaluations.new()} - {process}, "its own replica was occupied"
    occupied.close()
    assert made.plan.sources
    assert replicas.engine.shared == shared + 1
    assert same(made, expected.generate("a lake at dusk", seed=2, steps=8, budget=3))


@pytest.mark.ray
def test_sources_that_no_replica_has_are_brought(replicas):
    elsewhere, session, expected = replicas.here(), replicas.there(), replicas.here()
    elsewhere.generate("a lake", seed=2, steps=8)
    for each in (session, expected):
        each.adopt(elsewhere.entries()[0])
        assert each.generate("a lake at dusk", seed=2, steps=8, budget=3).plan.sources
    assert same(session.entries()[0].result, expected.entries()[0].result)


@pytest.mark.ray
def test_another_error_in_a_replica_is_named(replicas):
    from trajflow.engine.replicas.messages import EngineError

    with pytest.raises(EngineError, match="A replica failed: RuntimeError"):
        replicas.there().generate("a broken mountain", steps=8)


@pytest.mark.ray
def test_beyond_the_line_who_comes_is_told_a_place(replicas):
    """More than run and may wait, at once; whoever is let in gets a picture."""
    from trajflow.engine.replicas.messages import EngineBusy

    made, refused = [], []

    def ask(number):
        try:
            made.append(replicas.there().generate("a slow forest", seed=number, steps=6))
        except EngineBusy as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) + len(refused) == 24
    assert made
    assert refused
    assert all(f"at place {error.place}." in str(error) and error.place >= 1 for error in refused)


@pytest.mark.ray
@pytest.mark.skipif(bool(NO_STORE), reason=NO_STORE or "-")
def test_without_the_store_it_goes_on_and_says_so_and_shares_again_when_it_is_back(replicas, store_server):
    session, expected = replicas.there(), replicas.here()
    for each in (session, expected):
        each.generate("a lake", seed=9, steps=8)
    store_server.kill()
    try:
        for each in (session, expected):
            each.generate("a lake at noon", seed=9, steps=8, budget=3)
        assert same(session.entries()[0].result, expected.entries()[0].result)
        [note] = replicas.engine.notes()
        assert "does not answer" in note
        assert "do not share" in note
    finally:
        store_server.start()
    time.sleep(1.1)
    session.generate("a lake in the fog", seed=9, steps=8, budget=3)
    assert replicas.engine.notes() == ()


@pytest.mark.ray
def test_what_cannot_be_run_never_reaches_a_replica(replicas):
    assert isinstance(replicas.engine.model, RemoteModel)
    replicas.evaluations.new()
    with pytest.raises(RequestError):
        replicas.there().generate("a mountain", steps=0)
    assert replicas.evaluations.new() == []


@pytest.mark.ray
def test_a_run_whose_replica_is_killed_goes_on_at_another_bit_for_bit(replicas):
    session, expected = replicas.there(), replicas.here()
    for each in (session, expected):
        each.generate("a slow mountain", seed=4, steps=12)
    whole = expected.generate("a slow mountain at dusk", seed=4, steps=12, budget=6)
    replicas.evaluations.new()
    seen = []
    with replicas.evaluations.held():
        for event in session.stream("a slow mountain at dusk", seed=4, steps=12, budget=6):
            seen.append(event)
            if len(seen) == 4:
                [process] = {at for at, _ in replicas.evaluations.all()[-1:]}
                os.kill(process, signal.SIGKILL)
                replicas.evaluations.go_on()
    *steps, made = seen
    assert same(made, whole)
    assert [step.k for step in steps] == list(range(12)), "no step is told twice"
    assert session.entries()[0].trajectory == expected.entries()[0].trajectory
    evaluations = replicas.evaluations.new()
    # The replica may have been ahead of what had arrived.
    assert len({at for at, _ in evaluations}) == 2
    assert len(evaluations) <= made.cost.nfe + 3
    # The cluster notices deaths by its own means, a moment later.
    deadline = time.monotonic() + 20
    while not (notes := replicas.engine.notes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert notes == ("1 of 2 replicas are there.",)
