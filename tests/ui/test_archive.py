"""A session as one file: what comes back of it, and files that are damaged."""

import io
import json
import zipfile

import pytest

from trajflow.base import Result
from trajflow.errors import RequestError
from trajflow.session import Session
from trajflow.ui import archive
from trajflow.ui.registry import TabSession

DAMAGED = "not a session that trajflow has saved, or it is damaged"


def tab_of(mixture) -> TabSession:
    return TabSession("key", Session(mixture), deadline=0.0)


@pytest.fixture
def saved(mixture) -> bytes:
    tab_session = tab_of(mixture)
    tab_session.session.generate("a mountain")
    return archive.write(tab_session)


def changed(saved, change) -> bytes:
    """The file with `change` applied to the bytes of each member."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def told(saved, **others) -> bytes:
    """The file with something else said of its first entry."""

    def change(name, content):
        if name != "session.json":
            return content
        about = json.loads(content)
        return json.dumps({**about, "entries": [{**about["entries"][0], **others}]})

    return changed(saved, change)


def test_a_preview_comes_back_as_one(mixture) -> None:
    before, after = tab_of(mixture), tab_of(mixture)
    stream = before.session.stream("a mountain", steps=28, refine=True)
    next(event for event in stream if isinstance(event, Result))
    stream.close()
    assert archive.read(after, archive.write(before)) == (1, 1)
    asked = {"prompt": "a mountain", "steps": 28}
    foreseen = [tab_session.session.estimate(**asked).nfe for tab_session in (before, after)]
    assert foreseen[0] == foreseen[1] > 0


def test_of_a_file_of_before_every_picture_is_an_answer(mixture) -> None:
    before, after = tab_of(mixture), tab_of(mixture)
    before.session.generate("a mountain", strategy="interval", budget=4)
    content = archive.write(before)
    about = json.loads(zipfile.ZipFile(io.BytesIO(content)).read("session.json"))
    assert about["entries"][0].pop("is_final")
    archive.read(after, changed(content, lambda name, old: json.dumps(about) if name == "session.json" else old))
    assert after.session.generate("a mountain", strategy="interval", budget=4).from_store


@pytest.mark.parametrize("others", [{"seconds": []}, {"angles": []}, {"created": 10**400}])
def test_a_file_that_says_what_cannot_be_is_refused_in_a_sentence(mixture, saved, others) -> None:
    tab_session = tab_of(mixture)
    with pytest.raises(RequestError, match=DAMAGED):
        archive.read(tab_session, told(saved, **others))
    assert tab_session.session.entries() == ()


def test_a_file_with_a_harmed_picture_or_text_is_refused_in_a_sentence(mixture, saved) -> None:
    def harm(name, content):
        """A picture that says it has half its data."""
        at = content.find(b"IDAT")
        return content[: at - 1] + bytes([content[at - 1] // 2]) + content[at:] if name.endswith(".png") else content

    broken = changed(saved, harm)
    start = saved.rindex(b"session.json", 0, saved.index(b"PK\x01\x02")) + len("session.json")
    cut = saved[:start] + b"\xff" * 8 + saved[start + 8 :]
    for content in (broken, cut):
        with pytest.raises(RequestError, match=DAMAGED):
            archive.read(tab_of(mixture), content)


def test_what_can_be_said_of_a_file_is_said(mixture, saved) -> None:
    with pytest.raises(RequestError, match="made by a method that is not known here"):
        archive.read(tab_of(mixture), told(saved, method="another"))
    small = TabSession("key", Session(mixture, cache_bytes=1024), deadline=0.0)
    with pytest.raises(RequestError, match="larger than this one may be"):
        archive.read(small, saved)
