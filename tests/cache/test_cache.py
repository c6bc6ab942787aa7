import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from trajflow.cache import CacheKey, Memory, TrajectoryCache, differences
from trajflow.cache.similarity import weigh
from trajflow.errors import CacheError

SIZE = 7_424


def unit(*leading: float) -> np.ndarray:
    vector = np.zeros(384, np.float32)
    vector[: len(leading)] = leading
    return vector / np.linalg.norm(vector)


def cache_of(entries: float = 100) -> TrajectoryCache:
    return TrajectoryCache([Memory("memory", int(entries * SIZE))])


def keys(cache: TrajectoryCache) -> list[str]:
    return [entry.key for entry in cache.entries()]


def candidates(cache: TrajectoryCache, cache_key: CacheKey, vector: np.ndarray) -> list[str]:
    return [entry.key for entry, _ in cache.candidates(cache_key, vector, 100)]


@pytest.fixture
def cache_key(make_entry) -> CacheKey:
    return make_entry().cache_key


@pytest.fixture
def digest(cache_key) -> str:
    return cache_key.digest()


def assert_consistent(cache: TrajectoryCache) -> None:
    assert cache.nbytes == sum(entry.nbytes for entry in cache.entries()) <= cache.capacity


def test_an_entry_counts_its_trajectory_picture_and_vector(make_entry):
    assert make_entry().nbytes == (1 + 4) * 4 * 8 * 8 * 4 + 16 * 16 * 3 + 384 * 4 == SIZE
    assert make_entry(has_trajectory=False).nbytes == SIZE - 5_120


def test_what_comes_out_is_what_went_in(make_entry):
    cache = cache_of()
    entry = make_entry()
    cache.adopt(entry)
    assert cache.get(entry.key) is entry
    assert cache.get("missing") is None


def test_runs_of_a_prompt_are_the_true_ones_and_then_the_newest(make_entry, digest):
    cache = cache_of()
    for key, computed in (("two", 2), ("true", 4), ("three", 3), ("true again", 4)):
        cache.adopt(make_entry("a mountain ", key=key, computed=computed))
    cache.adopt(make_entry("a lake"))
    found = [entry.key for entry in cache.runs_of(digest, "  a mountain\n")]
    assert found == ["true again", "true", "three", "two"]
    assert cache.runs_of(digest, "A mountain") == cache.runs_of("another fingerprint", "a mountain") == ()


def test_candidates_are_compatible_trajectories_best_first(make_entry, cache_key):
    cache = cache_of()
    far, near, exact = unit(1, 3), unit(3, 1), unit(1, 0)
    cache.adopt(make_entry("far", key="far", vector=far, computed=3))
    cache.adopt(make_entry("near", key="near", vector=near, computed=2))
    cache.adopt(make_entry("other seed", seed=1, vector=exact))
    cache.adopt(make_entry("picture only", vector=exact, has_trajectory=False))
    found = cache.candidates(cache_key, exact, 5)
    assert [entry.key for entry, _ in found] == ["near", "far"]
    assert [similarity for _, similarity in found] == pytest.approx([3 / 10**0.5, 1 / 10**0.5], abs=1e-6)
    assert [entry.key for entry, _ in cache.candidates(cache_key, exact, 1)] == ["near"]
    cache.adopt(make_entry("true", key="true", vector=far))
    assert candidates(cache, cache_key, exact) == ["true"], "while there are any, only true ones"
    assert cache.candidates(replace(cache_key, seed=2), exact, 5) == ()
    assert cache_of().candidates(cache_key, exact, 5) == ()


def test_runs_of_another_negative_prompt_or_guidance_are_candidates_compared_with_that_in_mind(make_entry, cache_key):
    cache = cache_of()
    lake, negatives = unit(1, 0, 0), {"": unit(1) * 0, "fog": unit(0, 1, 0), "snow": unit(0, 0, 1)}
    for key, negative_prompt, guidance in (("lake", "", 3), ("no fog", "fog", 3), ("no snow", "snow", 3), ("2", "", 2)):
        cache.adopt(make_entry("lake", key=key, vector=lake, negative_prompt=negative_prompt, guidance=float(guidance)))

    def weighed(vector: np.ndarray, made: CacheKey) -> np.ndarray:
        return weigh(vector, negatives[made.negative_prompt], made.guidance)

    asked = replace(cache_key, negative_prompt="fog")
    found = {entry.key: similarity for entry, similarity in cache.candidates(asked, lake, 5, weighed)}
    assert list(found) == ["no fog", "lake", "no snow", "2"]
    # (3, -2, 0) beside (3, 0, 0), (3, 0, -2) and (2, 0, 0): 1 - |a - b|^2 / (2 |a| |b|).
    expected = [1, 1 - 4 / (2 * 3 * 13**0.5), 1 - 8 / (2 * 13), 1 - 5 / (2 * 2 * 13**0.5)]
    assert list(found.values()) == pytest.approx(expected, abs=1e-6)
    assert [entry.key for entry, _ in cache.candidates(asked, lake, 1, weighed)] == ["no fog"]
    assert [entry.key for entry in cache.runs_of(asked.digest(), "lake")] == ["no fog"], "no other is the same picture"


def test_a_prompt_is_a_candidate_once_by_its_best_run(make_entry, cache_key):
    cache = cache_of()
    vector = unit(1)
    for key, computed in (("two", 2), ("three", 3), ("true", 4), ("three again", 3)):
        cache.adopt(make_entry("a mountain ", key=key, vector=vector, computed=computed))
    assert candidates(cache, cache_key, vector) == ["true"]
    cache.forget("true")
    assert candidates(cache, cache_key, vector) == ["three again"]


def test_all_look_ups_agree_through_evictions(make_entry, cache_key):
    cache = cache_of(3.5)
    draw, known = random.Random(0), []
    for _ in range(60):
        entry = make_entry(f"prompt {draw.randrange(8)}", has_trajectory=draw.random() < 0.7)
        known.append(entry.key)
        cache.adopt(entry)
        assert cache.get(entry.key) is entry
        assert_consistent(cache)
        cache.get(draw.choice(known))
        if draw.random() < 0.2:
            cache.forget(draw.choice(known))
            assert_consistent(cache)
        assert set(candidates(cache, cache_key, unit(1))) <= set(keys(cache))
    cache.clear()
    assert (cache.nbytes, cache.entries()) == (0, ())


def test_a_hit_is_a_use_and_looking_is_not(make_entry, digest, cache_key):
    cache = cache_of(3)
    for key in "abc":
        cache.adopt(make_entry(f"prompt {key}", key=key))
    cache.get("a")
    cache.entries()
    cache.runs_of(digest, "prompt b")
    cache.candidates(cache_key, unit(1), 5)
    cache.adopt(make_entry("prompt d", key="d"))
    assert keys(cache) == ["d", "c", "a"]
    cache.get("c")
    cache.adopt(make_entry("prompt e", key="e"))
    assert keys(cache) == ["e", "d", "c"]


def test_several_small_entries_go_for_a_large_one(make_entry):
    cache = TrajectoryCache([Memory("memory", SIZE + 100)])
    for _ in range(3):
        cache.adopt(make_entry(has_trajectory=False))
    large = make_entry()
    cache.adopt(large)
    assert cache.entries() == (large,)
    assert cache.nbytes == SIZE


def test_a_refused_entry_changes_nothing(make_entry):
    cache = TrajectoryCache([Memory("memory", SIZE - 1)])
    kept = make_entry(key="a", has_trajectory=False)
    cache.adopt(kept)
    with pytest.raises(CacheError, match=r"7,424 bytes does not fit into a store of 7,423 bytes"):
        cache.adopt(make_entry(key="a"))
    assert not cache.renew(make_entry(key="a"))
    assert_consistent(cache)
    assert cache.entries() == (kept,)


def test_a_renewed_run_keeps_its_order_and_an_adopted_one_is_the_newest(make_entry, cache_key):
    cache = cache_of(2)
    cache.adopt(make_entry("a mountain", key="a", computed=2, vector=unit(1)))
    cache.adopt(make_entry("a lake", key="b"))
    completed = make_entry("a mountain", key="a", vector=unit(1))
    assert cache.renew(completed)
    assert cache.candidates(cache_key, unit(1), 5)[0][0] is completed
    assert keys(cache) == ["b", "a"]
    cache.adopt(completed)
    assert keys(cache) == ["a", "b"]
    assert_consistent(cache)
    cache.forget("a")
    assert not cache.renew(completed)
    assert keys(cache) == ["b"]


def test_a_companion_is_hidden_and_goes_with_its_request(make_entry):
    cache = cache_of()
    for key in "abc":
        cache.adopt(make_entry(key=key))
    cache.accompany("a", "b")
    cache.accompany("gone", "c")
    assert keys(cache) == ["c", "a"]
    assert cache.get("b") is not None
    cache.adopt(make_entry(key="a"))
    assert keys(cache) == ["a", "c"]
    cache.forget("a")
    assert keys(cache) == ["c"]
    assert cache.get("b") is None


def test_nothing_is_known_of_the_companion_of_a_run_that_is_gone(make_entry):
    """Else the table of companions would grow for ever."""
    cache = cache_of(2)
    for key in "ab":
        cache.adopt(make_entry(key=key))
    cache.accompany("a", "b")
    cache.get("b")
    cache.adopt(make_entry(key="c"))
    assert keys(cache) == ["c", "b"]
    assert not any(record.companion for record in cache._records.values())


def test_the_newest_says_what_a_changed_setting_leaves_behind(make_entry):
    cache = cache_of()
    cache.adopt(make_entry("old"))
    entry = make_entry("new", seed=7)
    cache.adopt(entry)
    assert [held.prompt for held in cache.entries()] == ["new", "old"]
    newest = cache.entries()[0].cache_key
    assert differences(newest, replace(entry.cache_key, seed=8)) == ("seed (7 -> 8)",)


def test_two_caches_never_share(make_entry, digest, cache_key):
    mine, yours = cache_of(), cache_of()
    entry = make_entry("a secret prompt", vector=unit(1))
    mine.adopt(entry)
    assert yours.get(entry.key) is None
    assert yours.runs_of(digest, "a secret prompt") == yours.candidates(cache_key, unit(1), 5) == yours.entries() == ()
    yours.clear()
    assert mine.get(entry.key) is entry


def test_many_threads_leave_it_consistent(make_entry, digest, cache_key):
    cache = cache_of(5)
    entries = [make_entry(f"prompt {number % 10}") for number in range(80)]

    def use(entry) -> None:
        cache.adopt(entry)
        cache.runs_of(digest, entry.prompt)
        cache.candidates(cache_key, entry.vector, 5)
        cache.forget(entry.key) if entry.prompt.endswith("3") else cache.entries()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, entries))
    assert_consistent(cache)
