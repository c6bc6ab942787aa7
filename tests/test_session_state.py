"""Sessions that outlive their process: what was answered is there, and answers, plans and forecasts as before."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import trajflow
from tests.cache.test_disk import full_disk
from trajflow.cache import FolderStore, OwnedStore
from trajflow.cache.store import owner_of
from trajflow.errors import CacheError

PROMPTS = ("snowy mountain dusk", "snowy mountain dawn", "snowy mountain fog")


def filled(mixture, folder, **options) -> trajflow.Session:
    session = trajflow.Session(mixture, state=folder, **options)
    for prompt in PROMPTS:
        session.generate(prompt)
    return session


def prompts(session) -> list[str]:
    return [entry.prompt for entry in session.entries()]


def documents(folder) -> int:
    return len([path for path in folder.glob("documents/*") if "note-" not in path.name])


def test_a_session_goes_on_where_it_was(mixture, tmp_path) -> None:
    before = filled(mixture, tmp_path)
    after, unbroken = trajflow.Session(mixture, state=tmp_path), trajflow.Session(mixture)
    for entry in reversed(before.entries()):
        unbroken.adopt(entry)
    assert prompts(after) == prompts(before) == list(PROMPTS[::-1])
    for mine, other in zip(after.entries(), before.entries(), strict=True):
        assert mine.key == other.key
        assert mine.result.image.tobytes() == other.result.image.tobytes()
        assert torch.equal(mine.trajectory.velocities, other.trajectory.velocities)
    assert after.generate(PROMPTS[0]).from_store
    assert prompts(trajflow.Session(mixture, state=str(tmp_path))) == list(PROMPTS[::-1])
    ours, theirs = (session.generate("snowy mountain lake", budget=4) for session in (after, unbroken))
    assert ours.plan.sources == theirs.plan.sources
    assert ours.image.tobytes() == theirs.image.tobytes()


def test_what_was_learned_and_compared_is_there_again(mixture, make_profile, tmp_path) -> None:
    profile = make_profile(8, {2: 22.0, 3: 26.0, 5: 32.0}, "the mixture")
    before = filled(mixture, tmp_path, profile=profile)
    compared = before.generate("snowy mountain lake", budget=3, compare=True)
    assert len(before.learned.outcomes) == 1
    after = trajflow.Session(mixture, state=tmp_path, profile=profile)
    assert after.learned == before.learned
    assert trajflow.Session(mixture, state=tmp_path).learned.outcomes == (), "it holds for one model only"
    assert prompts(after) == prompts(before), "the run it was compared with is not listed"
    assert after.nbytes == before.nbytes
    [entry] = [entry for entry in after.entries() if entry.key == compared.key]
    assert entry.result.metrics == compared.metrics
    assert entry.result.baseline.tobytes() == compared.baseline.tobytes()
    after.forget(compared.key)
    assert trajflow.Session(mixture, state=tmp_path).nbytes == after.nbytes
    after.forget_learned()
    assert trajflow.Session(mixture, state=tmp_path, profile=profile).learned.outcomes == ()


def test_a_completed_run_is_kept_in_place_of_the_unfinished_one(mixture, tmp_path) -> None:
    before = filled(mixture, tmp_path)
    before.generate("snowy mountain lake", budget=4)
    unfinished = before.unfinished()
    assert unfinished[0].prompt == "snowy mountain lake"
    *_, result = before.complete()
    after = trajflow.Session(mixture, state=tmp_path)
    assert [entry.key for entry in after.unfinished()] == [entry.key for entry in unfinished[1:]]
    assert after.entries()[0].result.metrics == result.metrics
    assert documents(tmp_path) == 4


def test_what_is_forgotten_is_gone_from_the_disk(mixture, tmp_path) -> None:
    session = filled(mixture, tmp_path)
    session.forget(session.entries()[0].key)
    assert documents(tmp_path) == 2
    assert prompts(trajflow.Session(mixture, state=tmp_path)) == list(PROMPTS[1::-1])
    session.clear()
    assert list((tmp_path / "documents").iterdir()) == []
    assert trajflow.Session(mixture, state=tmp_path).entries() == ()


def test_what_a_forgotten_picture_was_compared_with_goes_from_the_disk_too_where_it_has_no_room(
    mixture, tmp_path
) -> None:
    session = trajflow.Session(mixture, state=tmp_path)
    session.generate("a mountain")
    compared = session.generate("a mountain at dusk", budget=3, compare=True).key
    small = trajflow.Session(mixture, state=tmp_path, cache_bytes=session.entries()[0].nbytes)
    assert [entry.key for entry in small.entries()] == [compared]
    assert len(small.unheld) == 2
    small.forget(compared)
    assert len(small.unheld) == documents(tmp_path) == 1
    assert prompts(trajflow.Session(mixture, state=tmp_path)) == ["a mountain"]


def test_a_picture_without_room_hides_what_it_was_compared_with_and_takes_it_along(mixture, tmp_path) -> None:
    session = trajflow.Session(mixture, state=tmp_path)
    session.generate(PROMPTS[0])
    first = session.generate(PROMPTS[1], budget=3).key
    session.generate(PROMPTS[1], budget=3, compare=True)
    small = trajflow.Session(mixture, state=tmp_path, cache_bytes=session.entries()[1].nbytes)
    assert small.unheld == {entry.key for entry in session.entries()} > {first}
    assert (small.nbytes > 0, small.entries()) == (True, ())
    small.forget(first)
    assert (small.nbytes, documents(tmp_path)) == (0, 1)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_sessions_on_one_folder_leave_each_others_relations(mixture, tmp_path, share) -> None:
    """Of a comparison and of work ahead; also where one of them has no room for what the other has made."""
    one = filled(mixture, tmp_path)
    other = trajflow.Session(mixture, state=tmp_path)
    one.generate("snowy mountain lake", budget=3, compare=True)
    one.generate("a red cabin", seed=5)
    list(one.work_ahead())
    if share < 1:
        other = trajflow.Session(mixture, state=tmp_path, cache_bytes=int(share * one.nbytes))
    other.generate("snowy mountain sun", budget=3, compare=True)
    other.generate("a green cabin", seed=6)
    list(other.work_ahead())
    listed = prompts(trajflow.Session(mixture, state=tmp_path, cache_bytes=2**30))
    asked = {*PROMPTS, "snowy mountain lake", "snowy mountain sun", "a red cabin", "a green cabin"}
    assert set(listed) <= asked
    assert len(listed) == len(set(listed))
    assert len(listed) == len(asked) or share < 1


def test_what_another_session_has_completed_is_caught_up_with(mixture, tmp_path) -> None:
    one = trajflow.Session(mixture, state=tmp_path)
    one.generate(PROMPTS[0])
    key = one.generate(PROMPTS[1], budget=3).key
    other = trajflow.Session(mixture, state=tmp_path)
    *_, completed = other.complete(key)
    order = prompts(one)
    one.catch_up()
    [entry] = [entry for entry in one.entries() if entry.key == key]
    assert entry.is_true
    assert (entry.result.metrics, prompts(one)) == (completed.metrics, order)
    assert one.generate(PROMPTS[1]).from_store


def test_memory_that_is_given_back_leaves_the_disk_as_it_is(mixture, tmp_path) -> None:
    session = filled(mixture, tmp_path)
    session.release()
    assert (session.entries(), session.nbytes) == ((), 0)
    session.catch_up()
    assert prompts(session) == list(PROMPTS[::-1])


def test_memory_that_is_given_back_in_a_smaller_session_leaves_the_disk_as_it_is(mixture, tmp_path) -> None:
    size = filled(mixture, tmp_path).nbytes // len(PROMPTS)
    small = trajflow.Session(mixture, state=tmp_path, cache_bytes=2 * size)
    small.release()
    small.catch_up()
    assert len(small.entries()) == 2
    assert prompts(trajflow.Session(mixture, state=tmp_path)) == list(PROMPTS[::-1])


def test_what_a_session_has_no_room_for_goes_from_the_disk_too(mixture, tmp_path) -> None:
    size = filled(mixture, tmp_path / "size").nbytes // len(PROMPTS)
    session = filled(mixture, tmp_path / "small", cache_bytes=2 * size)
    assert len(session.entries()) == documents(tmp_path / "small") == 2
    assert prompts(trajflow.Session(mixture, state=tmp_path / "small")) == prompts(session)


def test_a_session_with_less_room_leaves_the_oldest_where_they_are(mixture, tmp_path, caplog) -> None:
    before = filled(mixture, tmp_path)
    oldest = before.entries()[-1].key
    small = trajflow.Session(mixture, state=tmp_path, cache_bytes=before.nbytes * 2 // 3)
    assert prompts(small) == list(PROMPTS[:0:-1])
    assert small.unheld == {oldest}
    assert "For 1 of the runs" in caplog.text
    small.catch_up()
    assert prompts(small) == list(PROMPTS[:0:-1]), "it is not brought in again at the cost of another"
    assert documents(tmp_path) == 3
    nearest = small.generate("snowy mountain lake").plan.sources[0]
    assert documents(tmp_path) == 3, "a new one takes the place of one that was held"
    assert small.unheld == {oldest}
    again = trajflow.Session(mixture, state=tmp_path)
    assert [entry.key for entry in again.entries()][1:] == [nearest, oldest]
    assert again.unheld == frozenset()
    small.clear()
    assert documents(tmp_path) == 0


def test_a_run_that_is_refused_changes_nothing_on_the_disk(mixture, tmp_path) -> None:
    size = filled(mixture, tmp_path / "size").nbytes // len(PROMPTS)
    session = trajflow.Session(mixture, cache_bytes=size, state=tmp_path)
    session.generate(PROMPTS[0])
    [entry] = session.entries()
    large = replace(entry, prefix=torch.zeros(1_000, *entry.trajectory.noise.shape))
    with pytest.raises(CacheError, match="does not fit"):
        session.adopt(large)
    session.adopt(entry)
    [again] = trajflow.Session(mixture, state=tmp_path).entries()
    assert again.prefix is None


def test_owners_share_a_folder_and_nothing_else(mixture, tmp_path) -> None:
    store = FolderStore(tmp_path)
    mine, yours = (trajflow.Session(mixture, state=OwnedStore(store, owner_of(name))) for name in ("mine", "yours"))
    mine.generate(PROMPTS[0])
    yours.generate(PROMPTS[1])
    assert prompts(trajflow.Session(mixture, state=OwnedStore(store, owner_of("mine")))) == [PROMPTS[0]]
    yours.clear()
    assert prompts(trajflow.Session(mixture, state=OwnedStore(store, owner_of("mine")))) == [PROMPTS[0]]
    assert not store.keys(owner_of("yours"))


def test_a_full_disk_stops_nobody_and_is_told_once(mixture, tmp_path, caplog) -> None:
    session = filled(mixture, tmp_path)
    with full_disk():
        for prompt in ("snowy mountain lake", "snowy mountain sun"):
            session.generate(prompt)
    assert len(session.entries()) == 5
    assert len(caplog.records) == 1
    assert "is not kept" in caplog.text
    assert "lake" not in caplog.text
    session.generate("snowy mountain cabin")
    assert "Work is kept again." in caplog.text
    assert prompts(trajflow.Session(mixture, state=tmp_path)) == ["snowy mountain cabin", *PROMPTS[::-1]]


def test_a_damaged_run_is_missing_and_told_and_the_others_are_there(mixture, tmp_path, caplog) -> None:
    filled(mixture, tmp_path)
    path = sorted(path for path in (tmp_path / "documents").iterdir() if "note-" not in path.name)[0]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert len(trajflow.Session(mixture, state=tmp_path).entries()) == 2
    assert "is lost" in caplog.text


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"no json",
        b"[]",
        b"[" * 100_000,
        b'{"model": "MODEL"}',
        b'{"model": "MODEL", "outcomes": [[1, 2]]}',
        b'{"model": "MODEL", "outcomes": [["a", 2, 3, 4]]}',
        b'{"model": "MODEL", "outcomes": [[NaN, 2, 3, 4]]}',
        b'{"model": "another", "outcomes": [[1, 2, 3, 4]]}',
    ],
)
def test_a_note_that_cannot_be_is_passed_over(mixture, tmp_path, note) -> None:
    session = filled(mixture, tmp_path)
    store = FolderStore(tmp_path)
    for name in ("note-learned", "note-companions"):
        store.put(owner_of(""), name, note.replace(b"MODEL", session.profile.model.encode()))
    after = trajflow.Session(mixture, state=tmp_path)
    assert after.learned.outcomes == ()
    assert len(after.entries()) == 3


def test_a_run_under_the_key_of_another_is_passed_over(mixture, tmp_path, caplog) -> None:
    session = filled(mixture, tmp_path)
    store, owner = FolderStore(tmp_path), owner_of("")
    one, other = (entry.key for entry in session.entries()[:2])
    store.put(owner, one, store.get(owner, other))
    assert prompts(trajflow.Session(mixture, state=tmp_path)) == [PROMPTS[1], PROMPTS[0]]
    assert "another key" in caplog.text


def test_runs_of_another_model_are_shown_and_serve_nothing(mixture, tmp_path) -> None:
    filled(mixture, tmp_path)
    other = type(mixture)()
    other.identity = lambda: {"name": "another"}
    session = trajflow.Session(other, state=tmp_path)
    assert prompts(session) == list(PROMPTS[::-1])
    result = session.generate(PROMPTS[0])
    assert (result.from_store, result.plan.sources) == (False, ())


def test_two_sessions_on_one_folder_catch_up(mixture, tmp_path) -> None:
    one, other = (trajflow.Session(mixture, state=tmp_path) for _ in range(2))
    one.generate(PROMPTS[0])
    assert other.entries() == ()
    other.catch_up()
    assert other.generate(PROMPTS[0]).from_store


PROGRAM = """
import sys
from pathlib import Path

# How prompts are compared is of no matter here, and takes longest to import.
sys.modules["sentence_transformers"] = None
import trajflow
from trajflow.testing import GaussianMixture

session = trajflow.Session(GaussianMixture(), state=Path(sys.argv[1]))
for number in range(10**6):
    print(session.generate("a mountain", seed=number).key, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_loses_the_run_under_way_at_most(mixture, tmp_path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline().strip() for _ in range(5)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.read().split()
    found = {entry.key for entry in trajflow.Session(mixture, state=tmp_path).entries()}
    assert {key for key in told if len(key) == 32} <= found
    assert len(found) <= len(told) + 1
