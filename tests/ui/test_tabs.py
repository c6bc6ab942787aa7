"""What is kept of a tab, as the server keeps it: events go through Gradio's own processing, without HTTP."""

import asyncio
import gc
import tracemalloc

import gradio as gr
import pytest

from trajflow import Session
from trajflow.ui.page import make_page
from trajflow.ui.registry import Registry
from trajflow.ui.tabs import Tabs


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Visit:
    """A page, one tab of it, and what the server remembers."""

    def __init__(self, flow):
        self.clock = Clock()
        self.registry = Registry(lambda: Session(flow), idle_seconds=100, left_seconds=10, clock=self.clock)
        self.tabs = Tabs(self.registry, left_seconds=10, clock=self.clock)
        self.page = asyncio.run(self._laid_out(flow))
        self.tabs.set_blocks(self.page)

    async def _laid_out(self, flow):
        return make_page(flow, self.registry)

    def play(self, name, *data):
        """Every answer of a handler to the tab."""
        return asyncio.run(self._play(name, [None, *data]))

    async def _play(self, name, data):
        fn = next(fn for fn in self.page.fns.values() if fn.name == name)
        state, request, iterator, answers = self.tabs["tab"], gr.Request(session_hash="tab"), None, []
        while True:
            answer = await self.page.process_api(fn, data, request=request, state=state, iterator=iterator)
            iterator = answer["iterator"]
            if not answer["is_generating"]:
                return answers
            answers.append(answer["data"])

    def generate(self, prompt, seed=0):
        self.play("begin", seed, True)
        form = (prompt, seed, 8, 1.0, 8, 8, "", "auto", "planner", 40, 7, True)
        assert self.play("run", self.seat.ticket, *form)
        self.play("rest")
        self.play("foresee", True, *form)

    @property
    def seat(self):
        (seat,) = (self.registry.find(key) for key in self.tabs["tab"].state_data.values())
        return seat

    @property
    def kept(self):
        """How many things the server keeps for the tab."""
        state = self.tabs.session_data["tab"]
        return len(state.blocks_config.blocks) + len(state.config_values) + len(state.state_data)


@pytest.fixture
def visit(mixture):
    visit = Visit(mixture)
    visit.play("arrive")
    return visit


def test_runs_leave_nothing_beside_the_session(visit):
    visit.generate("mountain")
    kept = visit.kept
    for seed in range(1, 5):
        visit.generate("mountain", seed)
    assert visit.kept == kept
    tracemalloc.start()
    try:
        for seed in range(5):
            visit.generate("mountain", seed)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            for seed in range(5):
                visit.generate("mountain", seed)
            visit.seat.runs.clear()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2**17, after - before


def test_a_closed_tab_is_forgotten_with_its_session(visit):
    visit.generate("mountain")
    visit.play("leave")
    visit.clock.now = 9.0
    visit.tabs.delete_all_expired_state()
    assert "tab" in visit.tabs
    visit.clock.now = 21.0
    visit.tabs.delete_all_expired_state()
    assert "tab" not in visit.tabs
    assert len(visit.registry) == 0


def test_an_open_tab_is_kept_as_long_as_its_seat(visit):
    visit.clock.now = 99.0
    visit.tabs.delete_all_expired_state()
    assert len(visit.registry) == 1
    assert "tab" in visit.tabs
    visit.clock.now = 101.0
    visit.tabs.delete_all_expired_state()
    assert len(visit.registry) == 0
    assert "tab" not in visit.tabs


def test_several_tabs_complete_their_pictures_side_by_side(visit):
    limits = {fn.concurrency_limit for fn in visit.page.fns.values() if fn.name == "complete"}
    assert min(limits) > 8
