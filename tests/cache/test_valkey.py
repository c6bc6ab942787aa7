"""The store on a server, against a real one of its own on the loopback."""

import subprocess
import sys
import time

import pytest

from trajflow.bench.scale.server import StoreServer, server_program
from trajflow.cache.store import Store, owner_of
from trajflow.errors import CacheError, MissingExtra
from trajflow.extras import missing

pytestmark = [
    pytest.mark.skipif(server_program() is None, reason="neither valkey-server nor redis-server is installed"),
    pytest.mark.skipif(bool(missing("store")), reason="the extra `store` is not installed"),
]
ONE, OTHER = owner_of("one"), owner_of("other")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    server = StoreServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.kill()


@pytest.fixture
def server(shared_server):
    import redis

    with redis.Redis.from_url(shared_server.url) as connection:
        connection.flushall()
    return shared_server


@pytest.fixture
def open_store(server):
    """Makes stores on the server, of a capacity in bytes."""
    from trajflow.cache.valkey import ValkeyStore

    opened = []

    def make(capacity=2**20):
        opened.append(ValkeyStore(server.url, capacity))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def test_documents_come_back_as_they_were_put(open_store):
    store, other = open_store(), open_store()
    assert isinstance(store, Store)
    document = bytes(range(256)) * 100
    store.put(ONE, "a", document)
    store.put(ONE, "b", b"")
    assert other.get(ONE, "a") == document
    assert other.get(ONE, "b") == b""
    assert sorted(other.keys(ONE)) == ["a", "b"]
    store.put(ONE, "a", b"new")
    assert other.get(ONE, "a") == b"new"


def test_no_owner_is_given_anothers_documents(open_store):
    store = open_store()
    store.put(ONE, "a", b"mine")
    assert store.get(OTHER, "a") is None
    assert store.keys(OTHER) == ()
    store.drop(OTHER)
    store.delete(OTHER, "a")
    assert store.get(ONE, "a") == b"mine"


def test_what_is_removed_is_gone_and_its_bytes_too(open_store):
    store = open_store()
    for owner in (ONE, OTHER):
        for key in "abc":
            store.put(owner, key, b"x" * 100)
    full = store.nbytes
    store.delete(ONE, "a")
    store.delete(ONE, "a")
    store.drop(OTHER)
    assert sorted(store.keys(ONE)) == ["b", "c"]
    assert store.keys(OTHER) == ()
    assert store.nbytes == full // 3
    store.drop(ONE)
    assert store.nbytes == 0


def test_the_least_recently_used_documents_of_the_least_recently_used_owners_give_way(open_store):
    store = open_store(capacity=500)
    for owner, key in ((ONE, "a"), (ONE, "b"), (OTHER, "c"), (OTHER, "d"), (OTHER, "e")):
        store.put(owner, key, b"x" * 100)
    store.get(ONE, "a")
    store.put(ONE, "f", b"x" * 100)
    assert sorted(store.keys(OTHER)) == ["d", "e"], "the other was used before this one, and c first of its"
    store.put(ONE, "g", b"x" * 300)
    assert store.keys(OTHER) == ()
    assert store.nbytes <= store.capacity
    assert sorted(store.keys(ONE)) == ["a", "f", "g"], "b was used before a"
    with pytest.raises(CacheError, match="does not fit"):
        store.put(ONE, "h", b"x" * 1000)
    assert sorted(store.keys(ONE)) == ["a", "f", "g"]


def test_a_damaged_document_is_none(server, open_store, caplog):
    import redis

    store = open_store()
    store.put(ONE, "a", b"x" * 100)
    with redis.Redis.from_url(server.url) as connection:
        [hash_name] = connection.keys("trajflow:documents:*")
        value = bytearray(connection.hget(hash_name, "a"))
        value[50] ^= 1
        connection.hset(hash_name, "a", bytes(value))
    assert store.get(ONE, "a") is None
    assert "not what was put" in caplog.text


def test_names_are_checked_before_the_server_is_asked(open_store):
    store = open_store()
    for owner, key in (("one", "a"), (ONE, "a b"), (ONE, "../a"), (ONE, "")):
        with pytest.raises(CacheError, match="hexadecimal"):
            store.get(owner, key)


WRITE_MANY = """
import sys
from trajflow.cache.store import owner_of
from trajflow.cache.valkey import ValkeyStore

store = ValkeyStore(sys.argv[1], 20_000)
for key in range(100):
    store.put(owner_of(("one", "other")[key % 2]), f"{sys.argv[2]}-{key}", b"x" * 200)
"""


@pytest.mark.slow
def test_several_processes_keep_count(server, open_store):
    command = (sys.executable, "-c", WRITE_MANY, server.url)
    for process in [subprocess.Popen([*command, str(number)]) for number in range(2)]:
        assert process.wait(120) == 0
    store = open_store()
    held = sum(len(store.get(owner, key)) for owner in (ONE, OTHER) for key in store.keys(owner))
    assert 19_000 < store.nbytes == held <= 20_000


def test_a_server_that_is_away_is_an_error_and_what_was_kept_is_there_when_it_is_back(tmp_path):
    from trajflow.cache.valkey import ValkeyStore

    server = StoreServer(tmp_path)
    store = ValkeyStore(server.url, 2**20)
    try:
        store.put(ONE, "a", b"kept")
        server.kill()
        began = time.monotonic()
        for call in (lambda: store.get(ONE, "a"), lambda: store.put(ONE, "b", b""), lambda: store.nbytes):
            with pytest.raises(CacheError, match=r"redis://127\.0\.0\.1:\d+ does not answer"):
                call()
        assert time.monotonic() - began < 3
        server.start()
        assert store.get(ONE, "a") == b"kept"
    finally:
        store.close()
        server.kill()


@pytest.mark.parametrize("url", ["http://x", "redis://", "redis://x:y"])
def test_an_address_that_cannot_be_is_refused(url):
    from trajflow.cache.valkey import ValkeyStore

    with pytest.raises(CacheError, match="not the address of a store"):
        ValkeyStore(url, 100)


def test_a_password_is_not_told(tmp_path):
    from trajflow.cache.valkey import ValkeyStore

    store = ValkeyStore("valkey://user:secret@127.0.0.1:1", 100)
    with pytest.raises(CacheError) as raised:
        store.get(ONE, "a")
    assert "secret" not in str(raised.value)


def test_without_the_extra_it_says_so(monkeypatch):
    from trajflow.cache.valkey import ValkeyStore

    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtra, match=r'pip install "trajflow\[store\]"'):
        ValkeyStore("redis://127.0.0.1", 100)
