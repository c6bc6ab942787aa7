import re

import pytest

from trajflow.base import Defaults, Request
from trajflow.errors import RequestError
from trajflow.methods import METHODS
from trajflow.settings import resolve_request
from trajflow.ui import form

DEFAULTS = Defaults(8, 1.0, 8, 8, 4, 64)


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


@pytest.mark.parametrize("ask", ["fidelity", "refine"])
@pytest.mark.parametrize("strategy", METHODS)
def test_what_a_strategy_cannot_do_is_a_sentence_with_a_way_out(strategy, ask):
    filled = fill(ask=ask, strategy=strategy)
    request = Request(**form.options(filled))
    if METHODS[strategy].is_anytime or strategy == "baseline":
        resolve_request(request, DEFAULTS)
        assert form.hint(filled) == ""
    else:
        with pytest.raises(RequestError, match=f"'{re.escape(strategy)}' cannot be refined|cannot aim at a fidelity"):
            resolve_request(request, DEFAULTS)
        assert form.hint(filled) == f"Or keep {strategy} and ask for “At most … evaluations”."


@pytest.mark.parametrize("ask", ["planner", "budget", None, ["refine"]])
def test_what_any_strategy_can_do_has_no_hint(ask):
    assert form.hint(fill(ask=ask, strategy="tcc")) == ""
    assert form.hint(fill(ask="refine", strategy=["tcc"])) == ""


@pytest.mark.parametrize("ask", [None, ["budget"], {"budget": 1}, "else"])
def test_what_is_none_of_the_choices_leaves_it_to_the_planner(ask):
    assert not {"budget", "fidelity", "refine"} & set(form.options(fill(ask=ask, strategy=["auto"])))


def test_the_ends_of_the_fidelity_slider_are_allowed():
    for fidelity in (form.LEAST_DB, form.USUAL_DB, form.MOST_DB):
        assert resolve_request(Request("sea", fidelity=fidelity), DEFAULTS).fidelity == fidelity
