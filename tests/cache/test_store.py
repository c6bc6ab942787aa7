import pytest
import torch

from trajflow.cache import MemoryStore, Store
from trajflow.errors import CacheError

SIZE = 7_424


def test_an_entry_counts_its_trajectory_picture_and_vector(make_entry):
    assert make_entry().nbytes == (1 + 4) * 4 * 8 * 8 * 4 + 16 * 16 * 3 + 384 * 4 == SIZE
    assert make_entry(has_trajectory=False).nbytes == SIZE - 5_120


def test_what_comes_out_is_what_went_in(make_entry):
    store: Store = MemoryStore(10 * SIZE)
    entry = make_entry()
    before = entry.trajectory.velocities.clone()
    assert store.put(entry) == ()
    held = store.get(entry.key)
    assert held is entry
    assert torch.equal(held.trajectory.velocities, before)
    assert store.get("missing") is None
    assert store.peek("missing") is None


def test_the_least_recently_used_go_first(make_entry):
    store = MemoryStore(3 * SIZE)
    for key in "abc":
        store.put(make_entry(key=key))
    store.get("a")
    store.peek("b")
    assert store.put(make_entry(key="d")) == ("b",)
    assert store.put(make_entry(key="e")) == ("c",)
    assert [key for key in "abcde" if store.peek(key)] == ["a", "d", "e"]


def test_bytes_never_pass_the_capacity(make_entry):
    store = MemoryStore(3 * SIZE + 100)
    for number in range(20):
        store.put(make_entry(has_trajectory=number % 3 > 0))
        assert 0 < store.nbytes <= store.capacity


def test_several_small_entries_go_for_a_large_one(make_entry):
    store = MemoryStore(SIZE + 100)
    small = [make_entry(has_trajectory=False) for _ in range(3)]
    for entry in small:
        store.put(entry)
    assert store.put(make_entry()) == tuple(entry.key for entry in small)
    assert store.nbytes == SIZE


def test_an_entry_larger_than_the_store_is_refused_and_nothing_is_lost(make_entry):
    store = MemoryStore(SIZE - 1)
    kept = make_entry(key="kept", has_trajectory=False)
    store.put(kept)
    with pytest.raises(CacheError, match=r"7,424 bytes does not fit into a store of 7,423 bytes"):
        store.put(make_entry(key="kept"))
    assert store.get("kept") is kept
    assert store.nbytes == kept.nbytes


def test_a_key_put_again_is_replaced(make_entry):
    store = MemoryStore(2 * SIZE)
    store.put(make_entry(key="a"))
    store.put(make_entry(key="b"))
    renewed = make_entry(key="a")
    assert store.put(renewed) == ()
    assert store.get("a") is renewed
    assert store.nbytes == 2 * SIZE


def test_deleting_gives_the_bytes_back_and_may_be_repeated(make_entry):
    store = MemoryStore(2 * SIZE)
    store.put(make_entry(key="a"))
    store.delete("a")
    store.delete("a")
    assert (store.nbytes, store.get("a")) == (0, None)
