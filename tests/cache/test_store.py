"""What every store promises, held over all of them."""

import random
import threading
from collections.abc import Iterator

import pytest

from trajflow.bench.scale.server import StoreServer, server_program
from trajflow.cache import FolderStore, Store, WriteBehind
from trajflow.cache.store import owner_of
from trajflow.cache.valkey import ValkeyStore
from trajflow.errors import CacheError
from trajflow.extras import missing

MINE, YOURS = owner_of("mine"), owner_of("yours")
KEY = "0" * 32


def flush(store) -> None:
    """Let a store that writes behind do so."""
    if isinstance(store, WriteBehind):
        assert store.flush(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[StoreServer]:
    if server_program() is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    if missing("store"):
        pytest.skip("the extra `store` is not installed")
    server = StoreServer(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture(params=["folder", "behind", "server"])
def store(request, tmp_path) -> Iterator[Store]:
    """An empty store of 100,000 bytes."""
    store: Store
    if request.param == "server":
        store = ValkeyStore(request.getfixturevalue("server").url, capacity=100_000)
    else:
        store = FolderStore(tmp_path / "state", capacity=100_000)
    if request.param == "behind":
        store = WriteBehind(store)
    yield store
    for owner in (MINE, YOURS):
        store.drop(owner)
    store.close()


def test_it_is_a_store(store) -> None:
    assert isinstance(store, Store)


def test_what_comes_out_is_what_was_put_last(store) -> None:
    assert store.get(MINE, KEY) is None
    for document in (b"one", b"", bytes(range(256)) * 20, b"one"):
        store.put(MINE, KEY, document)
        assert store.get(MINE, KEY) == document
        assert store.keys(MINE) == (KEY,)
        flush(store)
        assert store.nbytes == len(document)


def test_nobody_finds_the_documents_of_others(store) -> None:
    store.put(MINE, KEY, b"a secret")
    store.put(YOURS, KEY, b"another")
    assert (store.get(MINE, KEY), store.get(YOURS, KEY)) == (b"a secret", b"another")
    assert store.keys(owner_of("a third")) == ()
    store.drop(YOURS)
    assert (store.get(MINE, KEY), store.get(YOURS, KEY)) == (b"a secret", None)


def test_what_is_deleted_is_gone(store) -> None:
    for key in "ab":
        store.put(MINE, key, b"12345")
    store.delete(MINE, "a")
    store.delete(MINE, "never-there")
    assert (store.get(MINE, "a"), store.keys(MINE)) == (None, ("b",))
    flush(store)
    assert store.nbytes == 5
    store.drop(MINE)
    assert store.keys(MINE) == ()
    flush(store)
    assert store.nbytes == 0


@pytest.mark.parametrize(
    ("owner", "key"), [("me", KEY), ("../" * 21 + "x", KEY), (MINE, ""), (MINE, "../a"), (MINE, "a" * 65), (MINE, "Ä")]
)
def test_names_that_cannot_be_are_refused(store, owner, key) -> None:
    for call in (lambda: store.put(owner, key, b""), lambda: store.get(owner, key), lambda: store.delete(owner, key)):
        with pytest.raises(CacheError, match="64 hexadecimal digits"):
            call()


def test_what_does_not_fit_is_refused_and_the_former_stays(store) -> None:
    store.put(MINE, KEY, b"former")
    flush(store)

    def put_too_much() -> None:
        store.put(MINE, KEY, bytes(100_001))
        flush(store)
        store.put(MINE, "another", b"who puts next is told")

    with pytest.raises(CacheError, match="do not fit"):
        put_too_much()
    flush(store)
    assert store.get(MINE, KEY) == b"former"


def test_the_least_recently_used_give_way(store) -> None:
    for number in range(4):
        store.put(MINE, f"mine-{number}", bytes(20_000))
    store.put(YOURS, "yours", bytes(20_000))
    flush(store)
    store.get(MINE, "mine-0")
    store.put(MINE, "mine-4", bytes(40_000))
    flush(store)
    # Mine were used after yours; of mine, the first one last.
    assert (store.keys(YOURS), store.nbytes) == ((), 100_000)
    assert set(store.keys(MINE)) == {"mine-0", "mine-2", "mine-3", "mine-4"}


def test_random_use_agrees_with_a_dictionary(store) -> None:
    draw, known = random.Random(0), {}
    for _ in range(300):
        owner, key = draw.choice((MINE, YOURS)), f"key-{draw.randrange(6)}"
        if draw.random() < 0.5:
            known[owner, key] = draw.randbytes(draw.randrange(200))
            store.put(owner, key, known[owner, key])
        elif draw.random() < 0.3:
            store.delete(owner, key)
            known.pop((owner, key), None)
        assert store.get(owner, key) == known.get((owner, key))
    flush(store)
    assert store.nbytes == sum(map(len, known.values()))


def test_many_threads_read_only_whole_documents(store) -> None:
    documents = [bytes([number]) * 5_000 for number in range(8)]
    wrong = []

    def use(number: int) -> None:
        draw = random.Random(number)
        for _ in range(20):
            store.put(MINE, f"key-{draw.randrange(3)}", draw.choice(documents))
            if store.get(MINE, f"key-{draw.randrange(3)}") not in (*documents, None):
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(store.keys(MINE)) == 3
