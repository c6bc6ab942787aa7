"""The store on a server, a real one on the loopback; what every store promises is in test_store.py."""

import subprocess
import sys

import pytest

from trajflow.bench.scale.server import StoreServer, server_program
from trajflow.cache.store import owner_of
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


def test_a_server_that_is_away_is_an_error_and_what_was_kept_is_there_when_it_is_back(tmp_path, monkeypatch):
    """An error at once: no time is waited between two tries."""
    from trajflow.cache.valkey import ValkeyStore

    server = StoreServer(tmp_path)
    store = ValkeyStore(server.url, 2**20)
    try:
        store.put(ONE, "a", b"kept")
        server.kill()
        slept = []
        monkeypatch.setattr("redis.retry.sleep", slept.append)
        for call in (lambda: store.get(ONE, "a"), lambda: store.put(ONE, "b", b""), lambda: store.nbytes):
            with pytest.raises(CacheError, match=r"redis://127\.0\.0\.1:\d+ does not answer"):
                call()
        assert slept == []
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
