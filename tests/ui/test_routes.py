"""The studio's routes over the closed-form flow, as its script uses them."""

import io
import json
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from trajflow import Session
from trajflow.engine.blending import blending
from trajflow.ui import png
from trajflow.ui.registry import Registry
from trajflow.ui.routes import routes
from trajflow.ui.tree import BIN_SIZE
from trajflow.ui.variations import MOST_CELLS
from trajflow.ui.wire import HEADER


class Visitor:
    """A browser tab."""

    def __init__(self, client):
        self._client = client
        greeting = client.post("/studio/hello", json={}).json()
        self.greeting, self.key = greeting, greeting["session"]

    def post(self, name, body=None, **options):
        content = {"content": body} if isinstance(body, bytes) else {"json": body or {}}
        return self._client.post(f"/studio/{name}", headers={HEADER: self.key, **options.pop("headers", {})}, **content)

    def events(self, name, body):
        answer = self.post(name, body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]

    def run(self, prompt, **body):
        events = self.events("run", {"prompt": prompt, "seed": 7, **body})
        assert events[-1] == {"type": "done"}, events[-1]
        return next(event for event in events if event["type"] == "picture")

    def library(self):
        return self._client.post("/studio/hello", json={"session": self.key}).json()

    def picture(self, key, which="shown"):
        return self._client.get(f"/studio/picture/{key}/{which}", headers={HEADER: self.key})


@pytest.fixture
def registry(mixture):
    model = blending(mixture)
    return Registry(lambda: Session(model))


@pytest.fixture
def client(mixture, registry):
    with TestClient(Starlette(routes=routes(blending(mixture), registry)), base_url="http://studio") as client:
        yield client


@pytest.fixture
def visitor(client):
    return Visitor(client)


def test_a_preview_is_a_draft_that_the_next_picture_replaces(visitor):
    first = visitor.run("a mountain")["node"]
    draft = visitor.run("a mountain dusk", level="preview", parent=first["key"])["node"]
    assert (draft["state"], draft["parent"], draft["draft"]) == ("preview", first["key"], True)
    assert draft["nfe"] <= 3
    events = visitor.events("run", {"prompt": "a mountain dusk", "seed": 7, "parent": first["key"]})
    good = next(event["node"] for event in events if event["type"] == "picture")
    [forgotten] = [event for event in events if event["type"] == "forgotten"]
    assert (forgotten["keys"], forgotten["let_go"]) == ([draft["key"]], 0)
    assert forgotten["held"] == visitor.library()["held"]
    assert [node["key"] for node in visitor.library()["nodes"]] == [good["key"], first["key"]]


def test_a_preview_says_what_enter_would_do(visitor):
    events = visitor.events("run", {"prompt": "a mountain", "seed": 7, "level": "preview", "quality": "exact"})
    [estimate] = [event for event in events if event["type"] == "estimate"]
    assert estimate["nfe"] == 8


def test_idle_time_makes_a_picture_exact_and_keeps_the_draft(visitor):
    visitor.run("a mountain", quality="exact")
    draft = visitor.run("a mountain dusk", level="preview")["node"]
    events = visitor.events("complete", {"key": draft["key"]})
    done = next(event for event in events if event["type"] == "picture")
    assert (done["node"]["state"], done["node"]["draft"]) == ("exact", False)
    exact = Image.open(io.BytesIO(visitor.picture(draft["key"], "exact").content))
    again = visitor.run("a mountain dusk", quality="exact")
    assert again["spent"] == 0
    assert np.array_equal(np.asarray(exact), np.asarray(Image.open(io.BytesIO(visitor.picture(draft["key"]).content))))


def test_each_picture_carries_its_own_settings(visitor):
    visitor.run("a mountain", quality="exact")
    node = visitor.run("a mountain dusk", quality="evaluations", amount=3)["node"]
    visitor.events("complete", {"key": node["key"]})
    cached = png.read_settings(visitor.picture(node["key"], "cached").content)
    exact = png.read_settings(visitor.picture(node["key"], "exact").content)
    assert (cached["nfe"], cached["strategy"], cached["budget"]) == (3, "auto", 3)
    assert (exact["nfe"], exact["strategy"], exact["budget"]) == (8, "baseline", None)
    assert exact["kinds"] == ["computed"] * 8
    body = visitor.picture(node["key"], "exact").content
    assert visitor.post("read", body, headers={"Content-Type": "image/png"}).json() == exact


def test_sources_can_be_chosen_by_hand(visitor):
    near = visitor.run("a mountain dusk", quality="exact")["node"]
    far = visitor.run("a city", quality="exact", apart=True)["node"]
    asked = {"quality": "evaluations", "amount": 3}
    assert visitor.run("a mountain night", pinned=[far["key"]], **asked)["node"]["sources"] == [far["key"]]
    assert far["key"] not in visitor.run("a mountain noon", excluded=[far["key"]], **asked)["node"]["sources"]
    assert visitor.run("a mountain fog", **asked)["node"]["sources"][0] == near["key"]
    shares = visitor.post("sources", {"key": visitor.library()["nodes"][0]["key"]}).json()["sources"]
    assert sum(source["weight"] for source in shares) == pytest.approx(1, abs=0.01)


def test_names_marks_deleting_and_undoing(visitor):
    key = visitor.run("a mountain")["node"]["key"]
    child = visitor.run("a mountain dusk", parent=key)["node"]["key"]
    assert visitor.post("node", {"key": key, "name": "the one", "is_pinned": True}).json()["name"] == "the one"
    left = visitor.post("delete", {"key": key}).json()
    assert [(node["key"], node["parent"]) for node in left["nodes"]] == [(child, None)]
    back = visitor.post("undelete").json()["nodes"]
    assert {node["key"]: node["name"] for node in back} == {child: "", key: "the one"}
    assert visitor.post("undelete").status_code == 400


def test_a_sheet_shares_its_steps_and_is_downloaded_as_one_picture(visitor):
    prompts = visitor.post("expand", {"template": "a {mountain|city} {dusk|night}"}).json()["prompts"]
    cells = [{"prompt": prompt, "seed": 7, "quality": "evaluations", "amount": 3} for prompt in prompts]
    events = visitor.events("sheet", {"cells": cells})
    made = [event for event in events if event["type"] == "cell"]
    assert sorted(event["index"] for event in made) == [0, 1, 2, 3]
    assert [event["index"] for event in made] == events[0]["order"]
    assert made[-1]["computed"] + made[-1]["saved"] == 4 * 8
    assert made[-1]["saved"] > 0
    keys = [event["node"]["key"] for event in made]
    sheet = visitor.post("contact", {"keys": keys, "columns": 2})
    assert sheet.headers["content-type"] == "image/png"
    assert len(visitor.library()["nodes"]) == 4


def test_the_lab_measures_every_method_and_keeps_the_from_scratch_picture_alone(visitor):
    visitor.run("a mountain", quality="exact")
    ways = [{"strategy": "auto"}, {"strategy": "fewer-steps"}, {"strategy": "resume", "quality": "tiers"}]
    cell = {"prompt": "a mountain dusk", "seed": 7, "quality": "evaluations", "amount": 4}
    events = visitor.events("sheet", {"lab": True, "cells": [cell | way for way in ways]})
    made = [event for event in events if event["type"] == "cell"]
    assert [event["spent"] <= 4 for event in made[:2]] == [True, True]
    assert all(event["psnr_db"] > 0 for event in made)
    kept = [node["key"] for node in visitor.library()["nodes"]]
    assert len(kept) == 2, "the picture and the from-scratch one it is measured against"
    assert [event["node"]["key"] for event in events if event["type"] == "exact"] == kept[:1], "which is shown at once"


def test_tiers_of_ones_own_say_how_much_is_taken(visitor):
    visitor.run("a mountain", quality="exact")
    cell = {"prompt": "a mountain dusk", "seed": 7, "quality": "tiers", "strategy": "resume"}
    tables = [[[-1.0, 0.5]], [[-1.0, 0.25]], "published"]
    events = visitor.events("sheet", {"lab": True, "cells": [cell | {"tiers": tiers} for tiers in tables]})
    made = [event for event in events if event["type"] == "cell"]
    assert [event["tier"]["taken"] for event in made[:2]] == [4, 2]
    assert [event["spent"] for event in made[:2]] == [4, 6]
    assert [event["tier"]["name"] for event in made[:2]] == ["tier 1", "tier 1"]
    assert made[2]["tier"]["prompt"] == "a mountain"


def test_learned_tiers_follow_what_the_lab_measured_until_that_is_forgotten(visitor):
    visitor.run("a mountain", quality="exact")
    published = [[0.97, 0.95], [0.9, 0.75], [0.85, 0.55]]
    begun = visitor.post("learned").json()
    assert (begun["tiers"], begun["resumes"]) == (published, 0)
    assert "Nothing is learned yet" in begun["line"]
    cell = {"prompt": "a mountain dusk", "seed": 7, "quality": "tiers", "strategy": "resume"}
    late = [
        cell | {"tiers": [[-1.0, 0.9]]},
        cell | {"tiers": [[-1.0, 0.9]]},
        cell | {"quality": "evaluations", "amount": 6},
    ]
    made = [event for event in visitor.events("sheet", {"lab": True, "cells": late}) if event["type"] == "cell"]
    taught = [(event["tier"]["taken"] / 8, event["psnr_db"] >= 37.2) for event in made]
    learned = visitor.post("learned").json()
    assert learned["resumes"] == 2, "the same measurement twice counts once"
    good = len({each for each in taught if each[1]})
    assert f"{good} came within 37.2 dB" in learned["line"]
    assert learned["tiers"] != published
    own = [cell | {"tiers": learned["tiers"]}, cell | {"tiers": "learned"}]
    as_learned = [event for event in visitor.events("sheet", {"lab": True, "cells": own}) if event["type"] == "cell"]
    assert as_learned[0]["spent"] == as_learned[1]["spent"]
    assert visitor.post("learned", {"forget": True}).json() == begun
    assert visitor.post("learned").json() == begun


def test_only_the_whole_state_resumes_a_run_exactly(visitor):
    key = visitor.run("a mountain", quality="exact")["node"]["key"]
    events = visitor.events("ablate", {"key": key})
    kept = {event["kept"]: event for event in events if event["type"] == "kept"}
    assert [event["spent"] for event in kept.values()] == [4, 4, 4]
    assert kept["state"]["identical"]
    assert not kept["latents"]["identical"]
    assert kept["picture"]["psnr_db"] < 100
    cached = visitor.run("a mountain dusk", quality="evaluations", amount=3)["node"]["key"]
    assert visitor.events("ablate", {"key": cached})[-1]["type"] == "error"
    assert len(visitor.library()["nodes"]) == 2


def test_prompts_between_two_prompts_go_from_one_to_the_other(client, mixture):
    model = blending(mixture)
    a, b = (model.encode(prompt, "", 1.0).tensors for prompt in ("a lake", "a city"))
    mixed = model.encode("a lake ~50%~ a city", "", 1.0)
    assert set(mixed.tensors) == set(a) == set(b)
    assert mixed.prompt == "a lake ~50%~ a city"
    assert Visitor(client).run("a lake ~50%~ a city")["node"]["prompt"] == "a lake ~50%~ a city"


def test_a_saved_session_is_the_same_session_elsewhere(client, visitor):
    first = visitor.run("a mountain", quality="exact")["node"]
    visitor.post("node", {"key": first["key"], "name": "the one", "is_favourite": True})
    visitor.run("a mountain dusk", parent=first["key"])
    saved = visitor.post("save").content
    other = Visitor(client)
    told = other.post("load", saved).json()
    assert (told["pictures"], told["paths"]) == (2, 2)
    here = {node["key"]: (node["name"], node["parent"], node["prompt"]) for node in visitor.library()["nodes"]}
    assert {node["key"]: (node["name"], node["parent"], node["prompt"]) for node in told["nodes"]} == here
    assert other.run("a mountain", quality="exact")["spent"] == 0
    assert first["key"] in other.run("a mountain night", quality="evaluations", amount=3)["node"]["sources"]
    assert other.post("load", saved).json()["pictures"] == 0


def test_a_path_that_begins_with_another_runs_branch_is_known_as_such_in_a_file(client, registry, visitor):
    """Its first velocity is a rounding off the from-scratch one's: no exact picture begins with it."""
    visitor.run("a mountain", quality="exact", guidance=3.0)
    made = visitor.run("a mountain dusk", quality="evaluations", amount=3, guidance=3.0)["node"]
    other = Visitor(client)
    other.post("load", visitor.post("save").content)
    for each in (visitor, other):
        entries = registry.find(each.key).session.entries()
        exact = {entry.prompt: entry.trajectory.is_start_exact for entry in entries}
        assert exact == {"a mountain": True, made["prompt"]: False}


def test_what_is_let_go_for_want_of_room_is_told(mixture):
    model = blending(mixture)
    size = Session(model)
    size.generate("a mountain")
    registry = Registry(lambda: Session(model, cache_bytes=int(2.5 * size.nbytes)))
    with TestClient(Starlette(routes=routes(model, registry)), base_url="http://studio") as client:
        visitor = Visitor(client)
        first, _ = (visitor.run(prompt, quality="exact", apart=True)["node"] for prompt in ("a city", "a lake"))
        events = visitor.events("run", {"prompt": "a mountain", "seed": 7, "quality": "exact"})
        [forgotten] = [event for event in events if event["type"] == "forgotten"]
        assert (forgotten["keys"], forgotten["let_go"]) == ([first["key"]], 1)


def test_of_all_that_was_forgotten_the_newest_come_back(visitor):
    made = [visitor.run(f"a lake {number}", steps=2, quality="exact")["node"]["key"] for number in range(BIN_SIZE + 3)]
    assert visitor.post("clear").json()["nodes"] == []
    for _ in range(BIN_SIZE):
        back = visitor.post("undelete").json()["nodes"]
    assert {node["key"] for node in back} == set(made[3:])
    assert visitor.post("undelete").status_code == 400


@pytest.mark.parametrize("body", [b"%PDF-1.4 \xe2\xe3\xcf\xd3", b"a\x00b", b"a lake " * 20_000])
def test_what_is_no_text_is_not_put_into_the_form(visitor, body):
    answer = visitor.post("read", body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "This is neither a PNG, nor a session, nor a text with settings."


def changed(saved, name, data):
    """A saved session with one of its files changed, or another put in."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info.filename, old.read(info.filename))
        if data is not None:
            new.writestr(name, data)
    return out.getvalue()


def test_a_contact_sheet_has_as_many_pictures_as_a_sheet(visitor):
    key = visitor.run("a mountain")["node"]["key"]
    assert visitor.post("contact", {"keys": [key] * MOST_CELLS, "columns": 8}).status_code == 200
    refused = visitor.post("contact", {"keys": [key] * (MOST_CELLS + 1), "columns": 8})
    assert refused.status_code == 400
    assert f"at most {MOST_CELLS} pictures" in refused.text


def test_hostile_sessions_are_refused_before_anything_is_kept(client, visitor):
    key = visitor.run("a mountain", quality="exact")["node"]["key"]
    saved = visitor.post("save").content
    about = json.loads(zipfile.ZipFile(io.BytesIO(saved)).read("session.json"))
    entry = about["entries"][0]
    path, other = f"paths/{key}.safetensors", Visitor(client)
    words = [
        {**about, "version": 99},
        {**about, "entries": [{**entry, "key": "../../etc/passwd"}]},
        {**about, "entries": [{**entry, "request": {**entry["request"], "steps": 10**9}}]},
        {**about, "entries": [{**entry, "path_kinds": ["computed"]}]},
        {**about, "entries": [{**entry, "kinds": ["<script>"]}]},
        {**about, "entries": [{**entry, "cost": [1e400, 0]}]},
        {**about, "entries": [{**entry, "seconds": {"sample": float("nan")}}]},
        {**about, "entries": [{**entry, "angles": {"1": float("inf")}}]},
        {**about, "entries": [{**entry, "created": 1e400}]},
        {**about, "entries": "all"},
    ]
    attacks = [
        b"PK",
        b"",
        saved[:-30],
        changed(saved, "../evil.txt", b"x"),
        changed(saved, "session.json", None),
        changed(saved, "evil.pkl", b"cos\nsystem\n"),
        changed(saved, path, b"\x80\x04\x95"),
        changed(saved, path, zipfile.ZipFile(io.BytesIO(saved)).read(path)[:-8]),
        changed(saved, f"pictures/{key}.png", png.encode(Image.new("RGB", (500, 500)))),
        changed(saved, f"pictures/{key}.png", b"<svg/>"),
        changed(saved, "session.json", b"[" * 100_000),
        *(changed(saved, "session.json", json.dumps(each)) for each in words),
    ]
    for attack in attacks:
        answer = other.post("load", attack)
        assert answer.status_code == 400, attack[:40]
        assert "Traceback" not in answer.text
    assert other.library()["nodes"] == []


def test_nobody_sees_another_visitors_pictures(client, visitor):
    key = visitor.run("a secret mountain")["node"]["key"]
    other = Visitor(client)
    assert other.library()["nodes"] == []
    assert other.picture(key).status_code == 400
    assert client.get(f"/studio/picture/{key}/shown").status_code == 409
    for name in ("delete", "node", "sources"):
        assert other.post(name, {"key": key}).status_code == 400
    assert len(visitor.library()["nodes"]) == 1


def test_other_sites_and_nonsense_are_refused_in_a_sentence(client, visitor):
    assert visitor.post("run", {"prompt": "a"}, headers={"Origin": "http://evil"}).status_code == 403
    assert visitor.post("run", {"prompt": "a"}, headers={"Origin": "http://studio"}).status_code == 200
    for body in (b"{", b"[]", b"\xff", b"[" * 5000, b"x" * (2**20 + 1)):
        assert visitor.post("run", body).status_code == 400
    for hostile in ({"prompt": ["a"]}, {"prompt": "a\ud800"}, {"prompt": "a", "steps": 1e9}, {"prompt": ""}):
        answer = client.post("/studio/run", content=json.dumps(hostile), headers={HEADER: visitor.key})
        assert json.loads(answer.text.strip().split("\n\n")[-1][6:])["type"] == "error"
    for path in ("/studio/..%2f..%2fapp.py", "/studio/nothing.js", "/gradio_api/upload", "/monitoring"):
        assert client.get(path).status_code == 404
    assert "default-src 'self'" in client.get("/").headers["content-security-policy"]


def test_of_many_requests_at_once_none_is_left_behind(visitor, registry):
    visitor.run("a mountain")
    bodies = [{"prompt": f"a lake {k}", "seed": k, "quality": "exact"} for k in range(6)]
    threads = [threading.Thread(target=visitor.events, args=("run", body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not registry.desk.is_busy(visitor.key)
    assert visitor.run("a lake", quality="exact")["node"]["nfe"] == 8


def test_words_past_the_text_encoders_are_named(model, monkeypatch):
    monkeypatch.setattr("trajflow.ui.words.MOST_SECONDS", 600.0)
    registry = Registry(lambda: Session(model))
    with TestClient(Starlette(routes=routes(model, registry)), base_url="http://studio") as client:
        visitor = Visitor(client)
        prompt = "a mountain " + "very " * 80 + "tall"
        *_, told, _ = visitor.events("words", {"prompt": prompt})
        span = told["spans"][-1]
        assert "changes nothing" in span["reason"]
        assert prompt[span["start"] : span["end"]].endswith("tall")
        assert span["start"] > prompt.index("very")
        [short, _] = visitor.events("words", {"prompt": "a mountain"})
        assert not [span for span in short["spans"] if "changes nothing" in span["reason"]]


def test_idle_time_works_ahead_only_when_asked_to_and_says_so(visitor):
    node = visitor.run("a mountain", quality="exact")["node"]
    assert not [event for event in visitor.events("complete", {"key": node["key"]}) if event["type"] == "ahead"]
    events = visitor.events("complete", {"key": node["key"], "ahead": True})
    told = [event["prompt"] for event in events if event["type"] == "ahead" and "prompt" in event]
    assert told == ["a mountain, at sunset", "a mountain, in the snow"]
    assert [each["key"] for each in visitor.library()["nodes"]] == [node["key"]]
    next_one = visitor.run("a mountain at dusk", quality="evaluations", amount=3)["node"]
    assert len(next_one["sources"]) == 3
    ready = visitor.run("a mountain, at sunset", quality="exact")
    assert (ready["stored"], ready["spent"]) == (True, 0)
    assert ready["node"]["waited"] is None, "its steps were computed while nobody waited"
    assert node["waited"] > 0


def test_on_a_space_nothing_is_made_ahead(mixture, registry, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/studio")
    with TestClient(Starlette(routes=routes(blending(mixture), registry)), base_url="http://studio") as client:
        visitor = Visitor(client)
        assert visitor.greeting["model"]["may_work_ahead"] is False
        node = visitor.run("a mountain", quality="exact")["node"]
        events = visitor.events("complete", {"key": node["key"], "ahead": True})
        assert not [event for event in events if event["type"] == "ahead"]
