"""Runs in files: what is written, what is believed, and whose folders are left."""

import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from tests.cache.test_places import SIZE, assert_same
from trajflow.cache import Disk, Memory, TrajectoryCache
from trajflow.cache.disk import SpilledEntry
from trajflow.cache.document import checksum
from trajflow.errors import CacheError


@contextmanager
def full_disk():
    """No file may grow beyond 1,000 bytes: the system refuses the rest, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def two_places(tmp_path, above: float, below: float) -> TrajectoryCache:
    return TrajectoryCache([Memory("memory", int(above * SIZE)), Disk(tmp_path, int(below * SIZE))])


def files(tmp_path) -> list:
    return sorted(tmp_path.glob("*/*.safetensors"))


def test_a_file_tells_what_it_holds_without_a_pickle(make_entry, tmp_path) -> None:
    entry = make_entry("a lake", key="../a key", computed=3)
    disk = Disk(tmp_path, 10 * SIZE)
    held = disk.take(entry)
    [path] = files(tmp_path)
    with safe_open(path, framework="pt") as file:
        words = file.metadata()
        told = json.loads(words["entry"])
        assert (told["key"], told["result"]["request"]["prompt"]) == ("../a key", "a lake")
        assert told["path_kinds"] == ["computed", "computed", "computed", "coasted"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert torch.equal(tensors["velocities"], entry.trajectory.velocities)
        assert words["sha256"] == checksum(tensors, words["entry"])
    assert_same(held, entry)
    del held
    assert files(tmp_path) == []


def test_a_spilled_entry_holds_no_numbers_and_a_changed_one_is_an_ordinary_entry(make_entry, tmp_path) -> None:
    entry = replace(make_entry(), prefix=torch.ones(2, 1, 4, 8, 8))
    held = Disk(tmp_path, 10 * SIZE).take(entry)
    assert held.light.trajectory.velocities.is_meta
    changed = replace(held, prefix=None)
    assert not isinstance(changed, SpilledEntry)
    assert_same(changed, replace(entry, prefix=None))


def test_what_a_full_disk_does_not_take_is_dropped_in_one_line_and_one_state(make_entry, tmp_path, caplog) -> None:
    cache = two_places(tmp_path, 1, 5)
    cache.adopt(make_entry(key="a"))
    cache.adopt(make_entry(key="b"))
    with full_disk():
        cache.adopt(make_entry(key="c"))
    assert [entry.key for entry in cache.entries()] == ["c", "a"]
    assert cache.get("b") is None
    assert not cache.renew(make_entry(key="b"))
    assert cache.nbytes == 2 * SIZE
    assert len(files(tmp_path)) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "File too large" in caplog.text
    assert cache.get("a") is not None


def test_what_only_a_full_disk_could_hold_is_refused_and_the_former_run_stays(make_entry, tmp_path) -> None:
    cache = two_places(tmp_path, 0.5, 5)
    former = make_entry(key="a", seed=1)
    cache.adopt(former)
    cache.accompany("a", "b")
    with full_disk():
        with pytest.raises(CacheError, match="the disk did not take it"):
            cache.adopt(make_entry(key="a", seed=2))
        assert not cache.renew(make_entry(key="a", seed=3))
        with pytest.raises(CacheError):
            cache.adopt(make_entry(key="new"))
    assert [entry.key for entry in cache.entries()] == ["a"]
    assert_same(cache.get("a"), former)
    assert (cache.nbytes, len(files(tmp_path))) == (SIZE, 1)
    assert list(tmp_path.glob("*/*.partial")) == []


def cut(path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def remove(path) -> None:
    path.unlink()


def become_a_link(path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def become_a_folder(path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [cut, grow, remove, become_a_link, become_a_folder])
def test_a_harmed_file_is_a_miss_and_a_line_in_the_log(make_entry, tmp_path, caplog, harm) -> None:
    cache = two_places(tmp_path, 1, 5)
    for key in "ab":
        cache.adopt(make_entry(key=key))
    [path] = files(tmp_path)
    listed = cache.entries()[1]
    harm(path)
    with pytest.raises(CacheError, match="can no longer be read"):
        listed.trajectory  # noqa: B018
    if harm is become_a_folder:
        path.rmdir()
    assert cache.get("a") is None
    assert [entry.key for entry in cache.entries()] == ["b"]
    assert len(caplog.records) == 1
    assert "can no longer be read" in caplog.text


def test_swapped_files_never_give_a_wrong_run(make_entry, tmp_path, caplog) -> None:
    cache = two_places(tmp_path, 0, 5)
    for number, key in enumerate("ab"):
        cache.adopt(make_entry(key=key, seed=number))
    one, other = files(tmp_path)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert (cache.get("a"), cache.get("b")) == (None, None)
    assert (cache.entries(), cache.nbytes, files(tmp_path)) == ((), 0, [])
    assert len(caplog.records) == 2


def test_no_flipped_bit_is_ever_believed(make_entry, tmp_path) -> None:
    held = Disk(tmp_path, 10 * SIZE).take(make_entry())
    [path] = files(tmp_path)
    written, chance = path.read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(written[:8], "little")
    for turn in range(400):
        harmed = bytearray(written)
        harmed[chance.randrange(header if turn % 2 else len(written))] ^= 1 << chance.randrange(8)
        path.write_bytes(harmed)
        try:
            held.in_memory()
        except CacheError:
            continue
        # A bit of the header that says nothing, such as one of its padding.
        assert torch.equal(held.trajectory.velocities, make_entry().trajectory.velocities)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be kept in .*: Not a directory"):
        Disk(tmp_path / "file" / "runs", SIZE)


OWNER = """
import sys
from pathlib import Path
from trajflow.cache.folder import OwnFolder

folder = OwnFolder(Path(sys.argv[1]))
(folder.path / "0.safetensors").write_text("a run")
print(folder.path, flush=True)
sys.stdin.read()
"""


def test_folders_of_dead_processes_are_swept_and_never_those_of_living_ones(tmp_path) -> None:
    (tmp_path / "session-by-hand").mkdir()
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    dead, living = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    with dead, living:
        left, kept = dead.stdout.readline().strip(), living.stdout.readline().strip()
        dead.kill()
        dead.wait()
        mine = Disk(tmp_path, SIZE)
        yours = Disk(tmp_path, SIZE)
        found = {str(path) for path in tmp_path.iterdir()}
        assert left not in found
        assert kept in found
        assert {str(disk._folder.path) for disk in (mine, yours)} < found
        assert str(tmp_path / "session-by-hand") in found
        living.stdin.close()
        assert living.wait(60) == 0
    assert kept not in {str(path) for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_torn_file(tmp_path) -> None:
    """Files are written over and over until the process is killed; each one under its own name is whole."""
    program = """
import sys, torch
from pathlib import Path
from safetensors.torch import save
from trajflow.cache.files import put_in_place, write_partial

folder = Path(sys.argv[1])
for number in range(10**6):
    document = save({"v": torch.full((400_000,), float(number))})
    put_in_place(write_partial(folder, document), folder / f"{number % 7}.safetensors")
    if number == 3:
        print("writing", flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    found = list(tmp_path.glob("*.safetensors"))
    assert len(found) >= 3
    for path in found:
        with safe_open(path, framework="pt") as file:
            assert len(file.get_tensor("v").unique()) == 1
