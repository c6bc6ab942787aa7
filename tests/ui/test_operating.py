"""Probes, counts, limits and the log, through the app's own routes over the closed-form flow."""

import itertools
import json
import logging
import re
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from trajflow import Session
from trajflow.engine.blending import blending
from trajflow.ui import account
from trajflow.ui.desk import Job
from trajflow.ui.limits import MOST_OF_A_PERSON
from trajflow.ui.registry import Registry
from trajflow.ui.routes import routes
from trajflow.ui.wire import HEADER

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana.json"


class App:
    """An app and its visitors."""

    def __init__(self, client, registry):
        self.client, self.registry = client, registry

    def hello(self):
        return self.client.post("/studio/hello", json={})

    def run(self, key, prompt="a mountain", **body):
        body = {"prompt": prompt, "seed": 7, **body}
        return self.client.post("/studio/run", json=body, headers={HEADER: key})

    def counts(self):
        """Every sample by its name and its labels' values."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@pytest.fixture
def make_app(mixture):
    opened = []

    def make(**limits):
        model = blending(mixture)
        registry = Registry(lambda: Session(model), **limits)
        client = TestClient(Starlette(routes=routes(model, registry)), base_url="http://studio")
        opened.append(client.__enter__())
        return App(client, registry)

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def held():
    """Keeps the desk busy until the test is over: `held(app)`."""
    opened = threading.Event()

    def hold(app):
        began = threading.Event()

        def work():
            began.set()
            opened.wait(20)
            yield {"type": "opened"}

        app.registry.desk.submit(Job("somebody", work, lambda _: None))
        assert began.wait(20)

    yield hold
    opened.set()


def wait_at(app, person):
    app.registry.desk.submit(Job(person, lambda: iter(()), lambda _: None))


def test_the_app_is_alive_and_ready_until_its_queue_is_full(make_app, held):
    app = make_app(most_waiting=2)
    assert app.client.get("/healthz").json() == {"status": "alive"}
    assert app.client.get("/readyz").status_code == 200
    held(app)
    wait_at(app, "ann")
    assert app.client.get("/readyz").json()["waiting"] == 1
    wait_at(app, "bob")
    answer = app.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "busy")
    assert app.client.get("/healthz").status_code == 200


def test_what_is_made_is_counted(make_app):
    app = make_app()
    key = app.hello().json()["session"]
    assert app.run(key, quality="exact").status_code == 200
    before = app.counts()
    assert before["trajflow_evaluations_spent_total", "waited"] == 8
    assert before["trajflow_evaluations_saved_total",] == 0
    app.run(key, "a mountain dusk", quality="evaluations", amount=3)
    app.run(key, "a mountain dusk", quality="evaluations", amount=3)
    counts = app.counts()
    assert counts["trajflow_runs_total", "from-store"] == 1
    assert sum(value for name, value in counts.items() if name[0] == "trajflow_runs_total") == 3
    assert counts["trajflow_evaluations_spent_total", "waited"] == 8 + 3
    assert counts["trajflow_evaluations_saved_total",] == 5 + 8
    assert counts["trajflow_phase_seconds_count", "sample"] == 2, "a stored picture takes no sampling"
    assert counts["trajflow_phase_seconds_count", "wait"] == 3
    assert counts["trajflow_sessions",] == 1
    assert counts["trajflow_people_waiting",] == 0
    assert counts["trajflow_cache_bytes", "memory"] == app.registry.nbytes > 0
    assert counts["trajflow_jobs_total", "done"] == 3


def test_pictures_made_exact_in_idle_time_count_as_background(make_app):
    app = make_app()
    key = app.hello().json()["session"]
    app.run(key, quality="exact")
    told = app.run(key, "a mountain dusk", quality="evaluations", amount=3).text
    picture = next(event for event in map(json.loads, re.findall("data: (.*)", told)) if event["type"] == "picture")
    app.client.post("/studio/complete", json={"key": picture["node"]["key"]}, headers={HEADER: key})
    counts = app.counts()
    assert counts["trajflow_runs_total", "completion"] == 1
    assert 0 < counts["trajflow_evaluations_spent_total", "background"] <= 8
    assert counts["trajflow_evaluations_spent_total", "waited"] == 8 + 3


def test_failures_are_counted_by_kind_and_told_nowhere_else(make_app):
    app = make_app()
    key = app.hello().json()["session"]
    app.run(key, "")
    counts = app.counts()
    assert counts["trajflow_errors_total", "RequestError"] == 1
    assert counts["trajflow_jobs_total", "error"] == 1


def test_the_dashboard_shows_exactly_what_is_counted(make_app):
    app = make_app()
    key = app.hello().json()["session"]
    app.run(key)
    app.run(key, "")
    families = text_string_to_metric_families(app.client.get("/metrics").text)
    samples = {sample.name for family in families for sample in family.samples if not sample.name.endswith("_created")}
    counted = {re.sub("_(sum|count)$", "_bucket", name) for name in samples}
    board = json.loads(DASHBOARD.read_text())
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"trajflow_\w+", target["expr"])
    }
    assert shown == counted


def test_the_next_visitor_beyond_the_sessions_gets_a_sentence(make_app):
    app = make_app(most_sessions=2)
    first, second = (app.hello().json()["session"] for _ in range(2))
    assert app.run(first).status_code == app.run(second).status_code == 200
    refused = app.hello()
    assert refused.status_code == 503
    assert refused.json()["error"].startswith("As many people are here as there are places for.")
    assert int(refused.headers["Retry-After"]) > 0
    known = app.client.post("/studio/hello", json={"session": first})
    assert known.json()["session"] == first, "who is here stays"
    app.client.post("/studio/leave", json={"session": first})
    assert app.hello().status_code == 200, "a closed tab gives its place to who comes"


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(make_app, held):
    app = make_app(most_waiting=3)
    key = app.hello().json()["session"]
    held(app)
    for person in ("ann", "bob", "cyd"):
        wait_at(app, person)
    answers = [app.run(key) for _ in range(5)]
    assert app.registry.desk.waiting == 3, "they are refused while all three still wait"
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.json()["error"].startswith("The queue is full: 3 requests wait.") for answer in answers)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert app.counts()["trajflow_jobs_total", "refused"] == 5


def test_one_person_waits_with_a_few_requests_only(make_app, held):
    app = make_app()
    key, other = app.hello().json()["session"], app.hello().json()["session"]
    held(app)
    for _ in range(MOST_OF_A_PERSON):
        wait_at(app, key)
    answer = app.client.post("/studio/words", json={"prompt": "a"}, headers={HEADER: key})
    assert (answer.status_code, answer.json()["error"][:16]) == (503, "You have 4 reque")
    wait_at(app, other)
    assert app.registry.desk.people_waiting == 2
    app.registry.desk.cancel(key)
    assert app.registry.desk.waiting == 1, "who stops makes room at once"
    wait_at(app, key)


def test_one_request_cannot_take_everybodys_time(make_app):
    app = make_app()
    key = app.hello().json()["session"]
    refused = app.run(key, steps=40, width=16, height=16)
    assert refused.status_code == 400
    assert "the work of 20.0 pictures of 8 x 8 pixels and 8 steps" in refused.json()["error"]
    assert app.run(key, steps=16, width=16, height=16).text.endswith('data: {"type": "done"}\n\n')
    cells = [{"prompt": "a", "seed": 1, "steps": 40, "width": 16, "height": 16}]
    assert app.client.post("/studio/sheet", json={"cells": cells}, headers={HEADER: key}).status_code == 400


def test_a_line_is_logged_for_each_run_without_its_prompt(make_app, caplog):
    app = make_app()
    key = app.hello().json()["session"]
    with caplog.at_level(logging.INFO, "trajflow.ui.account"):
        app.run(key, "a secret mountain", quality="exact")
        app.run(key, "")
    first, second = (record.getMessage() for record in caplog.records if record.name == "trajflow.ui.account")
    person = sha256(key.encode()).hexdigest()[:8]
    assert re.fullmatch(
        rf"run session={person} planned=\S+ pictures=1 evaluations=8 seconds=\d+\.\d+ waited=\d+\.\d+ "
        "outcome=done error=-",
        first,
    )
    assert second.endswith("outcome=error error=RequestError")
    assert key not in caplog.text
    assert "secret" not in caplog.text


def test_a_line_is_written_once_when_mcp_logs_too(monkeypatch, capsys):
    """The package `mcp` gives the root logger a handler when its server is made, after ours."""
    mcp = pytest.importorskip("mcp.server.fastmcp", reason="the extra `mcp` is not installed")
    root, library = logging.getLogger(), logging.getLogger("trajflow")
    # As in a new process: without those who listen in on tests.
    for each, name in itertools.product((root, library), ("handlers", "level", "propagate")):
        monkeypatch.setattr(each, name, [] if name == "handlers" else getattr(each, name))
    monkeypatch.setattr(account.logger, "level", account.logger.level)
    account.show()
    mcp.FastMCP("somebody")
    assert logging.getLogger().handlers, "it logs"
    account.log(account.Ended("somebody", "error", "RequestError"))
    assert capsys.readouterr().err.count("outcome=error") == 1
