"""`trajflow bench load` in miniature, and that each of its figures can be missed."""

from dataclasses import replace
from functools import partial
from itertools import count
from types import SimpleNamespace

import pytest

from tests.bench.conftest import Slow
from trajflow import Session
from trajflow.bench.load import intruders
from trajflow.bench.load.isolation import Library, Tab, compare
from trajflow.bench.load.measure import Size, _people, growth_figure, measure_library, overflow_figure
from trajflow.bench.load.memory import Growth, soak, visits
from trajflow.bench.load.overflow import overflow, overflow_of_programs
from trajflow.bench.load.people import closed_loop, jain

# Gradio's own, about an option of pandas that it sets after each event.
pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")
SMALL = Size(people=3, rounds=1, seconds=0.2, sessions=3, operations=8, scripts=2, steps=4, side=8, excess=6, queue=2)


def test_jains_index_is_one_for_equals_and_the_share_of_who_is_served():
    assert jain([4, 4, 4, 4]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([1, 2]) == pytest.approx(9 / 10)


def test_a_closed_loop_counts_what_everybody_gets_and_what_goes_wrong(monkeypatch):
    """Every look at the clock takes a second, and who fails looks no more."""
    looks = count()
    monkeypatch.setattr("trajflow.bench.load.people.time", SimpleNamespace(monotonic=lambda: float(next(looks))))

    def fail(number):
        raise ValueError("no")

    counted = closed_loop([lambda number: None, fail], 3)
    assert counted.pictures == [3, 0]
    assert counted.errors == ["ValueError: no"]


def test_everybody_asks_at_least_once_however_short_the_time():
    assert closed_loop([lambda number: None] * 3, 0).pictures == [1, 1, 1]


def test_people_and_isolation_in_the_library(mixture):
    rows = list(measure_library(mixture, SMALL))
    assert [row.what.rpartition(": ")[2] for row in rows[:3]] == [
        "errors",
        "throughput against one alone",
        "fairness (Jain)",
    ]
    assert rows[0].is_ok
    assert rows[-1].measured == "0 of 24 differ"


def test_who_shares_a_session_is_seen_not_to_be_alone(mixture):
    """The same crowd, whose players all have one session."""
    shared = Session(mixture)

    class Leaky(Library):
        def __init__(self):
            super().__init__(mixture, 4, 8)
            self._session = shared

        def close(self):
            """What others have left stays."""

    assert compare(Leaky, 3, 8, 2) > 0


def test_tabs_are_apart_and_their_secrets_hold(serve):
    app = serve()
    assert compare(partial(Tab, app.url, 4, 8), 4, 6, 2) == 0
    attempts, leaks = intruders.stolen_sessions(app, 3)
    assert (attempts > 50, leaks) == (True, 0)
    attempts, leaks = intruders.guessed_files(app)
    assert (attempts > 50, leaks) == (True, 0)


def test_who_is_too_many_is_refused_and_nobody_hangs(serve):
    app = serve(Slow(), most_waiting=2)
    for seen in (overflow(app, 6, 14), overflow_of_programs(app, 6, 14)):
        assert (seen.served + seen.refused, seen.hung) == (6, 0)
        assert seen.refused > 0
    assert not overflow_figure("the page", seen.__class__(5, 0, 1, 0.0), SMALL).is_ok


def test_memory_is_compared_with_what_it_was_when_the_app_was_full(serve):
    app = serve(most_sessions=4)
    assert soak(app, 3, 4, 8).before > 0
    assert visits(app, 2).after > 0
    assert growth_figure("a day", Growth(1000, 1040)).is_ok
    assert not growth_figure("a day", Growth(1000, 1050)).is_ok


def test_nobody_asks_for_a_picture_twice(mixture):
    """From one phase to the next: what was made before would come from the store."""
    asked = [[], [], []]
    people = [partial(lambda numbers, number: numbers.append(number), numbers) for numbers in asked]
    list(_people(people, lambda: 1, replace(SMALL, rounds=2, seconds=0.01)))
    for numbers in asked:
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > 2
