"""Sessions of the app that outlive the server: the visitor finds everything again, and nobody else finds anything."""

import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.cache.test_disk import full_disk
from tests.ui.test_routes import Visitor
from trajflow.cache import FolderStore
from trajflow.cache.store import owner_of
from trajflow.engine.blending import blending
from trajflow.session import Session
from trajflow.ui.api import Programs
from trajflow.ui.keeping import note_of, tree_of
from trajflow.ui.registry import Registry
from trajflow.ui.routes import routes
from trajflow.ui.tree import Node, Tree


@pytest.fixture
def start(mixture, tmp_path):
    """A server on the folder, in place of the one before, which ended without being asked."""
    model = blending(mixture)

    def start(cache_bytes=2**28, **options) -> TestClient:
        def make(**state) -> Session:
            return Session(model, cache_bytes=cache_bytes, **state)

        registry = Registry(make, store=FolderStore(tmp_path / "state"), kept_days=30, **options)
        client = TestClient(Starlette(routes=routes(model, registry)), base_url="http://studio")
        client.registry, client.model = registry, model
        return client

    return start


class Returning(Visitor):
    """A visitor whose tab knows its session."""

    def __init__(self, client, key):
        self._client, self.key = client, key

    def hello(self, **more):
        return self._client.post("/studio/hello", json={"session": self.key, **more}).json()


def shown(greeting) -> list[dict]:
    return [{name: value for name, value in node.items() if name != "thumb"} for node in greeting["nodes"]]


def files(tmp_path) -> list[str]:
    return [path.name for path in (tmp_path / "state" / "documents").iterdir()]


def test_a_restart_brings_pictures_tree_names_and_marks_back(start) -> None:
    visitor = Visitor(start())
    first = visitor.run("a mountain")["node"]
    second = visitor.run("a mountain dusk", parent=first["key"])["node"]
    visitor.post("node", {"key": first["key"], "name": "the <b>first</b>", "is_favourite": True})
    visitor.post("node", {"key": second["key"], "is_pinned": True})
    before, picture = visitor.library(), visitor.picture(second["key"]).content
    again = Returning(start(), visitor.key)
    assert again.post("node", {"key": first["key"]}).status_code == 409, "the page says hello again"
    after = again.hello()
    assert (after["session"], after["is_new"], after["kept_days"], after["is_kept"]) == (visitor.key, False, 30, True)
    assert shown(after) == shown(before)
    assert again.picture(second["key"]).content == picture
    third = again.run("a mountain fog", parent=second["key"])["node"]
    assert third["parent"] == second["key"]
    assert again.run("a mountain")["stored"]


def test_a_server_with_less_room_keeps_what_it_cannot_hold_with_its_name(start, tmp_path) -> None:
    visitor = Visitor(start())
    first = visitor.run("a mountain")["node"]
    visitor.post("node", {"key": first["key"], "name": "the first", "is_favourite": True})
    visitor.run("a mountain dusk")
    last, before = visitor.run("a mountain fog")["node"], visitor.library()
    assert before["away"] == 0
    small = Returning(start(cache_bytes=before["held"] // 2), visitor.key)
    there = small.hello()
    assert [node["key"] for node in there["nodes"]] == [last["key"]]
    assert there["away"] == 2
    small.post("node", {"key": last["key"], "name": "the last"})
    after = Returning(start(), visitor.key).hello()
    assert after["away"] == 0
    assert [node["name"] for node in after["nodes"]] == ["the last", "", "the first"]
    assert after["nodes"][2]["favourite"]


@pytest.mark.parametrize("pinned", [0, 1, None])
def test_forgetting_all_but_the_pinned_is_also_of_what_there_is_no_room_for(start, tmp_path, pinned) -> None:
    """Of two pictures the first has no room; one of them is pinned, or none."""
    visitor = Visitor(start())
    nodes = [visitor.run(prompt)["node"] for prompt in ("a mountain", "a mountain dusk")]
    if pinned is not None:
        visitor.post("node", {"key": nodes[pinned]["key"], "is_pinned": True})
    small = Returning(start(cache_bytes=visitor.library()["held"] * 2 // 3), visitor.key)
    assert small.hello()["away"] == 1
    told = small.post("clear").json()
    kept = [] if pinned is None else [nodes[pinned]["key"]]
    assert [node["key"] for node in told["nodes"]] == (kept if pinned == 1 else [])
    assert told["away"] == (pinned == 0)
    after = Returning(start(), visitor.key).hello()
    assert [(node["key"], node["pinned"]) for node in after["nodes"]] == [(key, True) for key in kept]
    assert bool(files(tmp_path)) == bool(kept)


def test_a_session_from_a_file_lets_no_picture_go(start) -> None:
    visitor = Visitor(start())
    for prompt in ("a mountain", "a mountain dusk"):
        visitor.run(prompt)
    held, saved = visitor.library()["held"], visitor.post("save").content
    other = Visitor(start(cache_bytes=held + held // 4))
    mine = other.run("a lake")["node"]
    answer = other.post("load", saved)
    assert answer.status_code == 400
    assert "there is room for" in answer.json()["error"]
    assert [node["key"] for node in other.library()["nodes"]] == [mine["key"]]


def test_a_sheet_of_pictures_that_are_too_large_to_be_kept_is_shown_to_its_end(start) -> None:
    visitor = Visitor(start(cache_bytes=1_000))
    cells = [{"prompt": prompt, "seed": 7, "quality": "balanced"} for prompt in ("a mountain", "a lake")]
    events = visitor.events("sheet", {"cells": cells})
    made = [event for event in events if event["type"] == "cell"]
    assert [(cell["node"], "error" in cell) for cell in made] == [(None, False)] * 2
    assert events[-1] == {"type": "done"}


def test_what_is_deleted_is_gone_from_the_disk_at_once(start, tmp_path) -> None:
    visitor = Visitor(start())
    first, second = (visitor.run(prompt)["node"]["key"] for prompt in ("a mountain", "a lake"))
    visitor.post("delete", {"key": first})
    assert not [name for name in files(tmp_path) if first in name]
    assert [node["key"] for node in Returning(start(), visitor.key).hello()["nodes"]] == [second]
    visitor.post("undelete")
    assert [name for name in files(tmp_path) if first in name], "brought back, it is kept again"
    visitor.post("node", {"key": second, "is_pinned": True})
    visitor.post("clear")
    assert [node["key"] for node in Returning(start(), visitor.key).hello()["nodes"]] == [second]


def test_a_session_that_was_forgotten_leaves_nothing(start, tmp_path) -> None:
    visitor = Visitor(start())
    for prompt in ("a mountain", "a lake"):
        key = visitor.run(prompt)["node"]["key"]
        visitor.post("node", {"key": key, "name": "a private name"})
    visitor.post("clear")
    for path in (tmp_path / "state").rglob("*"):
        assert path.is_dir() or b"private" not in path.read_bytes(), path
    assert files(tmp_path) == []
    assert Returning(start(), visitor.key).hello()["nodes"] == []


def test_neither_files_nor_index_tell_the_secret_of_a_session(start, tmp_path) -> None:
    visitor = Visitor(start())
    visitor.run("a mountain")
    for path in (tmp_path / "state").rglob("*"):
        assert visitor.key not in path.name
        assert path.is_dir() or visitor.key.encode() not in path.read_bytes()
    stranger = Returning(start(), owner_of(visitor.key))
    greeting = stranger.hello()
    assert (greeting["nodes"], greeting["is_new"]) == ([], True)
    for guess in ("", "..", "0" * 32, visitor.key[:-1], visitor.key.upper() + "x"):
        assert Returning(start(), guess).hello()["nodes"] == []


def test_a_new_tab_goes_on_with_a_session_that_no_other_shows(start) -> None:
    client = start()
    visitor = Visitor(client)
    visitor.run("a mountain")
    tab = Returning(client, None)
    assert tab.hello(others=[visitor.key])["is_new"], "the other tab is open"
    client.post("/studio/leave", content=json.dumps({"session": visitor.key}))
    assert tab.hello(others=["nobody's", visitor.key])["session"] == visitor.key
    after = Returning(start(), None)
    assert after.hello(others=[visitor.key])["session"] == visitor.key
    assert after.hello(others=[7, None, {}])["nodes"] == []
    assert after.hello(others="strange")["nodes"] == []


def test_without_a_folder_a_new_tab_is_always_a_new_session(mixture) -> None:
    model = blending(mixture)
    registry = Registry(lambda: Session(model))
    client = TestClient(Starlette(routes=routes(model, registry)), base_url="http://studio")
    visitor = Visitor(client)
    client.post("/studio/leave", content=json.dumps({"session": visitor.key}))
    greeting = Returning(client, None).hello(others=[visitor.key])
    assert (greeting["session"] == visitor.key, greeting["kept_days"], greeting["is_kept"]) == (False, None, False)


def test_a_session_that_had_to_give_up_its_memory_is_found_again(start) -> None:
    now = [0.0]
    client = start(idle_seconds=10, clock=lambda: now[0])
    visitor = Visitor(client)
    key = visitor.run("a mountain")["node"]["key"]
    now[0] += 100
    client.registry.sweep()
    assert (len(client.registry), client.registry.nbytes) == (0, 0)
    assert [node["key"] for node in visitor.library()["nodes"]] == [key]


def test_a_program_finds_its_session_after_a_restart(start) -> None:
    client = start()
    programs = Programs(client.model, client.registry)
    _, report = programs.generate("a mountain")
    client = start()
    programs = Programs(client.model, client.registry)
    _, again = programs.generate("a mountain", session=report["session"])
    assert (again["session"], again["from_store"], again["key"]) == (report["session"], True, report["key"])


def test_the_log_tells_no_prompt_and_no_secret(start, tmp_path, caplog) -> None:
    visitor = Visitor(start())
    key = visitor.run("a private mountain")["node"]["key"]
    visitor.post("node", {"key": key, "name": "a private name"})
    for path in (tmp_path / "state" / "documents").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert Returning(start(), visitor.key).hello()["nodes"] == []
    assert "is lost" in caplog.text
    assert "private" not in caplog.text
    assert visitor.key not in caplog.text


def test_a_full_disk_is_told_on_the_page_and_the_work_goes_on(start) -> None:
    visitor = Visitor(start())
    visitor.run("a mountain")
    with full_disk():
        visitor.run("a lake")
        greeting = visitor.library()
    assert (len(greeting["nodes"]), greeting["is_kept"]) == (2, False)
    visitor.run("a cabin")
    assert visitor.library()["is_kept"]


def test_two_servers_on_one_folder_serve_their_own_visitors(start) -> None:
    one, other = Visitor(start()), Visitor(start())
    for visitor in (one, other, one, other):
        visitor.run(f"a mountain {len(visitor.library()['nodes'])}")
    for visitor in (one, other):
        assert [node["prompt"] for node in Returning(start(), visitor.key).hello()["nodes"]] == [
            "a mountain 1",
            "a mountain 0",
        ]


def test_a_tree_comes_back_from_its_note() -> None:
    tree = Tree()
    tree.put(Node("0" * 32, name="first", waited=0.5))
    tree.put(Node("1" * 32, "0" * 32, is_draft=True, is_favourite=True, is_pinned=True))
    assert tree_of(json.loads(json.dumps(note_of(tree)))).nodes == tree.nodes


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../../x"},
        {"key": 3},
        {"parent": "x"},
        {"name": "x" * 81},
        {"name": None},
        {"waited": "long"},
        {"waited": float("inf")},
        {"more": 1},
    ],
)
def test_a_strange_note_is_no_tree(changes) -> None:
    tree = Tree()
    tree.put(Node("0" * 32))
    note = note_of(tree)
    note["nodes"][0] |= changes
    assert tree_of(note).nodes == {}
    for strange in ({"nodes": 3}, {"nodes": [3]}, {"nodes": None}, {}):
        assert tree_of(strange).nodes == {}
