"""The events of the page over a real session, on a model whose velocity is exact; the browser is in tests/browser."""

import asyncio
import base64
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from trajflow import Session
from trajflow.base import Forecast
from trajflow.calibration import Caching, Profile
from trajflow.errors import NumericalError
from trajflow.policies.budcache import BudCache
from trajflow.ui import background, words
from trajflow.ui.handlers import Handlers
from trajflow.ui.page import lay_out
from trajflow.ui.registry import Registry
from trajflow.ui.strip import REUSE
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
        for drawn in self.run(prompt, **changes):
            self.take(drawn)
            if on_change:
                on_change()
        return self.status

    def run(self, prompt="mountain", **changes):
        """The run that was asked for last, as far as it is drawn."""
        return self.on.run(self.key, self.shown["ticket"], *form(prompt, **changes))

    def complete(self, is_wanted=True):
        """Every line that is shown while the tab's pictures are completed."""
        lines = []
        for drawn in self.on.complete(self.key, is_wanted):
            self.take(drawn)
            lines.append(self.text("background"))
        return lines

    def foresee(self, prompt="mountain dusk", keep_seed=True, **changes):
        self.take(self.on.foresee(self.key, keep_seed, *form(prompt, **changes)))
        return self.text("outlook")

    def text(self, name):
        return re.sub(r"<[^>]+>", "", self.shown[name]).strip()

    @property
    def status(self):
        return self.text("status")

    @property
    def outlook(self):
        return self.text("outlook")

    @property
    def slides(self):
        """Whether there is something to slide between; what stands in its place goes away then."""
        slider = self.shown["slider"]
        assert slider["visible"] == (slider["value"] is not None) == (not self.shown["unslid"])
        return slider["visible"]

    @property
    def seat(self):
        return self.registry.find(self.key)

    def press(self, action, key):
        return self.take(self.on.card(self.key, gr.EventData(None, {"action": action, "key": key})))


async def lay_out_in_a_loop(flow):
    """Gradio opens an event loop of its own, and never closes it, where none is running."""
    with gr.Blocks(analytics_enabled=False):
        return lay_out(flow, {"seed": 7, "story": STORY})


def form(
    prompt, *, seed=7, steps=8, width=8, height=8, strategy="auto", ask="planner", fidelity=40, budget=7, compare=True
):
    return (prompt, seed, steps, 1.0, width, height, None, strategy, ask, fidelity, budget, compare)


@pytest.fixture
def tab(mixture):
    return Tab(mixture)


@pytest.fixture
def foreseeing(mixture, make_profile):
    """A tab whose model has a profile, and so forecasts."""
    profile = make_profile(8, {2: 20.0, 4: 25.0})
    return Tab(mixture, lambda: Session(mixture, profile=profile))


def test_a_run_draws_as_it_goes_and_ends_with_pictures_charts_and_history(tab):
    statuses = []
    tab.generate(on_change=lambda: statuses.append(tab.status))
    assert statuses[0].startswith("Generating: 1 of 8 evaluations, step 1 of 8.")
    assert tab.status.startswith("8 of 8 evaluations in ")
    assert tab.shown["pictures"].count("<img") == 2
    assert tab.slides
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
        ({"ask": "budget", "budget": 99}, "The budget is 99"),
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
    tab.generate(on_change=lambda: tab.take(tab.on.stop(tab.key)))
    assert tab.status.startswith("Stopped at step ")
    assert tab.shown["stop"] == gr.update(value="Stopping…", interactive=False)
    tab.take(tab.on.rest(tab.key))
    assert not tab.shown["stop"]["visible"]
    assert tab.shown["stop"]["interactive"]
    assert "unfinished · step" in tab.shown["pictures"]
    assert tab.seat.session.entries() == ()
    assert tab.generate().startswith("8 of 8")


def test_stop_before_the_turn_has_come_runs_nothing(tab):
    tab.begin()
    tab.take(tab.on.stop(tab.key))
    assert tab.shown["generate"]["visible"]
    assert list(tab.run()) == []
    assert tab.status == "Stopped before the first step; nothing was changed."


def test_what_is_asked_for_after_a_stop_runs_in_place_of_what_was_stopped(tab):
    tab.begin()
    stopped = tab.run("mountain")
    tab.take(tab.on.stop(tab.key))
    tab.begin()
    asked = tab.run("sea")
    assert list(stopped) == []
    tab.take(tab.on.rest(tab.key))
    assert tab.shown["stop"]["visible"]
    for drawn in asked:
        tab.take(drawn)
    tab.take(tab.on.rest(tab.key))
    assert tab.shown["generate"]["visible"]
    assert [entry.prompt for entry in tab.seat.session.entries()] == ["sea"]


def test_a_run_that_the_queue_has_no_room_for_is_said_so_and_can_be_asked_for_again(tab):
    tab.begin()
    refused = tab.run("mountain")
    tab.take(tab.on.refused(tab.key))
    assert tab.shown["generate"]["visible"]
    assert "Too many people" in tab.status
    assert list(refused) == []
    assert tab.generate().startswith("8 of 8")


def test_one_picture_is_completed_beside_the_many_of_another_tab(mixture):
    tab = Tab(mixture)
    key, seat = tab.registry.open(None)
    for seed in range(12):
        for prompt in ("mountain", "mountain dusk"):
            options = {"strategy": "baseline"} if prompt == "mountain" else {"budget": 2}
            list(seat.session.stream(prompt, seed=seed, **options))
    seat.may_complete = True
    # The model takes nearly all of the time, as a real one does.
    evaluate = mixture.evaluate
    mixture.evaluate = lambda *arguments, **options: (time.sleep(0.01), evaluate(*arguments, **options))[1]
    tab.generate(compare=False)
    tab.generate("mountain dusk", compare=False, ask="budget", budget=2)
    many = threading.Thread(target=lambda: list(tab.on.complete(key, True)))
    many.start()
    while len(seat.session.unfinished()) == 12:
        time.sleep(0.001)
    tab.complete()
    assert tab.seat.session.unfinished() == ()
    assert len(seat.session.unfinished()) > 6
    many.join()


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
    assert foresee().startswith("Up to 2 of 8 evaluations, about ")
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
    tab.generate("mountain")
    first = tab.shown["pictures"]
    tab.generate("mountain dusk", ask="budget", budget=3)
    newest, oldest = tab.seat.session.entries()
    tab.press("restore", oldest.key)
    assert tab.shown["pictures"] == first
    assert (tab.shown["prompt"], tab.shown["ask"]) == ("mountain", "planner")
    tab.press("restore", newest.key)
    assert (tab.shown["prompt"], tab.shown["ask"], tab.shown["budget"]) == ("mountain dusk", "budget", 3)
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
    assert not tab.slides
    assert not tab.shown["angle"].visible
    assert tab.text("no_angle") == words.NO_ANGLE_YET
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


@pytest.mark.parametrize(
    ("choice", "visible"),
    [("planner", ""), ("fidelity", "fidelity"), ("budget", "budget"), ("refine", ""), (["x"], "")],
)
def test_only_the_slider_of_the_chosen_way_is_shown(tab, choice, visible):
    tab.take(tab.on.ask(choice))
    assert [name for name in ("fidelity", "budget") if tab.shown[name]["visible"]] == [visible][: bool(visible)]


def test_what_a_picture_was_asked_for_with_comes_back_with_it(tab):
    tab.generate()
    tab.generate("mountain dusk", ask="fidelity", fidelity=44)
    tab.press("restore", tab.seat.session.entries()[0].key)
    assert (tab.shown["ask"], tab.shown["fidelity"]) == ("fidelity", 44)


def test_the_forecast_stands_in_the_outlook_and_beside_the_measurement(foreseeing):
    tab = foreseeing
    assert "expected" not in tab.foresee()
    tab.generate("mountain")
    assert "expected" not in tab.shown["pictures"]
    foretold = re.search(r"About (\d+) dB, (\d+ to \d+) expected\.", tab.foresee())
    assert foretold
    assert tab.outlook.count("expected") == 1
    tab.generate("mountain dusk", compare=False)
    assert f"expected {foretold[2]} dB<" in tab.shown["pictures"]
    assert f"about {foretold[1]} dB" in tab.shown["history"]
    tab.complete()
    assert re.search(rf"expected {foretold[2]} dB, measured \d+\.\d", tab.shown["pictures"])


@pytest.fixture
def reusing(mixture):
    """A tab whose model knows a mask for four evaluations, and what to expect of it."""
    caching = Caching({"budcache": BudCache((0, 2, 4, 6), "velocity")}, {"budcache": Forecast(31.0, 33.0, 35.0, 40.0)})
    return Tab(mixture, lambda: Session(mixture, profile=Profile(steps=8, alone={4: caching})))


def test_a_budget_without_a_source_is_shown_like_any_other(reusing):
    tab = reusing
    outlook = tab.foresee("mountain", ask="budget", budget=5)
    assert outlook.startswith("Up to 4 of 8 evaluations (5 allowed). About 35 dB, 31 to 40 expected.")
    assert tab.generate("mountain", ask="budget", budget=5, compare=False).startswith("4 of 8 evaluations in ")
    assert "With reused steps" in tab.shown["pictures"]
    assert "expected 31 to 40 dB<" in tab.shown["pictures"]
    assert [tab.shown["strip"].count(f'<span class="tf-{kind}"') for kind in ("computed", "reused")] == [4, 4]
    assert REUSE in tab.shown["strip"]
    assert not tab.slides
    assert "Once both pictures are there" in tab.text("unslid")
    assert tab.text("no_angle").startswith("Nothing cached was used")
    assert "4 of 8 · about 35 dB · <abbr" in tab.shown["history"]


def test_a_source_that_reused_steps_is_called_approximate_until_it_is_completed(reusing):
    tab = reusing
    tab.generate("mountain", ask="budget", budget=4, compare=False)
    assert ">approximate</abbr>" in tab.shown["history"]
    tab.generate("mountain dusk", ask="budget", budget=4, compare=False)
    assert words.APPROXIMATE in tab.status
    assert tab.shown["angle"].visible
    assert tab.text("no_angle") == ""
    tab.complete()
    assert "approximate" not in tab.shown["history"]
    tab.generate("mountain sea", ask="budget", budget=4, compare=False)
    assert words.APPROXIMATE not in tab.status
    assert "mountain" in tab.status


def test_a_picture_on_a_grid_of_its_own_is_no_source_and_called_so(tab):
    tab.generate("mountain", strategy="fewer-steps", ask="budget", budget=3, compare=False)
    assert ">picture only</abbr>" in tab.shown["history"]
    assert "With fewer steps" in tab.shown["pictures"]
    assert tab.foresee().startswith("Up to 8 evaluations")


def test_a_stored_exact_picture_promises_no_other(tab):
    tab.generate(compare=False)
    assert "from scratch is this very picture" in tab.text("unslid")
    tab.generate(compare=False)
    assert "Stored" in tab.shown["pictures"]
    assert "your picture is the from-scratch one" in tab.shown["pictures"]
    assert "from scratch is this very picture" in tab.text("unslid")
    assert tab.text("no_angle").startswith("Nothing was evaluated")
    for _ in range(2):
        tab.generate("mountain dusk", ask="budget", budget=3, compare=False)
    assert "Stored" in tab.shown["pictures"]
    assert "Not computed yet" in tab.shown["pictures"]


def test_a_run_under_way_leaves_nothing_of_the_last_one_beside_it(tab):
    def look():
        if tab.status.startswith("Generating: "):
            assert not tab.slides
            assert "Once both pictures are there" in tab.text("unslid")
            assert tab.text("no_angle") == words.NO_ANGLE_YET
            assert not tab.shown["angle"].visible

    tab.generate()
    tab.generate("mountain dusk")
    assert tab.slides
    assert tab.shown["angle"].visible
    tab.generate("sea", strategy="baseline", compare=False, on_change=look)
    assert "from scratch is this very picture" in tab.text("unslid")


@pytest.mark.parametrize("ask", ["fidelity", "refine"])
def test_a_strategy_that_cannot_do_what_is_asked_says_what_can_be_asked(tab, ask):
    way_out = "Or keep budcache and ask for “At most … evaluations”."
    assert tab.foresee(strategy="budcache", ask=ask).endswith(way_out)
    assert tab.generate("mountain", strategy="budcache", ask=ask).endswith(way_out)
    assert tab.generate("mountain", strategy="baseline", ask=ask).startswith("8 of 8")


def test_a_model_without_a_profile_foretells_nothing(tab):
    tab.generate()
    assert "expected" not in tab.foresee()
    tab.generate("mountain dusk")
    assert not {"None", "expected"} & set(re.findall(r"\w+", tab.shown["pictures"] + tab.shown["history"]))
    assert "no profile" in tab.text("learned")
    assert not tab.shown["export"]["interactive"]


def test_refining_shows_better_pictures_in_place_and_ends_exactly(tab):
    statuses, cards, pending = [], [], []

    def look():
        pending.append(("picture 2" in tab.status, tab.shown["strip"].count("tf-pending")))
        statuses.append(tab.status)
        cards.append(tab.shown["pictures"])

    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", ask="refine", compare=False, on_change=look)
    pictures = [int(n) for n in re.findall(r"Refining, picture (\d)", " ".join(statuses))]
    assert pictures == sorted(pictures)
    assert pictures[-1] > 1
    assert any("being refined" in card for card in cards)
    assert (True, 7) in pending
    final = tab.seat.session.entries()[0].result
    assert tab.status.startswith(f"Refined with {final.cost.nfe} evaluations in ")
    assert "identical to from scratch" in tab.status
    assert "identical to from-scratch" in tab.shown["pictures"]
    costs = ", ".join(str(each.cost.nfe) for each in final.refinements)
    assert f"pictures after {costs} evaluations" in tab.shown["pictures"]
    assert len(tab.seat.runs) == 2
    assert tab.complete() == [""]


def test_a_refined_run_says_how_near_each_picture_was_when_compared(tab):
    tab.generate()
    tab.generate("mountain dusk", ask="refine")
    assert re.search(r"pictures after [\d, ]+ evaluations: [\d., ]+ dB, exact", tab.shown["pictures"])


def test_stopping_a_refinement_keeps_its_best_picture(tab):
    tab.generate()

    def stop():
        if "being refined" in tab.shown["pictures"]:
            tab.on.stop(tab.key)

    tab.generate("mountain dusk", ask="refine", on_change=stop)
    assert tab.status.endswith("the best picture so far is kept.")
    assert "Refined so far" in tab.shown["pictures"]
    assert "being refined" not in tab.shown["pictures"]
    newest = tab.seat.session.entries()[0]
    assert newest.result.request.prompt == "mountain dusk"
    assert tab.seat.shown == newest.key
    assert tab.complete() == [""]


def test_completing_brings_the_exact_picture_and_counts_its_evaluations_apart(tab, monkeypatch):
    monkeypatch.setattr(background, "REDRAW_SECONDS", 0)
    tab.generate("mountain", compare=False)
    assert "your picture is the from-scratch one" in tab.shown["pictures"]
    assert tab.complete() == [""]
    tab.generate("mountain dusk", compare=False)
    assert "Not computed yet" in tab.shown["pictures"]
    lines = tab.complete()
    assert [f"{k} of 8" in line for k, line in enumerate(lines[:8], 1)] == [True] * 8
    assert "Your next edit will start from it." in lines[0]
    assert lines[-1].startswith("The exact picture is there after 7 evaluations in the background")
    assert "dB to from-scratch" in tab.shown["pictures"]
    assert "7 evaluations in the background" in tab.shown["pictures"]
    assert tab.slides
    assert tab.text("tally") == "10 evaluations waited for, 7 more in the background; 2 runs from scratch: 16."
    assert tab.seat.runs[1].background_nfe == 7
    assert tab.seat.runs[1].psnr_db == tab.seat.session.entries()[0].result.metrics.psnr_db
    assert tab.seat.session.unfinished() == ()


def test_nothing_is_completed_unwanted_after_a_comparison_or_a_stop(tab):
    tab.generate("mountain")
    tab.generate("mountain dusk")
    assert tab.complete() == [""]
    tab.generate("sea", compare=False)
    assert tab.complete(is_wanted=False) == [""]
    tab.generate("mountain sea", compare=False, on_change=lambda: tab.on.stop(tab.key))
    assert tab.complete() == [""]
    assert len(tab.seat.session.unfinished()) == 1
    tab.take(tab.on.want(tab.key, True))
    assert tab.complete()[-1].startswith("The exact picture")


def test_a_completion_gives_way_at_the_next_click_and_goes_on_later(tab, monkeypatch):
    monkeypatch.setattr(background, "REDRAW_SECONDS", 0)
    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", compare=False)
    completing = tab.on.complete(tab.key, True)
    for _ in range(3):
        tab.take(next(completing))
    spent = tab.seat.session.spent.background.nfe
    tab.begin()
    assert tab.text("background") == ""
    for drawn in completing:
        tab.take(drawn)
    assert tab.seat.session.spent.background.nfe == spent
    assert tab.text("background") == ""
    assert tab.status == "Starting."
    for drawn in tab.run("mountain sea", compare=False):
        tab.take(drawn)
    tab.complete()
    assert tab.seat.session.unfinished() == ()
    assert tab.seat.session.spent.background.nfe == 7 + 7


def test_a_closed_completion_leaves_the_session_free(tab, monkeypatch):
    monkeypatch.setattr(background, "REDRAW_SECONDS", 0)
    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", compare=False)
    completing = tab.on.complete(tab.key, True)
    next(completing)
    completing.close()
    assert tab.generate("mountain sea", compare=False).startswith("2 of 8")


def test_switching_completion_off_ends_it(tab, monkeypatch):
    monkeypatch.setattr(background, "REDRAW_SECONDS", 0)
    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", compare=False)
    completing = tab.on.complete(tab.key, True)
    next(completing)
    tab.take(tab.on.want(tab.key, False))
    assert [tab.names[part] for drawn in completing for part in drawn] == ["background"]
    assert len(tab.seat.session.unfinished()) == 1


def test_a_completion_pauses_while_another_tab_is_waited_for(tab, monkeypatch):
    pauses = []
    _, other = tab.registry.open(None, "other")

    def pause(seconds):
        pauses.append(tab.seat.session.spent.background.nfe)
        other.is_busy = False

    monkeypatch.setattr(background.time, "sleep", pause)
    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", compare=False)
    other.is_busy = True
    tab.complete()
    assert pauses == [0]


def test_a_completed_picture_that_is_not_on_the_stage_leaves_it_alone(tab):
    tab.generate("mountain", compare=False)
    tab.generate("mountain dusk", compare=False)
    tab.press("restore", tab.seat.session.entries()[1].key)
    shown = tab.shown["pictures"]
    tab.complete()
    assert tab.shown["pictures"] == shown
    assert "dB" in tab.shown["history"]


def test_what_was_learned_is_told_saved_and_dropped(foreseeing):
    tab = foreseeing
    tab.generate("mountain")
    assert "as calibrated" in tab.text("learned")
    tab.generate("mountain dusk", compare=False)
    tab.complete()
    learned = tab.seat.session.learned
    assert f"learned from 1 comparison (shift {learned.shift_db:+.1f} dB" in tab.text("learned")
    tab.take(tab.on.export(tab.key))
    assert 'download="trajflow-learned.json"' in tab.shown["saver"]
    sent = re.search(r"base64,([^\"]+)", tab.shown["saver"])[1]
    assert len(json.loads(base64.b64decode(sent))["outcomes"]) == 1
    assert tab.shown["unlearn"]["interactive"]
    tab.take(tab.on.unlearn(tab.key))
    assert "as calibrated" in tab.text("learned")
    assert not tab.shown["unlearn"]["interactive"]


def test_however_they_come_one_run_at_a_time_is_in_the_model(mixture):
    inside, most, guard, evaluate = [], [], threading.Lock(), mixture.evaluate

    def counting(*arguments, **options):
        with guard:
            inside.append(None)
            most.append(len(inside))
        time.sleep(0.002)
        with guard:
            inside.pop()
        return evaluate(*arguments, **options)

    mixture.evaluate = counting
    tab = Tab(mixture)
    keys = [tab.registry.open(None)[0] for _ in range(6)]

    def run(key):
        tab.registry.find(key).ticket = "ticket"
        return [*tab.on.run(key, "ticket", *form("mountain", compare=False)), *tab.on.complete(key, True)]

    with ThreadPoolExecutor(6) as people:
        assert all(people.map(run, keys))
    assert mixture.calls == 48
    assert max(most) == 1
