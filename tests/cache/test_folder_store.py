"""A folder as a store: crashes, damage, full disks, strangers' files, and other processes."""

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cache.test_disk import become_a_folder, become_a_link, cut, full_disk, grow, remove
from trajflow.cache import FolderStore
from trajflow.cache.files import read_whole
from trajflow.cache.index import STEPS
from trajflow.cache.store import owner_of
from trajflow.errors import CacheError

OWNER = owner_of("a session")
DOCUMENTS = {f"key-{number}": bytes([number]) * 3_000 for number in range(3)}


def filled(folder) -> FolderStore:
    store = FolderStore(folder)
    for key, document in DOCUMENTS.items():
        store.put(OWNER, key, document)
    return store


def file_of(folder, key: str):
    [path] = folder.glob(f"documents/{OWNER}.{key}.*")
    return path


def held(store: FolderStore) -> dict[str, bytes | None]:
    return {key: store.get(OWNER, key) for key in DOCUMENTS}


def test_a_restart_serves_what_was_kept(tmp_path) -> None:
    filled(tmp_path).close()
    assert held(FolderStore(tmp_path)) == DOCUMENTS


def test_nobody_else_may_read_it(tmp_path) -> None:
    filled(tmp_path / "state")
    assert (tmp_path / "state" / "documents").stat().st_mode & 0o77 == 0
    for path in (tmp_path / "state" / "documents").iterdir():
        assert path.stat().st_mode & 0o77 == 0
    assert (tmp_path / "state" / "index.sqlite").stat().st_mode & 0o77 == 0


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[1_000] ^= 1
    path.write_bytes(content)


def become_a_pipe(path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_unlimited(path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


HARMS = [cut, grow, flip, remove, become_a_link, become_a_folder, become_a_pipe, become_unlimited]


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_file_is_a_miss_and_a_line_in_the_log(tmp_path, caplog, harm) -> None:
    store = filled(tmp_path)
    harm(file_of(tmp_path, "key-1"))
    assert held(store) == DOCUMENTS | {"key-1": None}
    assert len(caplog.records) == 1
    assert "is lost" in caplog.text
    assert held(store) == DOCUMENTS | {"key-1": None}
    assert len(caplog.records) == 1, "it is told once"
    if harm is not become_a_folder:
        store.put(OWNER, "key-1", DOCUMENTS["key-1"])
        assert held(store) == DOCUMENTS


@pytest.mark.parametrize("harm", [cut, grow, flip, become_a_link])
def test_putting_the_same_again_mends_it(tmp_path, harm) -> None:
    store = filled(tmp_path)
    harm(file_of(tmp_path, "key-1"))
    store.put(OWNER, "key-1", DOCUMENTS["key-1"])
    assert held(store) == DOCUMENTS


def test_swapped_files_never_give_a_wrong_document(tmp_path) -> None:
    store = filled(tmp_path)
    one, other = (file_of(tmp_path, key) for key in ("key-0", "key-1"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert held(store) == DOCUMENTS | {"key-0": None, "key-1": None}


def test_a_file_that_cannot_be_read_now_is_a_miss_and_stays(tmp_path, monkeypatch, caplog) -> None:
    store = filled(tmp_path)
    opened = os.open

    def failing(path, *arguments, **named):
        if "key-1" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        assert held(store) == DOCUMENTS | {"key-1": None}
    assert "Permission denied" in caplog.text
    assert held(store) == DOCUMENTS


def test_what_another_process_puts_again_while_it_is_replaced_here_stays(tmp_path, monkeypatch) -> None:
    """Between the commit here and the removal of the former file, another process puts the former document again."""
    here, there = FolderStore(tmp_path), FolderStore(tmp_path)
    here.put(OWNER, "key", b"first")
    unlink = here._unlink

    def late(rows) -> None:
        there.put(OWNER, "key", b"first")
        unlink(rows)

    monkeypatch.setattr(here, "_unlink", late)
    here.put(OWNER, "key", b"second")
    assert here.get(OWNER, "key") == there.get(OWNER, "key") == b"first"
    assert list(here.check()) == []


def test_a_document_that_was_gone_for_a_moment_is_not_lost(tmp_path, monkeypatch, caplog) -> None:
    """Replaced and put again between two looks at the index, it is as if nothing had been."""
    caplog.set_level(logging.WARNING)
    store, looks = filled(tmp_path), []

    def read_once_too_early(*asked) -> bytes:
        looks.append(asked)
        if len(looks) == 1:
            raise ValueError("it is gone, or has become a link")
        return read_whole(*asked)

    monkeypatch.setattr("trajflow.cache.folder_store.read_whole", read_once_too_early)
    assert store.get(OWNER, "key-1") == DOCUMENTS["key-1"]
    looks.clear()
    assert list(store.check()) == []
    assert held(store) == DOCUMENTS
    assert caplog.text == ""


def test_a_full_disk_is_a_sentence_and_what_was_kept_stays(tmp_path) -> None:
    store = filled(tmp_path)
    with full_disk():
        for key in ("key-1", "new"):
            with pytest.raises(CacheError, match="File too large"):
                store.put(OWNER, key, bytes(50_000))
        assert held(store) == DOCUMENTS
    assert len(list((tmp_path / "documents").iterdir())) == 3
    store.put(OWNER, "new", bytes(50_000))
    assert store.get(OWNER, "new") == bytes(50_000)


def test_what_is_deleted_on_a_full_disk_is_gone(tmp_path) -> None:
    store = filled(tmp_path)
    path = file_of(tmp_path, "key-1")
    with full_disk():
        with pytest.raises(CacheError):
            store.delete(OWNER, "key-1")
        assert not path.exists()
        assert store.get(OWNER, "key-2") == DOCUMENTS["key-2"]
    assert store.get(OWNER, "key-1") is None
    assert set(store.keys(OWNER)) == set(DOCUMENTS) - {"key-1"}


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_whatever_call_fails_what_was_kept_stays(tmp_path, monkeypatch, failing) -> None:
    store = filled(tmp_path)
    call, name = (os.fdopen, "fdopen") if failing == "write" else (getattr(os, failing), failing)

    def refuse(*arguments, **named):
        if failing == "write":
            os.close(arguments[0])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, name, refuse)
        with pytest.raises(CacheError, match="No space left on device"):
            store.put(OWNER, "key-1", b"another")
    assert getattr(os, name) is call
    assert held(store) == DOCUMENTS
    assert list((tmp_path / "documents").glob("*.partial")) == []


def test_an_index_that_is_lost_or_damaged_is_made_again_from_the_files(tmp_path, caplog) -> None:
    def strange(path) -> None:
        remove(path)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE notes (note TEXT)")
        connection.close()

    def forgetful(path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 0")
        connection.close()

    def empty(path) -> None:
        path.write_bytes(b"")

    def overwritten(path) -> None:
        path.write_bytes(b"no database" * 500)

    for harm in (remove, cut, empty, overwritten, strange, forgetful):
        folder = tmp_path / harm.__name__
        filled(folder).close()
        for beside in folder.glob("index.sqlite-*"):
            beside.unlink()
        harm(folder / "index.sqlite")
        assert held(FolderStore(folder)) == DOCUMENTS
    assert "is damaged" in caplog.text


def test_a_file_that_says_it_is_endless_costs_nobody_a_document(tmp_path) -> None:
    filled(tmp_path).close()
    (tmp_path / "index.sqlite").unlink()
    endless = tmp_path / "documents" / f"{OWNER}.endless.{'0' * 64}.safetensors"
    endless.touch()
    os.truncate(endless, 2**42)
    store = FolderStore(tmp_path)
    assert held(store) == DOCUMENTS
    assert store.get(OWNER, "endless") is None


def test_no_flipped_bit_of_the_index_gives_a_wrong_document(tmp_path) -> None:
    filled(tmp_path).close()
    index, chance = tmp_path / "index.sqlite", random.Random(0)
    written = index.read_bytes()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "documents").iterdir()}
    for _ in range(40):
        for beside in tmp_path.glob("index.sqlite*"):
            beside.unlink()
        for name, content in kept.items():
            (tmp_path / "documents" / name).write_bytes(content)
        harmed = bytearray(written)
        for _ in range(20):
            harmed[chance.randrange(len(harmed))] ^= 1 << chance.randrange(8)
        index.write_bytes(harmed)
        try:
            store = FolderStore(tmp_path)
            found = held(store)
        except CacheError:
            continue
        assert all(found[key] in (None, document) for key, document in DOCUMENTS.items())
        store.close()


def test_names_from_a_strange_index_lead_nowhere(tmp_path) -> None:
    filled(tmp_path / "state").close()
    (tmp_path / "target").write_bytes(b"a secret file")
    with sqlite3.connect(tmp_path / "state" / "index.sqlite") as connection:
        connection.execute("UPDATE documents SET sha256 = '../../target', size = 13")
    connection.close()
    store = FolderStore(tmp_path / "state")
    assert set(held(store).values()) == {None}
    store.drop(OWNER)
    assert (tmp_path / "target").read_bytes() == b"a secret file"


def test_an_index_of_a_later_version_is_a_sentence_and_untouched(tmp_path) -> None:
    filled(tmp_path).close()
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CacheError, match="written by a later version of trajflow"):
        FolderStore(tmp_path)
    assert len(list((tmp_path / "documents").iterdir())) == 3


def test_an_index_of_an_earlier_version_is_brought_up_step_by_step(tmp_path, monkeypatch) -> None:
    filled(tmp_path).close()

    def note(connection) -> None:
        connection.execute("ALTER TABLE owners ADD COLUMN note TEXT NOT NULL DEFAULT ''")

    with monkeypatch.context() as patched:
        patched.setattr("trajflow.cache.index.STEPS", (*STEPS, note))
        store = FolderStore(tmp_path)
        assert store.get(OWNER, "key-1") == DOCUMENTS["key-1"]
        store.close()
        store = FolderStore(tmp_path)
        assert store.get(OWNER, "key-1") == DOCUMENTS["key-1"], "and only once"
        store.close()

    def fail(connection) -> None:
        connection.execute("ALTER TABLE owners ADD COLUMN another TEXT")
        raise sqlite3.OperationalError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("trajflow.cache.index.STEPS", (*STEPS, note, fail))
        with pytest.raises(CacheError, match="no room"):
            FolderStore(tmp_path)
    with pytest.raises(CacheError, match="a later version"):
        FolderStore(tmp_path)
    connection = sqlite3.connect(tmp_path / "index.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (2,), "a step that fails changes nothing"
    assert "another" not in [row[1] for row in connection.execute("PRAGMA table_info(owners)")]
    connection.close()


@pytest.mark.parametrize("place", ["documents", "index.sqlite"])
def test_a_folder_with_a_link_in_it_is_refused(tmp_path, place) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="state"):
        FolderStore(tmp_path / "state")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"Sessions cannot be kept in .*: Not a directory\. Choose another folder\."):
        FolderStore(tmp_path / "file" / "state")


def test_owners_are_kept_for_a_time_after_their_last_use(tmp_path) -> None:
    now = [1_000.0]
    store = FolderStore(tmp_path, keep_seconds=100, clock=lambda: now[0])
    other = owner_of("another")
    store.put(OWNER, "old", b"1")
    store.put(other, "old", b"2")
    now[0] += 90
    assert store.get(OWNER, "old") == b"1"
    now[0] += 20
    assert store.sweep() == 1
    assert (store.keys(OWNER), store.keys(other)) == (("old",), ())
    assert len(list((tmp_path / "documents").iterdir())) == 1
    store.close()
    now[0] += 100
    again = FolderStore(tmp_path, keep_seconds=100, clock=lambda: now[0])
    assert again.keys(OWNER) == ()


def test_a_smaller_folder_keeps_what_was_used_last(tmp_path) -> None:
    store = filled(tmp_path)
    store.get(OWNER, "key-0")
    store.close()
    again = FolderStore(tmp_path, capacity=6_500)
    assert set(again.keys(OWNER)) == {"key-0", "key-2"}
    assert len(list((tmp_path / "documents").iterdir())) == 2


def test_what_dead_processes_left_is_removed_and_strangers_files_are_not(tmp_path) -> None:
    store = filled(tmp_path)
    documents = tmp_path / "documents"
    for name in ("old.partial", "new.partial", "notes.txt", f"{OWNER}.never-committed.{'0' * 64}.safetensors"):
        (documents / name).write_bytes(b"something")
    long_ago = time.time() - 10_000
    os.utime(documents / "old.partial", (long_ago, long_ago))
    store.sweep()
    assert {path.name for path in documents.iterdir()} - {file_of(tmp_path, key).name for key in DOCUMENTS} == {
        "new.partial",
        "notes.txt",
    }
    [trouble] = store.check()
    assert (trouble.path.name, trouble.said, trouble.row) == ("notes.txt", "it is none of the documents", None)


def test_a_check_finds_what_is_wrong_and_changes_nothing(tmp_path) -> None:
    store = filled(tmp_path)
    assert list(store.check()) == []
    flip(file_of(tmp_path, "key-1"))
    [trouble] = store.check()
    assert trouble.row.key == "key-1"
    assert set(store.keys(OWNER)) == set(DOCUMENTS)
    store.remove(trouble)
    assert list(store.check()) == []


def test_a_check_takes_what_others_are_putting_and_removing_for_theirs(tmp_path, monkeypatch) -> None:
    """A document without its entry yet, and one that is gone between the listing and the look at it."""
    store = filled(tmp_path)
    names = [f"{OWNER}.{key}.{'0' * 64}.safetensors" for key in ("on-its-way-in", "on-its-way-out")]
    (tmp_path / "documents" / names[0]).write_bytes(b"something")
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: [*listed(path), *(path / name for name in names)])
    assert list(store.check()) == []


WRITER = """
import os, random, sys
from pathlib import Path
from trajflow.cache import FolderStore
from trajflow.cache.store import owner_of

owner = owner_of("a session")


def write(seed, times):
    store, draw = FolderStore(Path(sys.argv[1])), random.Random(seed)
    for number in range(times):
        document = bytes([draw.randrange(256)]) * draw.randrange(1, 400_000)
        key = f"key-{draw.randrange(5)}"
        store.put(owner, key, document)
        os.write(1, f"{key} {len(document)} {document[0]}\\n".encode())
    store.close()


# A process that has imported everything makes the writers.
for line in sys.stdin:
    seed, times = map(int, line.split())
    child = os.fork()
    if not child:
        os.write(1, f"{os.getpid()}\\n".encode())
        write(seed, times)
        os._exit(0)
    assert os.waitpid(child, 0)[0] == child
    os.write(1, b"over\\n")
"""


@pytest.fixture
def make_writer(tmp_path):
    """Processes that write documents: each is told a seed and how often, and tells of every document that is kept."""
    processes = []

    def make() -> subprocess.Popen:
        command = [sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1))
        return processes[-1]

    yield make
    for process in processes:
        with process:
            process.stdin.close()


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_documents_and_everything_that_was_committed(tmp_path, make_writer) -> None:
    chance, committed, writers = random.Random(0), {}, make_writer()
    store = FolderStore(tmp_path)
    for turn in range(24):
        writers.stdin.write(f"{turn} 1000000\n")
        child, lines = int(writers.stdout.readline()), [writers.stdout.readline()]
        until = time.monotonic() + chance.uniform(0, 0.1)
        while time.monotonic() < until:
            lines.append(writers.stdout.readline())
        os.kill(child, signal.SIGKILL)
        while (line := writers.stdout.readline()) != "over\n":
            lines.append(line)
        for line in lines:
            key, size, value = line.split()
            committed[key] = (int(size), int(value))
        if turn % 2:
            store.close()
            store = FolderStore(tmp_path)
        assert list(store.check()) == []
        differing = 0
        for key, (size, value) in committed.items():
            document = store.get(OWNER, key)
            assert document is not None, "a committed document is lost"
            assert document == document[:1] * len(document), "a document is torn"
            # One that was committed and not yet told of may stand in its place.
            differing += (len(document), document[0]) != (size, value)
            committed[key] = (len(document), document[0])
        assert differing <= 1
    store.sweep()
    assert len(list((tmp_path / "documents").glob("*.safetensors"))) == len(store.keys(OWNER))
    store.close()


@pytest.mark.slow
def test_two_processes_write_and_read_one_folder(tmp_path, make_writer, caplog) -> None:
    caplog.set_level(logging.WARNING)
    writers = [make_writer() for _ in range(2)]
    store = FolderStore(tmp_path)
    for seed, each in enumerate(writers):
        each.stdin.write(f"{seed} 60\n")
    told = 0
    for line in (line for number in range(62) for each in writers if (line := each.stdout.readline())):
        told += line.startswith("key")
        for key in store.keys(OWNER):
            document = store.get(OWNER, key)
            assert document is None or document == document[:1] * len(document)
    assert told == 120
    assert len(store.keys(OWNER)) == 5
    assert list(store.check()) == []
    assert caplog.text == ""
    assert len(list((tmp_path / "documents").iterdir())) == 5
    store.close()
