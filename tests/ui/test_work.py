"""What the desk does for a tab, event by event, without a desk."""

import time

import pytest
import torch

from tests.test_out_of_memory import FULL
from trajflow import Session
from trajflow.engine.blending import blending
from trajflow.errors import NumericalError
from trajflow.ui import work
from trajflow.ui.ask import Ask
from trajflow.ui.registry import Registry


def ask(prompt, *, is_preview=False, **options) -> Ask:
    wanted = {"prompt": prompt, "seed": 7, **options}
    return Ask(wanted, wanted, is_preview=is_preview)


@pytest.fixture
def tab_session(mixture):
    return Registry(lambda: Session(mixture)).open(None)


def test_a_preview_that_is_stopped_while_it_tells_is_a_draft(tab_session):
    """Else a half-typed prompt would stay for good, and idle time would make its picture exact."""
    list(work.run(tab_session, ask("a mountain"), 0.0))
    preview = work.run(tab_session, ask("a mountain at d", is_preview=True, budget=2), 0.0)
    for event in preview:
        if event["type"] == "made":
            break
    preview.close()
    [draft] = tab_session.tree.drafts()
    assert tab_session.entry(draft).prompt == "a mountain at d"
    list(work.run(tab_session, ask("a mountain at dusk", budget=4), 0.0))
    assert {entry.prompt for entry in tab_session.session.entries()} == {"a mountain", "a mountain at dusk"}


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(FULL), NumericalError("NaN")])
def test_a_run_whose_way_cannot_be_drawn_goes_on(make_mixture, monkeypatch, error):
    monkeypatch.setattr(work, "REDRAW_SECONDS", 0.0)
    decoded = []

    class Crowded(make_mixture):
        def decode(self, latents):
            decoded.append(latents)
            if len(decoded) == 1:
                raise error
            return super().decode(latents)

    tab_session = Registry(lambda: Session(Crowded())).open(None)
    events = list(work.run(tab_session, ask("a mountain"), time.monotonic()))
    assert len(decoded) == 2, "once on the way, and the picture"
    assert [event["type"] for event in events if event["type"] != "step"] == ["made", "picture"]


@pytest.mark.parametrize("is_offloaded", [False, True])
def test_no_way_is_drawn_where_decoding_moves_the_network(make_pipeline, adapt, monkeypatch, is_offloaded):
    """With model offload each picture on the way would send the network to the CPU and back."""
    monkeypatch.setattr(work, "REDRAW_SECONDS", 0.0)
    monkeypatch.setattr(work, "PREVIEW_SHARE", 1.0)
    pipeline, decoded = make_pipeline(), []
    if is_offloaded:
        pipeline.enable_model_cpu_offload(device="cpu")
    model = adapt(pipeline)
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda latents: decoded.append(latents) or decode(latents))
    tab_session = Registry(lambda: Session(blending(model))).open(None)
    list(work.run(tab_session, ask("a mountain", steps=4, height=32, width=32), 0.0))
    assert len(decoded) == (1 if is_offloaded else 4)


def test_work_ahead_that_cannot_be_done_is_told_to_nobody(tab_session):
    """Variants of a prompt at the limit are longer than a prompt may be, unless it names no time or weather."""
    list(work.run(tab_session, ask("a mountain " + "x" * 1985), 0.0))
    [entry] = tab_session.session.entries()
    events = list(work.complete(tab_session, entry.key, is_ahead=True))
    assert [event for event in events if event["type"] == "ahead"] == []


def test_work_ahead_that_fails_ends_it_alone(make_mixture):
    class Crowded(make_mixture):
        is_full = False

        def evaluate(self, *arguments):
            if self.is_full:
                raise torch.OutOfMemoryError(FULL)
            return super().evaluate(*arguments)

    model = Crowded()
    tab_session = Registry(lambda: Session(model)).open(None)
    list(work.run(tab_session, ask("a mountain"), 0.0))
    model.is_full = True
    [entry] = tab_session.session.entries()
    assert [event["type"] for event in work.complete(tab_session, entry.key, is_ahead=True)] == ["made", "picture"]


def test_a_session_apart_makes_room_in_the_tab_as_well(tab_session, monkeypatch):
    relieved = []
    monkeypatch.setattr(tab_session.session._cache, "make_room", lambda: relieved.append("tab"))
    list(work.run(tab_session, ask("a mountain"), 0.0))
    scratch = work.apart(tab_session.session, Ask({"prompt": "a lake"}, {}, is_apart=True))
    scratch._runner.free_memory()
    assert relieved == ["tab"]
