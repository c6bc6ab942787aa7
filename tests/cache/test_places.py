"""Runs at several places: two in memory and one on the disk."""

import random
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch

from trajflow.cache import Disk, Entry, Memory, TrajectoryCache
from trajflow.cache.cache import settle
from trajflow.errors import CacheError

SIZE = 7_424
VECTOR = np.eye(384, dtype=np.float32)[0]


def held_tensors(entry: Entry) -> list[torch.Tensor]:
    tensors = [] if entry.prefix is None else [entry.prefix]
    if entry.trajectory is not None:
        grid = entry.trajectory.schedule
        tensors += [entry.trajectory.noise, entry.trajectory.velocities, grid.sigmas, grid.timesteps]
    return tensors


def assert_same(held: Entry | None, entry: Entry) -> None:
    assert held is not None
    assert (held.key, held.result, held.cache_key) == (entry.key, entry.result, entry.cache_key)
    assert (held.is_true, held.nbytes) == (entry.is_true, entry.nbytes)
    assert (held.trajectory is None) == (entry.trajectory is None)
    if held.trajectory is not None:
        assert (held.trajectory.prompt, held.trajectory.kinds) == (entry.trajectory.prompt, entry.trajectory.kinds)
    for ours, theirs in zip(held_tensors(held), held_tensors(entry), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert torch.equal(ours, theirs)


def places(tmp_path, *sizes: float) -> TrajectoryCache:
    """Two places in memory and one on disk, for so many entries each."""
    first, second, third = (int(size * SIZE) for size in sizes)
    return TrajectoryCache([Memory("gpu", first), Memory("memory", second, is_host=True), Disk(tmp_path, third)])


def at_places(cache: TrajectoryCache, keys: str) -> list[str]:
    return ["".join(key for key in keys if cache.place_of(key) == name) for name in ("gpu", "memory", "disk")]


def assert_within_bounds(cache: TrajectoryCache) -> None:
    held = cache.nbytes_by_place()
    assert all(held[place.name] <= place.capacity for place in cache._places)
    assert cache.nbytes == sum(held.values()) == sum(entry.nbytes for entry in cache.entries())


@pytest.mark.parametrize(
    ("held", "capacities", "expected"),
    [
        ([], (5,), []),
        ([(0, 3), (0, 2)], (5,), [0, 0]),
        ([(0, 3), (0, 3)], (5,), [1, 0]),
        ([(0, 3), (0, 3), (0, 3)], (3, 3), [2, 1, 0]),
        ([(0, 2), (0, 2), (0, 4)], (5, 3), [2, 1, 0]),
        ([(0, 2), (0, 9), (0, 2)], (5, 9), [0, 1, 0]),
        ([(1, 2), (0, 2)], (0, 2), [2, 1]),
        ([(0, 9)], (5, 8), [2]),
    ],
)
def test_the_least_recently_used_go_down_and_what_is_too_large_passes_by(held, capacities, expected):
    assert settle(held, capacities) == expected


@pytest.mark.parametrize("seed", range(2))
def test_of_equal_entries_it_keeps_what_one_store_by_last_use_would_keep(make_entry, tmp_path, seed) -> None:
    """Against an ordered dictionary: the same keys go, in the same order."""
    cache = places(tmp_path, 2.5, 3, 2)
    chance, known, used = random.Random(seed), {}, OrderedDict()
    for _ in range(70):
        key, act = chance.choice("abcdefghijkl"), chance.random()
        if act < 0.5:
            known[key] = make_entry(key=key, seed=chance.randrange(100), vector=VECTOR)
            used.pop(key, None)
            used[key] = None
            cache.adopt(known[key])
            while len(used) > 7:
                used.popitem(last=False)
        elif act < 0.8:
            assert (cache.get(key) is not None) == (key in used)
            if key in used:
                used.move_to_end(key)
        elif act < 0.9:
            cache.forget(key)
            used.pop(key, None)
        listed = {entry.key: entry for entry in cache.entries()}
        assert set(listed) == set(used)
        for held in used:
            assert_same(listed[held], known[held])
        assert_within_bounds(cache)
        assert cache.nbytes == len(used) * SIZE
        assert len(list(tmp_path.glob("*/*.safetensors"))) == cache.nbytes_by_place()["disk"] // SIZE


@pytest.mark.parametrize("seed", range(2))
def test_entries_of_any_size_stay_whole_and_no_use_loses_one(make_entry, tmp_path, seed) -> None:
    cache = places(tmp_path, 1.3, 2.2, 3.1)
    chance, known = random.Random(seed), {}
    for _ in range(80):
        key = chance.choice("abcdefgh")
        if chance.random() < 0.5:
            entry = make_entry(key=key, has_trajectory=chance.random() < 0.7, vector=VECTOR)
            if chance.random() < 0.3:
                entry = replace(entry, prefix=torch.randn(chance.randrange(1, 5), 1, 4, 8, 8).to(torch.bfloat16))
            cache.adopt(entry)
            known = {other: held for other, held in known.items() if cache.place_of(other) is not None}
            known[key] = entry
        else:
            assert (cache.get(key) is None) == (key not in known)
        listed = {entry.key: entry for entry in cache.entries()}
        assert set(listed) == set(known)
        for other, entry in known.items():
            assert_same(listed[other], entry)
        assert_within_bounds(cache)


def test_what_is_not_used_sinks_and_what_is_used_rises(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 1, 1, 1)
    for key in "abc":
        cache.adopt(make_entry(key=key))
    assert at_places(cache, "abc") == ["c", "b", "a"]
    cache.entries()
    assert at_places(cache, "abc") == ["c", "b", "a"]
    cache.get("a")
    assert at_places(cache, "abc") == ["a", "c", "b"]
    cache.adopt(make_entry(key="d"))
    assert at_places(cache, "abcd") == ["d", "a", "c"]


def test_what_could_only_rise_by_pushing_another_out_stays_where_it_is(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 1, 0, 1)
    small, large = make_entry(key="a", has_trajectory=False), make_entry(key="b")
    cache.adopt(replace(small, prefix=torch.zeros(1, 1, 4, 8, 8)))
    cache.adopt(large)
    cache.adopt(make_entry(key="c", has_trajectory=False))
    before = at_places(cache, "abc")
    for key in "abc":
        assert cache.get(key) is not None or cache.place_of(key) is None
    assert sorted("".join(at_places(cache, "abc"))) == sorted("".join(before))


def test_what_rises_from_the_disk_no_longer_depends_on_its_file(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 1, 0, 1)
    first = make_entry(key="a")
    cache.adopt(first)
    cache.adopt(make_entry(key="b"))
    raised = cache.get("a")
    assert cache.place_of("a") == "gpu"
    for path in tmp_path.glob("*/*.safetensors"):
        path.unlink()
    assert_same(raised, first)


def test_an_entry_too_large_for_the_first_place_begins_below(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 0.5, 1, 1)
    cache.adopt(make_entry(key="a"))
    assert at_places(cache, "a") == ["", "a", ""]
    assert cache.get("a") is not None
    assert at_places(cache, "a") == ["", "a", ""]


def test_one_too_large_for_all_is_refused_and_nothing_is_lost(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 0.5, 0.5, 0.9)
    small = make_entry(key="a", has_trajectory=False)
    cache.adopt(small)
    with pytest.raises(CacheError, match="7,424 bytes does not fit into a store of 6,681 bytes"):
        cache.adopt(make_entry(key="a"))
    assert cache.get("a") is small
    assert at_places(cache, "a") == ["a", "", ""]


def test_making_room_empties_the_first_place_and_loses_nothing_that_has_room_below(make_entry, tmp_path) -> None:
    cache = places(tmp_path, 3, 2, 1)
    for key in "abcd":
        cache.adopt(make_entry(key=key))
    assert at_places(cache, "abcd") == ["bcd", "a", ""]
    cache.make_room()
    assert at_places(cache, "abcd") == ["", "cd", "b"]


def test_a_lone_place_is_not_emptied_by_making_room(make_entry) -> None:
    cache = TrajectoryCache([Memory("memory", SIZE)])
    cache.adopt(make_entry(key="a"))
    cache.make_room()
    assert cache.place_of("a") == "memory"


def test_an_entry_of_another_cache_is_shared_whole(make_entry, tmp_path) -> None:
    mine, yours = places(tmp_path, 0, 0, 1), places(tmp_path, 1, 0, 0)
    entry = make_entry(key="a")
    mine.adopt(entry)
    [listed] = mine.entries()
    yours.adopt(listed)
    mine.clear()
    assert_same(yours.get("a"), entry)
