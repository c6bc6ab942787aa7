import json
import random
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from trajflow.cache import DiskStore, Entry, MemoryStore, TieredStore
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
    assert (held.trajectory is None) == (entry.trajectory is None)
    if held.trajectory is not None:
        assert (held.trajectory.prompt, held.trajectory.kinds) == (entry.trajectory.prompt, entry.trajectory.kinds)
    for ours, theirs in zip(held_tensors(held), held_tensors(entry), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert torch.equal(ours, theirs)


def tiers(tmp_path, *sizes: float) -> tuple[TieredStore, tuple]:
    """Two stores in memory and one on disk, of so many entries each."""
    first, second, third = (int(size * SIZE) for size in sizes)
    stores = (MemoryStore(first), MemoryStore(second, is_on_cpu=True), DiskStore(tmp_path / "runs", third))
    return TieredStore(stores), stores


def device_transfer(stores: tuple, keys: str) -> list[str]:
    return ["".join(key for key in keys if key in store) for store in stores]


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_entries_it_keeps_what_one_store_by_last_use_would_keep(make_entry, tmp_path, seed) -> None:
    """Against an ordered dictionary: the same keys go, in the same order."""
    tiered, stores = tiers(tmp_path, 2.5, 3, 2)
    chance, known, used = random.Random(seed), {}, OrderedDict()
    for _ in range(120):
        key, act = chance.choice("abcdefghijkl"), chance.random()
        if act < 0.5:
            known[key] = make_entry(key=key, seed=chance.randrange(100), vector=VECTOR)
            used.pop(key, None)
            used[key] = None
            expected = [used.popitem(last=False)[0] for _ in range(len(used) - 7)]
            assert list(tiered.put(known[key])) == expected
        elif act < 0.8:
            assert (tiered.get(key) is not None) == (key in used)
            if key in used:
                used.move_to_end(key)
        elif act < 0.9:
            tiered.delete(key)
            used.pop(key, None)
        for key in known:
            assert (key in tiered) == (key in used)
            if key in used:
                assert_same(tiered.peek(key), known[key])
            else:
                assert tiered.peek(key) is None
        assert all(store.nbytes <= store.capacity for store in stores)
        assert tiered.nbytes == len(used) * SIZE <= tiered.capacity
        assert len(list((tmp_path / "runs").iterdir())) == stores[2].nbytes // SIZE


@pytest.mark.parametrize("seed", range(5))
def test_entries_of_any_size_stay_whole_and_no_use_loses_one(make_entry, tmp_path, seed) -> None:
    tiered, stores = tiers(tmp_path, 1.3, 2.2, 3.1)
    chance, known = random.Random(seed), {}
    for _ in range(150):
        key = chance.choice("abcdefgh")
        if chance.random() < 0.5:
            entry = make_entry(key=key, has_trajectory=chance.random() < 0.7, vector=VECTOR)
            if chance.random() < 0.3:
                entry = replace(entry, prefix=torch.randn(chance.randrange(1, 9), 1, 4, 8, 8).to(torch.bfloat16))
            gone = tiered.put(entry)
            known = {other: held for other, held in known.items() if other not in gone}
            known[key] = entry
        else:
            assert (tiered.get(key) is None) == (key not in known)
        for other, entry in known.items():
            assert_same(tiered.peek(other), entry)
        assert {key for key in "abcdefgh" if key in tiered} == set(known)
        assert all(store.nbytes <= store.capacity for store in stores)


def test_what_is_not_used_sinks_and_what_is_used_rises(make_entry, tmp_path) -> None:
    tiered, stores = tiers(tmp_path, 1, 1, 1)
    for key in "abc":
        tiered.put(make_entry(key=key))
    assert device_transfer(stores, "abc") == ["c", "b", "a"]
    tiered.peek("a")
    assert device_transfer(stores, "abc") == ["c", "b", "a"]
    tiered.get("a")
    assert device_transfer(stores, "abc") == ["a", "c", "b"]
    assert tiered.put(make_entry(key="d")) == ("b",)


def test_what_rises_from_the_disk_no_longer_depends_on_its_file(make_entry, tmp_path) -> None:
    tiered, _ = tiers(tmp_path, 1, 0, 1)
    tiered.put(make_entry(key="a"))
    tiered.put(make_entry(key="b"))
    raised = tiered.get("a")
    assert str(tmp_path) not in mapped_files(raised.trajectory.velocities)
    assert str(tmp_path) in mapped_files(tiered.peek("b").trajectory.velocities)


def mapped_files(tensor: torch.Tensor) -> str:
    """The line of this process's memory map that holds the tensor's first byte."""
    if not sys.platform.startswith("linux"):
        pytest.skip("memory maps are read from /proc")
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(each, 16) for each in line.split()[0].split("-"))
        if first <= address < last:
            return line
    return ""


def test_an_entry_too_large_for_the_first_store_begins_below(make_entry, tmp_path) -> None:
    tiered, stores = tiers(tmp_path, 0.5, 1, 1)
    tiered.put(make_entry(key="a"))
    assert device_transfer(stores, "a") == ["", "a", ""]
    assert tiered.get("a") is not None
    assert device_transfer(stores, "a") == ["", "a", ""]


def test_one_too_large_for_all_is_refused_and_nothing_is_lost(make_entry, tmp_path) -> None:
    tiered, stores = tiers(tmp_path, 0.5, 0.5, 0.9)
    small = make_entry(key="a", has_trajectory=False)
    tiered.put(small)
    with pytest.raises(CacheError, match="7,424 bytes does not fit into a store of 6,681 bytes"):
        tiered.put(make_entry(key="a"))
    assert tiered.get("a") is small
    assert device_transfer(stores, "a") == ["a", "", ""]


def test_spilling_empties_the_first_store_and_loses_nothing_that_has_room_below(make_entry, tmp_path) -> None:
    tiered, stores = tiers(tmp_path, 3, 2, 1)
    for key in "abcd":
        tiered.put(make_entry(key=key))
    assert tiered.spill() == ("a",)
    assert device_transfer(stores, "abcd") == ["", "cd", "b"]
    assert MemoryStore(SIZE).spill() == TieredStore((MemoryStore(SIZE),)).spill() == ()


def test_a_lone_store_is_not_emptied_by_spilling(make_entry) -> None:
    tiered = TieredStore((MemoryStore(SIZE),))
    tiered.put(make_entry(key="a"))
    assert tiered.spill() == ()
    assert "a" in tiered


def test_a_file_tells_what_it_holds_without_a_pickle(make_entry, tmp_path) -> None:
    entry = make_entry("a lake", key="../a key", computed=3)
    store = DiskStore(tmp_path, 10 * SIZE)
    store.put(entry)
    [path] = tmp_path.iterdir()
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["entry"]) == {
            "key": "../a key",
            "prompt": "a lake",
            "fingerprint": entry.cache_key.digest(),
            "kinds": ["computed", "computed", "computed", "coasted"],
        }
        assert torch.equal(file.get_tensor("velocities"), entry.trajectory.velocities)
    store.delete("../a key")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_no_file_and_what_was_there(make_entry, tmp_path, monkeypatch) -> None:
    store = DiskStore(tmp_path, 10 * SIZE)
    kept = make_entry(key="a", seed=1)
    store.put(kept)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CacheError, match="No space left on device"):
        store.put(make_entry(key="a", seed=2))
    assert_same(store.get("a"), kept)
    assert len(list(tmp_path.iterdir())) == 1
    above = TieredStore((MemoryStore(SIZE), store))
    above.put(make_entry(key="b"))
    assert above.put(make_entry(key="c")) == ("b",), "what the disk does not take is gone, and said to be"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be kept in .*: Not a directory"):
        DiskStore(tmp_path / "file" / "runs", SIZE)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_torn_file(tmp_path) -> None:
    """Files are written over and over until the process is killed; each one under its own name is whole."""
    program = """
import sys, torch
from pathlib import Path
from trajflow.cache.disk import write_whole

for number in range(10**6):
    write_whole(Path(sys.argv[1]) / f"{number % 7}.safetensors", {"v": torch.full((400_000,), float(number))}, {})
    if number == 3:
        print("writing", flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    files = list(tmp_path.glob("*.safetensors"))
    assert len(files) >= 3
    for path in files:
        with safe_open(path, framework="pt") as file:
            assert len(file.get_tensor("v").unique()) == 1
