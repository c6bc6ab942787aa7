"""What the form asks of the library: a fidelity, a budget, a refinement, or that the planner decides."""

from typing import Any

from trajflow.base import Request
from trajflow.planner import FIDELITY as PLANNED_DB
from trajflow.strategies import STRATEGIES

PLANNER, FIDELITY, BUDGET, REFINE = "planner", "fidelity", "budget", "refine"
ASKS = (
    (f"Planner chooses ({PLANNED_DB:g} dB)", PLANNER),
    ("At least … dB", FIDELITY),
    ("At most … evaluations", BUDGET),
    ("Refine until exact", REFINE),
)
LEAST_DB, USUAL_DB, MOST_DB = 30, 40, 55
USUAL_BUDGET = 7
FIELDS = (
    "prompt",
    "seed",
    "steps",
    "guidance",
    "width",
    "height",
    "negative_prompt",
    "strategy",
    "ask",
    "fidelity",
    "budget",
    "compare",
)


def options(form: tuple[Any, ...]) -> dict[str, Any]:
    """The form as `Session.stream` takes it: of budget, fidelity and refinement only the one that is asked for.

    A strategy that does not aim at a fidelity is not given one.
    """
    given = dict(zip(FIELDS, form, strict=True))
    ask, fidelity, budget = given.pop("ask"), given.pop("fidelity"), given.pop("budget")
    given["negative_prompt"] = given["negative_prompt"] or ""
    if ask == BUDGET:
        given["budget"] = budget
    elif ask == FIDELITY and aims(given["strategy"]):
        given["fidelity"] = fidelity
    elif ask == REFINE:
        given["refine"] = True
    return given


def aims(strategy: Any) -> bool:
    """Whether a strategy can be asked for a fidelity."""
    known = STRATEGIES.get(strategy) if isinstance(strategy, str) else None
    return known is not None and known.is_anytime


def asked(request: Request) -> str:
    """Which of the choices a request was made with."""
    if request.refine:
        return REFINE
    if request.budget is not None:
        return BUDGET
    return PLANNER if request.fidelity is None else FIDELITY
