"""The events of the page over a real session, on a model whose velocity is exact; the browser is in tests/browser."""

import asyncio
import re

import gradio as gr
import pytest

from trajflow import Session
from trajflow.errors import NumericalError
from trajflow.ui.handlers import Handlers
from trajflow.ui.page import lay_out
from trajflow.ui.registry import Registry
from trajflow.ui.views import Views

STORY = [
    {"title": "First", "prompt": "mountain", "note": ""},
    {"title": "Second", "prompt": "mountain dusk", "note": ""},
]


class Tab:
    """One tab: the handlers, its key, and what the page shows, by the components' names."""

    def __init__(self, flow, make=None):
        self.parts = asyncio.run(lay_out_in_a_loop(flow))
        self.registry = Registry(make or (lambda: Session(flow)))
        self.on = Handlers(flow, self.registry, Views(flow, self.parts), STORY)
        self.names = {part: name for name, part in vars(self.parts).items()}
        self.key, self.shown = None, {}
        self.take(self.on.arrive(None, gr.Request(session_hash="hash")))

    def take(self, changes):
        self.shown |= {self.names[part]: value for part, value in changes.items()}
        self.key = self.shown["key"]
        return changes

    def begin(self, keep_seed=True):
        self.take(self.on.begin(self.key, 7, keep_seed, gr.Request(session_hash="hash")))

    def generate(self, prompt="mountain", on_change=None, **changes):
        self.begin()
        for drawn in self.on.run(self.key, *form(prompt, **changes)):
            self.take(drawn)
            if on_change:
                on_change()
        return self.status

    @property
    def status(self):
        return re.sub(r"<[^>]+>", "", self.shown["status"]).strip()

    @property
    def outlook(self):
        return re.sub(r"<[^>]+>", "", self.shown["outlook"]).strip()

    @property
    def seat(self):
        return self.registry.find(self.key)

    def press(self, action, key):
        return self.take(self.on.card(self.key, gr.EventData(None, {"action": action, "key": key})))


async def lay_out_in_a_loop(flow):
    """Gradio opens an event loop of its own, and never closes it, where none is running."""
    with gr.Blocks(analytics_enabled=False):
        return lay_out(flow, {"seed": 7, "story": STORY})


def form(prompt, *, seed=7, steps=8, width=8, height=8, strategy="auto", budget=0, compare=True):
    return (prompt, seed, steps, 1.0, width, height, None, strategy, budget, compare)


@pytest.fixture
def tab(mixture):
    return Tab(mixture)


def test_a_run_draws_as_it_goes_and_ends_with_pictures_charts_and_history(tab):
    statuses = []
    tab.generate(on_change=lambda: statuses.append(tab.status))
    assert statuses[0].startswith("Generating: 1 of 8 evaluations, step 1 of 8.")
    assert tab.status.startswith("8 of 8 evaluations in ")
    assert tab.shown["pictures"].count("<img") == 2
    assert tab.shown["slider"] is not None
    assert "1 picture<" in tab.shown["history"]
    assert tab.shown["charts"]["visible"]
    assert not tab.seat.is_busy
    assert "dusk" in tab.generate("mountain dusk") or "similarity" in tab.status


def test_a_repeat_is_answered_from_the_store(tab):
    tab.generate()
    assert tab.generate().startswith("0 of 8 evaluations in ")
    assert "Stored" in tab.shown["pictures"]
    assert [run.nfe for run in tab.seat.runs] == [8, 0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": None}, "The prompt is empty"),
        ({"prompt": ["a list"]}, "must be text"),
        ({"prompt": "a" * 10_000}, "10,000 characters"),
        ({"seed": None}, "seed must be a whole number"),
        ({"width": 9}, "multiple of 4"),
        ({"strategy": ["auto"]}, "There is no strategy"),
        ({"budget": 99}, "The budget is 99"),
        ({"compare": None}, "compare must be True or False"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_and_the_picture_stays(tab, changes, sentence):
    tab.generate()
    before = tab.shown["pictures"]
    assert sentence in tab.generate(**changes)
    assert 'role="alert"' in tab.shown["status"]
    assert tab.shown["pictures"] == before
    assert len(tab.seat.session.entries()) == 1
    tab.generate("mountain dusk")
    assert len(tab.seat.session.entries()) == 2


def test_stop_ends_the_run_at_its_next_step_and_labels_what_is_left(tab):
    tab.generate(on_change=lambda: tab.on.stop(tab.key))
    assert tab.status.startswith("Stopped at step ")
    assert "unfinished · step" in tab.shown["pictures"]
    assert tab.seat.session.entries() == ()
    assert tab.generate().startswith("8 of 8")


def test_stop_before_the_turn_has_come_runs_nothing(tab):
    tab.begin()
    tab.take(tab.on.stop(tab.key))
    assert tab.shown["generate"]["visible"]
    for drawn in tab.on.run(tab.key, *form("mountain")):
        tab.take(drawn)
    assert tab.status == "Stopped before the first step; nothing was changed."


def test_a_second_click_while_running_is_refused(tab):
    def click():
        with pytest.raises(gr.Error, match="under way"):
            tab.begin()
        with pytest.raises(gr.Error, match="under way"):
            tab.on.chapter(tab.key, gr.EventData(None, {"index": 0}))

    tab.generate(on_change=click)
    assert tab.status.startswith("8 of 8")


def test_a_numerical_failure_brings_the_last_picture_back(mixture):
    class Failing(Session):
        fails = False

        def stream(self, prompt, **options):
            for event in super().stream(prompt, **options):
                if self.fails:
                    raise NumericalError("The velocity at step 3 is not finite. Lower the guidance.")
                yield event
                self.fails = prompt == "sea" and event.k == 2 if hasattr(event, "k") else False

    tab = Tab(mixture, lambda: Failing(mixture))
    tab.generate()
    before = tab.shown["pictures"]
    assert tab.generate("sea") == "The velocity at step 3 is not finite. Lower the guidance."
    assert tab.shown["pictures"] == before


def test_the_outlook_warns_of_what_leaves_the_cache_behind(tab):
    def foresee(keep_seed=True, **changes):
        tab.take(tab.on.foresee(tab.key, keep_seed, *form("mountain dusk", **changes)))
        return tab.outlook

    assert foresee().startswith("Up to 8 evaluations. Nothing cached fits")
    tab.generate()
    assert foresee().startswith("Up to 8 evaluations, about ")
    assert "seed" in foresee(seed=8)
    assert "tf-warn" in tab.shown["outlook"]
    assert "seed is not kept" in foresee(keep_seed=False)
    assert "multiple of 4" in foresee(width=9)
    tab.take(tab.on.foresee(tab.key, True, *form("  ")))
    assert tab.outlook == ""


def test_a_seed_that_is_not_kept_is_drawn_anew(tab):
    tab.begin()
    assert tab.shown["seed"] == 7
    tab.begin(keep_seed=False)
    assert tab.shown["seed"] != 7


def test_an_entry_can_be_restored_saved_and_forgotten(tab):
    tab.generate("mountain", budget=0)
    first = tab.shown["pictures"]
    tab.generate("mountain dusk", budget=3)
    newest, oldest = tab.seat.session.entries()
    tab.press("restore", oldest.key)
    assert tab.shown["pictures"] == first
    assert (tab.shown["prompt"], tab.shown["budget"]) == ("mountain", 0)
    tab.press("restore", newest.key)
    assert (tab.shown["prompt"], tab.shown["budget"]) == ("mountain dusk", 3)
    tab.press("save", oldest.key)
    once = tab.shown["saver"]
    assert 'download="trajflow-mountain-seed7.png"' in once
    tab.press("save", oldest.key)
    assert tab.shown["saver"] != once
    tab.press("forget", oldest.key)
    assert [entry.key for entry in tab.seat.session.entries()] == [newest.key]
    tab.press("restore", oldest.key)
    assert tab.status == "That picture is no longer kept."


def test_forget_all_leaves_an_empty_page(tab):
    tab.generate()
    tab.take(tab.on.forget_all(tab.key))
    assert tab.seat.session.entries() == ()
    assert tab.seat.runs == []
    assert tab.shown["angle"] is None
    assert not tab.shown["charts"]["visible"]
    assert tab.generate().startswith("8 of 8")


def test_a_released_session_is_replaced_and_said_so(tab):
    tab.generate()
    tab.registry.drop(tab.key)
    tab.begin()
    assert "released to make room" in tab.status
    assert tab.seat is not None


def test_another_tab_cannot_name_this_tabs_pictures(tab, mixture):
    tab.generate()
    (entry,) = tab.seat.session.entries()
    key, _ = tab.registry.open(None, "another hash")
    changes = tab.on.card(key, gr.EventData(None, {"action": "restore", "key": entry.key}))
    assert "no longer kept" in changes[tab.parts.status]


@pytest.mark.parametrize("data", [None, {}, {"index": "0"}, {"index": True}, {"index": -1}, {"index": 2}])
def test_a_story_step_that_is_not_there_is_refused(tab, data):
    with pytest.raises(gr.Error, match="no such step"):
        tab.on.chapter(tab.key, gr.EventData(None, data))


def test_the_story_gives_its_prompts(tab):
    assert tab.on.chapter(tab.key, gr.EventData(None, {"index": 1})) == "mountain dusk"
