"""Sessions that go on to the disk."""

import gc

import pytest
import torch

import trajflow
from trajflow.errors import CacheError

PROMPTS = tuple(f"snowy mountain {word}" for word in ("dusk", "dawn", "fog", "sun", "lake", "cabin"))


def entry_bytes(mixture) -> int:
    session = trajflow.Session(mixture)
    session.generate(PROMPTS[0])
    return session.nbytes


def test_runs_that_memory_cannot_hold_wait_on_the_disk_and_serve_as_before(mixture, tmp_path) -> None:
    size = entry_bytes(mixture)
    small = trajflow.Session(mixture, cache_bytes=2 * size, spill=tmp_path)
    large = trajflow.Session(mixture, cache_bytes=20 * size)
    for session in (small, large):
        for prompt in PROMPTS:
            session.generate(prompt, strategy="baseline")
    [folder] = tmp_path.iterdir()
    assert len(list(folder.glob("*.safetensors"))) == len(PROMPTS) - 2
    assert small.nbytes == large.nbytes == len(PROMPTS) * size
    assert small.capacity == 17 * 2 * size
    ours, theirs = (session.generate("mountain dusk fog", budget=4) for session in (small, large))
    assert ours.image.tobytes() == theirs.image.tobytes()
    assert len(ours.plan.sources) == len(PROMPTS)
    assert small.generate(PROMPTS[0]).from_store
    completed = [list(session.complete())[-1] for session in (small, large)]
    assert completed[0].baseline.tobytes() == completed[1].baseline.tobytes()
    for mine, other in zip(small.entries(), large.entries(), strict=True):
        assert mine.result.image.tobytes() == other.result.image.tobytes()
        assert torch.equal(mine.trajectory.velocities, other.trajectory.velocities)
        assert small.diagnose(mine.key) == large.diagnose(other.key)


def test_the_folder_of_a_session_goes_with_it_or_with_its_runs(mixture, tmp_path) -> None:
    session = trajflow.Session(mixture, cache_bytes=entry_bytes(mixture), spill=tmp_path / "new" / "runs")
    for prompt in PROMPTS:
        session.generate(prompt, strategy="baseline")
    [folder] = (tmp_path / "new" / "runs").iterdir()
    assert len(list(folder.glob("*.safetensors"))) == len(PROMPTS) - 1
    session.forget(session.entries()[-1].key)
    assert len(list(folder.glob("*.safetensors"))) == len(PROMPTS) - 2
    session.clear()
    assert list(folder.glob("*.safetensors")) == []
    del session
    gc.collect()
    assert not folder.exists()


def test_two_sessions_never_share_a_folder(mixture, tmp_path) -> None:
    sessions = [trajflow.Session(mixture, spill=tmp_path) for _ in range(2)]
    assert len(list(tmp_path.iterdir())) == len(sessions)


def test_without_a_folder_nothing_is_written(mixture, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = trajflow.Session(mixture, cache_bytes=2 * entry_bytes(mixture))
    for prompt in PROMPTS:
        session.generate(prompt, strategy="baseline")
    assert len(session.entries()) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_a_sentence(mixture, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"Runs cannot be kept in .*: Not a directory\. Choose another folder\."):
        trajflow.Session(mixture, spill=tmp_path / "file" / "runs")


def test_what_may_serve_a_request_is_brought_up_before_its_text_is_encoded(mixture, monkeypatch) -> None:
    """The two stores of a session on a GPU, here both in the CPU's memory."""
    size, seen = entry_bytes(mixture), []
    mixture.device = torch.device("cuda")
    session = trajflow.Session(mixture, cache_bytes=2 * size)
    # There is nothing to move them to.
    monkeypatch.setattr("trajflow.session.cache.on_device", lambda entry, device: entry)
    assert session.capacity == 4 * size
    at, encode = session._cache.place_of, mixture.encode

    def watched(*asked):
        seen.append([entry.prompt for entry in session.entries() if at(entry.key) == "gpu"])
        return encode(*asked)

    monkeypatch.setattr(mixture, "encode", watched)
    for prompt in PROMPTS[:3]:
        session.generate(prompt, strategy="baseline")
    session.generate("snowy mountain dusk", seed=1)
    session.generate("snowy mountain dusk by", budget=4, strategy="difference")
    assert seen[-1] == ["snowy mountain dusk", "snowy mountain dusk"]


def test_a_session_apart_has_the_memory_of_its_own_and_no_more(mixture, tmp_path) -> None:
    session = trajflow.Session(mixture, cache_bytes=2**20, spill=tmp_path)
    assert session.apart("published").capacity == 2**20
