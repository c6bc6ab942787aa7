import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from trajflow.cache import MemoryStore, PromptIndex, TrajectoryCache, differences
from trajflow.errors import CacheError

SIZE = 7_424


def unit(*leading: float) -> np.ndarray:
    vector = np.zeros(384, np.float32)
    vector[: len(leading)] = leading
    return vector / np.linalg.norm(vector)


def cache_of(entries: float = 100) -> TrajectoryCache:
    return TrajectoryCache(MemoryStore(int(entries * SIZE)), PromptIndex())


@pytest.fixture
def digest(make_entry) -> str:
    return make_entry().cache_key.digest()


def assert_consistent(cache: TrajectoryCache, store: MemoryStore, index: PromptIndex, keys: list[str]) -> None:
    held = {entry.key for entry in cache.entries()}
    assert held == {key for key in keys if store.peek(key)} == {key for key in keys if key in index}
    assert len(cache) == len(index) == len(held)
    assert cache.nbytes == sum(entry.nbytes for entry in cache.entries()) <= cache.capacity


def test_a_true_run_answers_every_strategy(make_entry, digest):
    cache = cache_of()
    entry = make_entry("a mountain", strategy="baseline")
    cache.insert(entry)
    assert cache.exact(digest, "  a mountain\n", "basis", 5) is entry
    assert cache.exact(digest, "A mountain", "basis", 5) is None
    assert cache.exact("another fingerprint", "a mountain", "basis", 5) is None


@pytest.mark.parametrize("has_trajectory", [True, False])
def test_a_coasted_run_answers_only_the_same_question(make_entry, digest, has_trajectory):
    cache = cache_of()
    entry = make_entry("a mountain", computed=2, has_trajectory=has_trajectory, strategy="basis", budget=2)
    cache.insert(entry)
    assert cache.exact(digest, "a mountain", "basis", 2) is entry
    assert cache.exact(digest, "a mountain", "basis", 3) is None
    assert cache.exact(digest, "a mountain", "basis", None) is None
    assert cache.exact(digest, "a mountain", "auto", 2) is None


def test_a_picture_of_fewer_computed_steps_is_not_the_baseline(make_entry, digest):
    cache = cache_of()
    cache.insert(make_entry("a mountain", has_trajectory=False, strategy="fewer-steps", budget=4))
    assert cache.exact(digest, "a mountain", "baseline", None) is None


def test_true_is_preferred_and_then_the_newest(make_entry, digest):
    cache = cache_of()
    older, newer = (make_entry("a mountain", key=key, strategy="baseline") for key in ("older", "newer"))
    coasted = [make_entry("a mountain", computed=2, strategy="basis", budget=2) for _ in range(2)]
    for entry in coasted:
        cache.insert(entry)
    assert cache.exact(digest, "a mountain", "basis", 2) is coasted[1]
    for entry in (older, newer, make_entry("a mountain", computed=2, strategy="basis", budget=2)):
        cache.insert(entry)
    assert cache.exact(digest, "a mountain", "basis", 2) is newer


def test_candidates_are_compatible_trajectories_best_first(make_entry, digest):
    cache = cache_of()
    far, near, exact = unit(1, 3), unit(3, 1), unit(1, 0)
    cache.insert(make_entry("far", key="far", vector=far))
    cache.insert(make_entry("near", key="near", vector=near, computed=2))
    cache.insert(make_entry("other seed", seed=1, vector=exact))
    cache.insert(make_entry("picture only", vector=exact, has_trajectory=False))
    found = cache.candidates(digest, exact, 5)
    assert [entry.key for entry, _ in found] == ["near", "far"]
    assert [similarity for _, similarity in found] == pytest.approx([3 / 10**0.5, 1 / 10**0.5], abs=1e-6)
    assert [entry.key for entry, _ in cache.candidates(digest, exact, 1)] == ["near"]
    assert cache.candidates("another fingerprint", exact, 5) == []
    assert cache_of().candidates(digest, exact, 5) == []


def test_a_prompt_is_a_candidate_once_by_its_best_run(make_entry, digest):
    cache = cache_of()
    vector = unit(1)
    for key, computed in (("two", 2), ("three", 3), ("true", 4), ("three again", 3)):
        cache.insert(make_entry("a mountain ", key=key, vector=vector, computed=computed))
    assert [entry.key for entry, _ in cache.candidates(digest, vector, 5)] == ["true"]
    cache.forget("true")
    assert [entry.key for entry, _ in cache.candidates(digest, vector, 5)] == ["three again"]


def test_index_and_store_agree_through_evictions(make_entry, digest):
    store, index = MemoryStore(int(3.5 * SIZE)), PromptIndex()
    cache = TrajectoryCache(store, index)
    draw, keys = random.Random(0), []
    for _ in range(60):
        entry = make_entry(f"prompt {draw.randrange(8)}", has_trajectory=draw.random() < 0.7)
        keys.append(entry.key)
        evicted = cache.insert(entry)
        assert entry.key not in evicted
        assert all(cache.get(key) is None for key in evicted)
        assert_consistent(cache, store, index, keys)
        cache.get(draw.choice(keys))
        if draw.random() < 0.2:
            cache.forget(draw.choice(keys))
            assert_consistent(cache, store, index, keys)
        for found, _ in cache.candidates(digest, unit(1), 10):
            assert found.key in index
    cache.clear()
    assert (len(cache), cache.nbytes, len(index), cache.entries(), cache.latest()) == (0, 0, 0, [], None)


def test_a_hit_is_a_use_and_looking_is_not(make_entry, digest):
    cache = cache_of(3)
    for key in "abc":
        cache.insert(make_entry(f"prompt {key}", key=key))
    cache.exact(digest, "prompt a", "auto", None)
    cache.entries()
    cache.candidates(digest, unit(1), 3)
    assert cache.insert(make_entry("prompt d", key="d")) == ("b",)
    cache.get("c")
    assert cache.insert(make_entry("prompt e", key="e")) == ("a",)


def test_a_refused_entry_changes_nothing(make_entry):
    store, index = MemoryStore(SIZE - 1), PromptIndex()
    cache = TrajectoryCache(store, index)
    cache.insert(make_entry(key="a", has_trajectory=False))
    with pytest.raises(CacheError, match="does not fit"):
        cache.insert(make_entry(key="a"))
    assert_consistent(cache, store, index, ["a"])
    assert cache.latest().trajectory is None


def test_completing_a_run_replaces_it_under_its_key(make_entry, digest):
    store, index = MemoryStore(2 * SIZE), PromptIndex()
    cache = TrajectoryCache(store, index)
    cache.insert(make_entry("a mountain", key="a", computed=2, vector=unit(1)))
    cache.insert(make_entry("a lake", key="b"))
    completed = make_entry("a mountain", key="a", vector=unit(1))
    assert cache.insert(completed) == ()
    assert cache.candidates(digest, unit(1), 1)[0][0] is completed
    assert [entry.key for entry in cache.entries()] == ["a", "b"]
    assert_consistent(cache, store, index, ["a", "b"])


def test_the_latest_says_what_a_changed_setting_leaves_behind(make_entry):
    cache = cache_of()
    cache.insert(make_entry("old"))
    entry = make_entry("new", seed=7)
    cache.insert(entry)
    assert cache.latest() is entry
    assert [held.prompt for held in cache.entries()] == ["new", "old"]
    assert differences(cache.latest().cache_key, replace(entry.cache_key, seed=8)) == ("seed (7 -> 8)",)


def test_two_caches_never_share(make_entry, digest):
    mine, yours = cache_of(), cache_of()
    entry = make_entry("a secret prompt", vector=unit(1))
    mine.insert(entry)
    assert yours.get(entry.key) is None
    assert yours.exact(digest, "a secret prompt", "auto", None) is None
    assert yours.candidates(digest, unit(1), 10) == []
    assert yours.entries() == []
    yours.clear()
    assert mine.get(entry.key) is entry


def test_many_threads_leave_it_consistent(make_entry, digest):
    store, index = MemoryStore(5 * SIZE), PromptIndex()
    cache = TrajectoryCache(store, index)
    entries = [make_entry(f"prompt {number % 10}") for number in range(80)]

    def use(entry) -> None:
        cache.insert(entry)
        cache.exact(digest, entry.prompt, "auto", None)
        cache.candidates(digest, entry.vector, 3)
        cache.forget(entry.key) if entry.prompt.endswith("3") else cache.entries()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, entries))
    assert_consistent(cache, store, index, [entry.key for entry in entries])
