"""`trajflow cache`: looking after kept sessions, and moving them; hostile files are refused whole."""

import io
import json
import os
import pickle
import time
import zipfile

import pytest
from typer.testing import CliRunner

import trajflow
from trajflow.cache import FolderStore, OwnedStore
from trajflow.cache.exchange import export_store, import_store
from trajflow.cache.store import owner_of
from trajflow.cli import app
from trajflow.errors import CacheError

PROMPTS = ("snowy mountain dusk", "snowy mountain dawn")
OWNER = owner_of("mine")


def run(*words) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["cache", *map(str, words)])
    return done.exit_code, done.output


@pytest.fixture
def folder(mixture, tmp_path):
    """Two runs of one session and a note."""
    store = FolderStore(tmp_path / "state")
    session = trajflow.Session(mixture, state=OwnedStore(store, OWNER))
    for prompt in PROMPTS:
        session.generate(prompt)
    OwnedStore(store, OWNER).write_note("tree", {"nodes": []})
    store.close()
    return tmp_path / "state"


@pytest.fixture
def exported(folder, tmp_path):
    assert run("export", folder, tmp_path / "all.zip") == (0, f"3 documents are in {tmp_path / 'all.zip'}.\n")
    return tmp_path / "all.zip"


def file_of(folder, beginning=""):
    return sorted(path for path in (folder / "documents").glob(f"*.{beginning}*") if "note" not in path.name)[0]


def test_info_tells_sessions_by_a_hash(folder) -> None:
    code, said = run("info", folder)
    assert code == 0
    assert said.startswith("1 sessions, 3 documents, ")
    assert OWNER[:12] in said
    assert "mountain" not in said


def test_verify_finds_damage_and_strangers_and_removes_only_when_asked(folder) -> None:
    assert run("verify", folder) == (0, "3 documents are as they were put, 0 are wrong.\n")
    harmed = file_of(folder)
    os.truncate(harmed, 100)
    (folder / "documents" / "notes.txt").write_text("a stranger's")
    for words in ((folder,), (folder, "--remove")):
        code, said = run("verify", *words)
        assert code == 1
        assert f"{harmed}: it has been replaced or cut" in said
        assert "notes.txt: it is none of the documents" in said
        assert said.endswith("2 documents are as they were put, 2 are wrong.\n")
    (folder / "documents" / "notes.txt").unlink()
    assert run("verify", folder) == (0, "2 documents are as they were put, 0 are wrong.\n")


def test_verify_finds_what_is_whole_and_yet_no_run(folder) -> None:
    store = FolderStore(folder)
    store.put(OWNER, "0" * 32, pickle.dumps({"a": 1}))
    store.close()
    code, said = run("verify", folder)
    assert code == 1
    assert "it is whole, but nothing that this version reads" in said


def test_what_a_server_removes_while_it_is_verified_is_nothing_wrong(folder, monkeypatch) -> None:
    gone, peek = FolderStore(folder).documents()[0], FolderStore.peek

    def beside_a_server(store, row):
        store.delete(gone.owner, gone.key)
        return peek(store, row)

    monkeypatch.setattr(FolderStore, "peek", beside_a_server)
    assert run("verify", folder) == (0, "2 documents are as they were put, 0 are wrong.\n")


def test_prune_removes_what_is_older_or_more_than_said(folder) -> None:
    code, said = run("prune", folder)
    assert (code, said.split(" ", 1)[0]) == (0, "0")
    for limit in (("--days", "1"), ("--gib", "inf")):
        code, said = run("prune", folder, *limit)
        assert (code, said.split(" ", 1)[0]) == (0, "0")
    store = FolderStore(folder, clock=lambda: time.time() - 3 * 86_400)
    store.put(owner_of("long ago"), "0" * 32, b"old")
    store.close()
    code, said = run("prune", folder, "--days", "2")
    assert (code, said.split(" ", 1)[0]) == (0, "1")
    code, said = run("prune", folder, "--gib", "0")
    assert (code, said.split(" ", 1)[0]) == (0, "3")
    assert list((folder / "documents").iterdir()) == []


def test_looking_after_a_folder_is_no_use_of_it(folder, tmp_path) -> None:
    before = FolderStore(folder).owners()
    for words in (("info", folder), ("verify", folder), ("export", folder, tmp_path / "all.zip"), ("prune", folder)):
        assert run(*words)[0] == 0
    assert FolderStore(folder).owners() == before


def test_what_is_exported_can_be_imported_elsewhere(mixture, folder, exported, tmp_path) -> None:
    assert run("import", tmp_path / "new", exported) == (0, "3 documents were taken in; 0 were there already.\n")
    assert run("import", tmp_path / "new", exported) == (0, "0 documents were taken in; 3 were there already.\n")
    ours, theirs = (
        trajflow.Session(mixture, state=OwnedStore(FolderStore(path), OWNER)) for path in (folder, tmp_path / "new")
    )
    assert [entry.prompt for entry in theirs.entries()] == [entry.prompt for entry in ours.entries()]
    for mine, other in zip(ours.entries(), theirs.entries(), strict=True):
        assert mine.trajectory == other.trajectory
    assert exported.stat().st_mode & 0o77 == 0


def test_damaged_runs_are_not_exported(folder, tmp_path) -> None:
    os.truncate(file_of(folder), 100)
    assert run("export", folder, tmp_path / "all.zip") == (0, f"2 documents are in {tmp_path / 'all.zip'}.\n")


def test_what_cannot_be_is_a_sentence_and_exit_code_2(folder, exported, tmp_path) -> None:
    for words, said in (
        (("info", tmp_path / "nowhere"), "No sessions are kept in"),
        (("verify", tmp_path / "nowhere"), "No sessions are kept in"),
        (("export", tmp_path / "nowhere", tmp_path / "a.zip"), "No sessions are kept in"),
        (("export", folder, exported), "exists. Name another file"),
        (("export", folder, tmp_path / "nowhere" / "a.zip"), "cannot be written"),
        (("import", tmp_path / "new", tmp_path / "nowhere.zip"), "There is no file"),
        (("import", exported / "new", exported), "Sessions cannot be kept in"),
    ):
        code, told = run(*words)
        assert code == 2, told
        assert said in told
        assert "Traceback" not in told
    assert not (tmp_path / "nowhere").exists()


def archive(members, compression=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in members:
            made.writestr(name, content)
    return buffer.getvalue()


def hostile(exported) -> dict[str, bytes]:
    """Files that no export is, by what is wrong with them."""
    with zipfile.ZipFile(exported) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    name, run_document = next((name, content) for name, content in members.items() if "note" not in name)
    other = next(each for each in members if each != name and "note" not in each)
    link = zipfile.ZipInfo(f"{OWNER}/{'1' * 32}")
    link.external_attr = 0o120777 << 16
    content = exported.read_bytes()
    lying = content.replace(len(run_document).to_bytes(4, "little") * 2, (2**31).to_bytes(4, "little") * 2)
    assert lying != content
    return {
        "slip": archive([(name, run_document), ("../../etc/cron.d/x", b"x")]),
        "absolute": archive([("/tmp/x", b"x")]),
        "backslash": archive([(f"{OWNER}\\{'0' * 32}", run_document)]),
        "foreign key": archive([(f"{OWNER}/run", run_document)]),
        "foreign owner": archive([(f"me/{'0' * 32}", run_document)]),
        "another's key": archive([(other, run_document)]),
        "pickle": archive([(name, pickle.dumps(print))]),
        "pickled tensors": archive([(f"{OWNER}/{'0' * 32}", b"PK\x03\x04" + bytes(50))]),
        "link": archive([(link, b"/etc/passwd")]),
        "bomb": archive([(name, bytes(10**7))], zipfile.ZIP_DEFLATED),
        "compressed": archive([(name, run_document)], zipfile.ZIP_DEFLATED),
        "cut run": archive([(name, run_document[:-1])]),
        "note of no object": archive([(f"{OWNER}/note-tree", b"[1, 2]")]),
        "deep note": archive([(f"{OWNER}/note-tree", b"[" * 10**5)]),
        "wrong sizes": lying,
        "cut": content[:-30],
        "flipped": content[:200] + bytes([content[200] ^ 1]) + content[201:],
        "no zip": b"hello",
        "empty": b"",
        "json": json.dumps({"a": 1}).encode(),
    }


def test_hostile_files_are_refused_and_nothing_of_them_is_kept(exported, tmp_path) -> None:
    store = FolderStore(tmp_path / "new")
    for name, content in hostile(exported).items():
        path = tmp_path / "hostile.zip"
        path.write_bytes(content)
        with pytest.raises(CacheError, match=r"\.$"):
            import_store(store, path)
        assert store.documents() == [], name
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = archive([("note", b"{}"), ("note", b"{}")])
    path.write_bytes(content)
    code, said = run("import", tmp_path / "new", path)
    assert (code, said.count("\n")) == (2, 1)
    assert {each.name for each in tmp_path.iterdir()} == {"state", "all.zip", "new", "hostile.zip"}


def test_an_export_that_fails_leaves_nothing(folder, tmp_path, monkeypatch) -> None:
    def refuse(*_):
        raise OSError(28, "No space left on device")

    store = FolderStore(folder)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(CacheError, match="No space left on device"):
        export_store(store, tmp_path / "all.zip")
    assert {each.name for each in tmp_path.iterdir()} == {"state"}


def test_an_export_that_is_refused_leaves_the_files_beside_it(folder, exported, tmp_path) -> None:
    beside = tmp_path / f"{exported.name}.partial"
    beside.write_bytes(b"precious")
    assert run("export", folder, exported)[0] == 2
    assert beside.read_bytes() == b"precious"
    exported.unlink()
    assert run("export", folder, exported)[0] == 0, "nor is it in the way of another"
    assert beside.read_bytes() == b"precious"


def test_an_export_beside_a_server_has_what_is_renewed_meanwhile(mixture, folder, tmp_path, monkeypatch) -> None:
    store = FolderStore(folder)
    session = trajflow.Session(mixture, state=OwnedStore(store, OWNER))
    coasted = session.generate("snowy mountain fog", budget=3).key
    keys, peek = {entry.key for entry in session.entries()}, FolderStore.peek

    def beside_a_server(store, row):
        list(session.complete(coasted))
        return peek(store, row)

    monkeypatch.setattr(FolderStore, "peek", beside_a_server)
    assert export_store(store, tmp_path / "all.zip") == 4
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert keys <= {name.partition("/")[2] for name in archive.namelist()}


def test_verify_holds_one_document_at_a_time(folder, monkeypatch) -> None:
    """A full folder has gigabytes."""
    peek, alive, most = FolderStore.peek, [], []

    class Document(bytes):
        def __del__(self):
            alive.pop()

    def watched(store, row):
        alive.append(row)
        most.append(len(alive))
        return Document(peek(store, row))

    monkeypatch.setattr(FolderStore, "peek", watched)
    assert run("verify", folder)[0] == 0
    assert len(most) == 3
    assert max(most) <= 2
