"""Replicas without a cluster: the parcels go to them by a call, and they die where a test says."""

import socket
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.engine.scripted import KNOWN, Evaluations, Scripted
from trajflow import Session
from trajflow.base import vocabulary_of
from trajflow.bench.scale.server import StoreServer
from trajflow.cache import FolderStore
from trajflow.cache.store import owner_of
from trajflow.engine import InProcess
from trajflow.engine.replicas import paths
from trajflow.engine.replicas.messages import EngineBusy, EngineError, ReplicaDied
from trajflow.engine.replicas.model import MOST_DEATHS, Answers, ReplicatedModel
from trajflow.engine.replicas.path_cache import PathCache
from trajflow.engine.replicas.replica import Replica
from trajflow.engine.replicas.sharing import Sharing
from trajflow.engine.serialization import pack, unpack
from trajflow.errors import CacheError, RequestError

OWNER = owner_of("somebody")


class Front:
    """Sessions over replicas in this process: calls go to replica `at`, which dies after `dies_after` answers."""

    def __init__(self, replicas):
        self.replicas, self.at, self.dies_after, self.sent, self.notes = replicas, 0, None, [], []
        self.answers = Answers(self._send, self.notes.append)

    def open(self, name="somebody"):
        return Session(ReplicatedModel(self.answers.one("facts"), self.answers, name))

    def _send(self, session, serialization):
        self.sent.append(len(serialization))
        for count, answer in enumerate(self.replicas[self.at].work(serialization)):
            if count == self.dies_after:
                self.at, self.dies_after = (self.at + 1) % len(self.replicas), None
                raise ReplicaDied("A replica has died.")
            yield answer


@pytest.fixture
def make_front(tmp_path):
    def make(stores=(None, None)):
        return Front([Replica(Scripted(tmp_path / "there"), PathCache(store, retry_seconds=0.1)) for store in stores])

    return make


@pytest.fixture
def evaluations(tmp_path):
    return Evaluations(tmp_path / "there")


@pytest.fixture
def store(tmp_path):
    store = FolderStore(tmp_path / "store", 2**24)
    yield store
    store.close()


def first_entry(session):
    entry = session.entries()[0]
    return np.asarray(entry.result.image).tobytes(), entry.result.cost, entry.result.kinds


# One of each way to go about a run: what is evaluated at other states than the path's, and what leaves residuals.
KINDS = ("baseline", "auto", "basis", "resume", "mpc", "multiple-shooting", "tcc", "budcache", "unipc")


@pytest.mark.parametrize("strategy", KINDS)
def test_wherever_a_replica_dies_the_run_is_bit_for_bit_the_same(make_front, evaluations, tmp_path, strategy):
    budget = None if strategy == "baseline" else 4
    expected = Session(Scripted(tmp_path / "here"))
    expected.generate("a mountain", seed=3, steps=8)
    whole = expected.generate("a mountain at dusk", seed=3, steps=8, strategy=strategy, budget=budget)
    front = make_front()
    before = front.open("before")
    before.generate("a mountain", seed=3, steps=8)
    for deadline in (1, 4, 7):
        session = front.open(f"session {deadline}")
        session.adopt(before.entries()[0])
        front.dies_after, spent = deadline, session.spent
        evaluations.new()
        made = session.generate("a mountain at dusk", seed=3, steps=8, strategy=strategy, budget=budget)
        assert front.dies_after is None, "it died"
        assert first_entry(session) == first_entry(expected), deadline
        assert made.cost == whole.cost
        assert (session.spent.waited - spent.waited) == whole.cost, "what was lost with the replica is not counted"


def test_what_had_arrived_is_not_evaluated_again_nor_told_again(make_front, evaluations):
    front = make_front()
    session = front.open()
    # Six evaluations and as many steps are on their way; the 13th answer is lost.
    front.dies_after = 12
    evaluations.new()
    events = list(session.stream("a mountain", seed=3, steps=8))
    assert [event.k for event in events[:-1]] == list(range(8))
    assert [k for _, k in evaluations.new()] == [*range(7), *range(6, 8)], "the seventh was made, and lost"


def test_the_negative_branch_outlives_the_replica_that_made_it(make_front):
    front = make_front()
    session, alone = front.open(), make_front().open()
    front.dies_after = 7
    for each in (session, alone):
        each.generate("a mountain", seed=3, steps=8, guidance=2.0)
    assert front.dies_after is None, "it died"
    [entry], [whole] = session.entries(), alone.entries()
    assert whole.trajectory.negative is not None
    assert entry.trajectory == whole.trajectory


@pytest.mark.parametrize("dies_after", [None, 3])
def test_a_completion_that_is_stopped_keeps_what_had_arrived_and_asks_for_nothing(make_front, evaluations, dies_after):
    front = make_front()
    session = front.open()
    session.generate("a mountain", seed=3, steps=8, budget=4)
    evaluations.new()
    front.dies_after = dies_after
    completion = session.complete()
    assert [next(completion).k for _ in range(5)] == list(range(5))
    sent = len(front.sent)
    completion.close()
    assert len(front.sent) == sent
    assert session.entries()[0].prefix.shape[0] == 5
    *_, result = session.complete()
    assert [k for _, k in evaluations.new()] == list(range(8))
    exact = front.open("another")
    exact.generate("a mountain", seed=3, steps=8, strategy="baseline")
    assert result.baseline.tobytes() == exact.entries()[0].result.image.tobytes()


def test_a_run_that_kills_every_replica_is_given_up(make_front):
    front = make_front()
    session = front.open()
    send, front._send = front._send, None

    def deadly(name, serialization):
        front.dies_after = 2
        yield from send(name, serialization)

    front.answers._send = deadly
    with pytest.raises(EngineError, match=f"{MOST_DEATHS} replicas died"):
        session.generate("a mountain", seed=3, steps=8)
    assert session.entries() == ()


def test_the_words_of_the_model_are_asked_once(make_front):
    front = make_front()
    sessions = [front.open(name) for name in ("one", "other")]
    asked = len(front.sent)
    assert asked == 1
    assert all(vocabulary_of(session.model) == KNOWN for session in sessions)
    assert len(front.sent) == asked


def test_what_evaluates_one_row_here_does_so_there(make_front, tmp_path):
    """A model that is wrapped, as replicas and engines do, still answers for the prompt's branch alone."""
    front = make_front()
    there, here = front.open(), Session(InProcess(Scripted(tmp_path / "here")).open())
    for session in (there, here):
        session.generate("a mountain", seed=3, steps=8, guidance=2.0)
        made = session.generate("a mountain at dusk", seed=3, steps=8, guidance=2.0, budget=3)
        assert (made.cost.nfe, made.cost.rows) == (3, 5)


def test_sources_travel_once_and_only_where_nobody_has_them(make_front, store):
    front = make_front((store, store))
    session, sizes = front.open(), []
    session.generate("a mountain", seed=3, steps=8)
    for at, prompt in enumerate(("a mountain at dusk", "a mountain at noon")):
        front.at, before = at, len(front.sent)
        session.generate(prompt, seed=3, steps=8, budget=3, strategy="difference")
        sizes.append(front.sent[before:])
    assert [len(each) for each in sizes] == [1, 1], "the other replica found its source in the store"
    assert [(note.warm, note.shared) for note in front.notes] == [(0, 0), (1, 0), (0, 1)]
    alone = make_front()
    session = alone.open()
    session.generate("a mountain", seed=3, steps=8)
    alone.at, before = 1, len(alone.sent)
    session.generate("a mountain at dusk", seed=3, steps=8, budget=3, strategy="difference")
    without, brought = alone.sent[before:]
    assert brought > without + 8 * 3 * 8 * 8 * 4


def test_no_session_finds_what_another_has_shared(make_front, store):
    front = make_front((store, store))
    mine, yours = front.open("mine"), front.open("yours")
    mine.generate("a mountain", seed=3, steps=8)
    yours.adopt(mine.entries()[0])
    name = paths.digest(mine.entries()[0].trajectory)
    path_cache = PathCache(store)
    assert path_cache.shared(owner_of("mine"), name) is not None
    assert path_cache.warm(owner_of("yours"), name) is None
    assert path_cache.shared(owner_of("yours"), name) is None


def make_path(prompt="a mountain", seed=0, steps=4):
    session = Session(Scripted("/dev/null"))
    session.generate(prompt, seed=seed, steps=steps)
    return session.entries()[0].trajectory


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_path_comes_back_bit_for_bit_and_under_its_own_name_only(dtype):
    from dataclasses import replace

    path = make_path()
    path = replace(path, noise=path.noise.to(dtype), velocities=path.velocities.to(dtype))
    name, document = paths.digest(path), paths.write(path)
    assert paths.read(document, name) == path
    assert paths.digest(paths.read(document, name)) == name
    with pytest.raises(CacheError, match="not the one"):
        paths.read(document, paths.digest(make_path(seed=1)))
    for damaged in (b"", document[:100], document[:-1], document[:9] + b"x" + document[10:]):
        with pytest.raises(CacheError):
            paths.read(damaged, name)
    flipped = bytearray(document)
    flipped[-1] ^= 1
    with pytest.raises(CacheError, match="not the one"):
        paths.read(bytes(flipped), name)


def test_a_path_leaves_its_device_with_all_its_tensors():
    from dataclasses import replace

    path = make_path()
    away = paths.moved(replace(path, negative=path.velocities[0]), torch.device("meta"))
    tensors = (*vars(away.schedule).values(), away.noise, away.velocities, away.negative)
    assert {each.device.type for each in tensors if isinstance(each, torch.Tensor)} == {"meta"}


def test_a_cache_of_paths_keeps_to_its_bytes_and_finds_again_in_the_store_what_it_let_go(store):
    held = [make_path(seed=seed) for seed in range(3)]
    names = [paths.digest(path) for path in held]
    path_cache = PathCache(store, capacity=2 * held[0].nbytes)
    for name, path in zip(names, held, strict=True):
        path_cache.keep(OWNER, name, path)
    assert [path_cache.warm(OWNER, name) is None for name in names] == [True, False, False]
    assert path_cache.shared(OWNER, names[0]) == held[0]
    assert path_cache.warm(OWNER, names[1]) is None, "the oldest made room"
    path_cache.make_room()
    assert [path_cache.warm(OWNER, name) for name in names] == [None] * 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_outage_is_said_once_and_what_was_not_shared_is_shared_afterwards(tmp_path, caplog):
    pytest.importorskip("redis", reason="the extra `store` is not installed")
    from trajflow.bench.scale.server import server_program

    if server_program() is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    server = StoreServer(tmp_path)
    try:
        store = Sharing(server.url, 2**24).open()
        path_cache = PathCache(store, retry_seconds=0.2)
        held = [make_path(seed=seed) for seed in range(3)]
        names = [paths.digest(path) for path in held]
        path_cache.keep(OWNER, names[0], held[0])
        assert path_cache.note == ""
        server.kill()
        for name, path in zip(names[1:], held[1:], strict=True):
            path_cache.keep(OWNER, name, path)
            assert path_cache.warm(OWNER, name) == path
        assert "do not share" in path_cache.note
        assert caplog.text.count("Runs are not shared until it does") == 1
        server.start()
        time.sleep(0.25)
        path_cache.keep(OWNER, names[0], held[0])
        assert path_cache.note == ""
        assert "shared" in caplog.messages[-1]
        assert set(store.keys(OWNER)) == set(names), "what was made meanwhile is there, too"
        store.close()
    finally:
        server.kill()


@pytest.mark.parametrize("url", ["", "shared", "file:shared", "file://host/shared", "http://host", "s3://bucket"])
def test_an_address_that_no_store_has_is_refused(url):
    with pytest.raises(RequestError, match="Give file:///FOLDER"):
        Sharing(url, 100)


def test_a_folder_serves_one_machine(tmp_path):
    sharing = Sharing(f"file://{tmp_path}", 2**20)
    sharing.check(1)
    with pytest.raises(RequestError, match=r"serves one machine, and this cluster has 3.*--store redis://"):
        sharing.check(3)
    Sharing("redis://host", 2**20).check(3)
    (tmp_path / "taken").write_text("")
    with pytest.raises(CacheError, match="Choose another folder"):
        Sharing(f"file://{tmp_path / 'taken'}", 2**20).check(1)
    sharing.open().close()
    with pytest.raises(CacheError, match="another machine"):
        Sharing(f"file://{tmp_path}", 2**20, machine="another").open()


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_machine_that_is_too_slow_for_ray_is_told_in_a_sentence(monkeypatch):
    """Ray gives up on its own processes after 30 seconds, and raises nothing more particular than Exception."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from trajflow.engine.replicas import cluster

    def init(**options):
        raise Exception("The current node timed out during startup. This could happen because\nmore")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(EngineError, match=r"^Ray does not start on this machine: The current node timed out.*because$"):
        cluster.start("tiny", 2)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_why_no_cluster_and_no_replica_is_there_is_told_in_a_sentence():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from trajflow.engine.replicas import cluster

    began = time.monotonic()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EngineError, match=r"There is no cluster to join at 127.*refused"):
            cluster.start("tiny", 2, address=address)
    assert time.monotonic() - began < 10
    told = "It failed.\nTraceback:\n  File ...\ntrajflow.errors.ModelError: 'nothing' is no model: see the list.\n\n"
    assert cluster.said_last(told) == "'nothing' is no model: see the list."
    assert cluster.said_last("Deploying failed.\nValueError: no") == "ValueError: no"
    assert cluster.said_last("\n")


def test_an_error_travels_as_itself(mixture):
    back = unpack(pack(EngineBusy(7), mixture), mixture, torch.device("cpu"))
    assert (type(back), back.place, str(back)) == (EngineBusy, 7, str(EngineBusy(7)))


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("is_there", "ended"), [(True, ["Serve", "Ray"]), (False, ["Ray"])], ids=["slow", "gone"])
def test_a_cluster_that_is_there_is_not_shut_down_under_serve(monkeypatch, is_there, ended):
    """A call of Serve's that meets a Ray that was shut down ends the process; a cluster that is gone keeps nobody."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from trajflow.engine.replicas import cluster

    order, release = [], threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    if not is_there:
        listening.close()

    def end_slowly():
        release.wait(1.0 if is_there else 60)
        order.append("Serve")

    monkeypatch.setattr(cluster, "ENDING", 0.1)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address=address))
    monkeypatch.setattr(ray.serve, "shutdown", end_slowly)
    monkeypatch.setattr(ray, "shutdown", lambda: order.append("Ray"))
    cluster._shut_down()
    assert order == ended
    release.set()
    listening.close()
