import pytest

from trajflow.base import Defaults, Request
from trajflow.settings import settle
from trajflow.strategies import STRATEGIES
from trajflow.ui import form


def fill(**changes):
    given = dict.fromkeys(form.FIELDS) | {"prompt": "sea", "seed": 7, "strategy": "auto", "compare": False}
    given |= {"ask": "planner", "fidelity": 44, "budget": 5, "steps": 8, "guidance": 1.0} | changes
    return tuple(given[name] for name in form.FIELDS)


@pytest.mark.parametrize(
    ("ask", "asked"),
    [("planner", {}), ("fidelity", {"fidelity": 44}), ("budget", {"budget": 5}), ("refine", {"refine": True})],
)
def test_exactly_one_of_budget_fidelity_and_refinement_is_asked_for(ask, asked):
    options = form.options(fill(ask=ask))
    assert {name: options[name] for name in ("budget", "fidelity", "refine") if name in options} == asked
    assert form.asked(Request(**options)) == ask


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_strategies_that_aim_are_given_a_fidelity(strategy):
    options = form.options(fill(ask="fidelity", strategy=strategy))
    assert ("fidelity" in options) == (STRATEGIES[strategy].transition == "basis")


@pytest.mark.parametrize("ask", [None, ["budget"], {"budget": 1}, "else"])
def test_what_is_none_of_the_choices_leaves_it_to_the_planner(ask):
    assert not {"budget", "fidelity", "refine"} & set(form.options(fill(ask=ask, strategy=["auto"])))


def test_the_ends_of_the_fidelity_slider_are_allowed():
    defaults = Defaults(8, 1.0, 8, 8, 4, 64)
    for fidelity in (form.LEAST_DB, form.USUAL_DB, form.MOST_DB):
        assert settle(Request("sea", fidelity=fidelity), defaults).fidelity == fidelity
