"""Writing behind: nobody waits, what was replaced meanwhile is never written, and what waits is written at the end."""

import threading
import time

import pytest

from trajflow.cache import FolderStore, WriteBehind
from trajflow.cache.store import owner_of
from trajflow.errors import CacheError

OWNER = owner_of("mine")


class SlowFolder(FolderStore):
    """A folder on a disk that does nothing until it is told to go on, and notes what it was asked."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.asked, self.goes_on = [], threading.Event()

    def put(self, owner, key, document) -> None:
        self.asked.append((key, document))
        assert self.goes_on.wait(30)
        super().put(owner, key, document)

    def delete(self, owner, key) -> None:
        self.asked.append((key, None))
        assert self.goes_on.wait(30)
        super().delete(owner, key)

    def has_begun(self) -> None:
        while not self.asked:
            time.sleep(0.001)


@pytest.fixture
def slow(tmp_path) -> SlowFolder:
    return SlowFolder(tmp_path)


@pytest.fixture
def store(slow):
    store = WriteBehind(slow, most_bytes=10_000)
    yield store
    store.close()


def on_disk(slow) -> dict[str, bytes | None]:
    there = FolderStore(slow.folder)
    return {key: there.get(OWNER, key) for key in there.keys(OWNER)}


def go_on(slow, store) -> None:
    slow.goes_on.set()
    assert store.flush(30)


def test_nobody_waits_for_a_slow_disk_and_everything_is_seen_at_once(slow, store) -> None:
    store.put(OWNER, "a", b"1")
    store.put(OWNER, "b", b"2")
    assert (store.get(OWNER, "a"), store.get(OWNER, "b"), set(store.keys(OWNER))) == (b"1", b"2", {"a", "b"})
    assert on_disk(slow) == {}
    go_on(slow, store)
    assert on_disk(slow) == {"a": b"1", "b": b"2"}


def test_what_is_replaced_or_deleted_meanwhile_is_never_written(slow, store) -> None:
    store.put(OWNER, "first", b"")
    slow.has_begun()
    for number in range(50):
        store.put(OWNER, "draft", bytes([number]))
        store.put(OWNER, "gone", bytes(number))
    store.delete(OWNER, "gone")
    assert store.get(OWNER, "gone") is None
    go_on(slow, store)
    assert slow.asked == [("first", b""), ("draft", bytes([49])), ("gone", None)]


def test_what_is_put_while_its_former_is_being_written_is_written_too(slow, store) -> None:
    store.put(OWNER, "a", b"1")
    slow.has_begun()
    store.put(OWNER, "a", b"2")
    assert store.get(OWNER, "a") == b"2"
    go_on(slow, store)
    assert (slow.asked, on_disk(slow)) == ([("a", b"1"), ("a", b"2")], {"a": b"2"})


def test_what_is_forgotten_while_it_is_being_written_is_gone(slow, store) -> None:
    store.put(OWNER, "a", b"1")
    slow.has_begun()
    store.drop(OWNER)
    assert store.keys(OWNER) == ()
    go_on(slow, store)
    assert on_disk(slow) == {}


def test_closing_writes_what_waits_and_nothing_is_taken_afterwards(slow, store, monkeypatch) -> None:
    monkeypatch.setattr("trajflow.cache.write_behind.CLOSING_SECONDS", 120.0)
    slow.goes_on.set()
    for number in range(20):
        store.put(OWNER, f"key-{number}", b"1")
    store.close()
    assert len(on_disk(slow)) == 20
    with pytest.raises(CacheError, match="closed"):
        store.put(OWNER, "late", b"1")


def test_beyond_its_bytes_whoever_puts_waits(slow, store) -> None:
    store.put(OWNER, "a", bytes(8_000))
    late = threading.Thread(target=store.put, args=(OWNER, "b", bytes(8_000)))
    late.start()
    late.join(0.2)
    assert late.is_alive()
    go_on(slow, store)
    late.join(30)
    assert not late.is_alive()
    assert store.flush(30)
    assert store.nbytes == 16_000


def test_a_failure_is_told_to_whoever_puts_next_and_all_is_tried(tmp_path) -> None:
    store = WriteBehind(FolderStore(tmp_path, capacity=100))
    store.put(OWNER, "large", bytes(101))
    assert store.flush(30)
    with pytest.raises(CacheError, match="do not fit"):
        store.put(OWNER, "small", b"1")
    assert store.flush(30)
    assert store.keys(OWNER) == ("small",)
    store.put(OWNER, "next", b"2")
    store.close()
