"""What the form asks of the library: a fidelity, a budget, a refinement, or that the planner decides."""

from typing import Any

from trajflow.base import Request
from trajflow.methods import METHODS
from trajflow.planner import FIDELITY as PLANNED_DB

PLANNER, FIDELITY, BUDGET, REFINE = "planner", "fidelity", "budget", "refine"
BUDGET_ASKED = "At most … evaluations"
ASKS = (
    (f"Planner chooses ({PLANNED_DB:g} dB)", PLANNER),
    ("At least … dB", FIDELITY),
    (BUDGET_ASKED, BUDGET),
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

    The from-scratch run, which reaches any, is given none of them.
    """
    given = dict(zip(FIELDS, form, strict=True))
    ask, fidelity, budget = given.pop("ask"), given.pop("fidelity"), given.pop("budget")
    given["negative_prompt"] = given["negative_prompt"] or ""
    if ask == BUDGET:
        given["budget"] = budget
    elif is_full(given["strategy"]):
        return given
    elif ask == FIDELITY:
        given["fidelity"] = fidelity
    elif ask == REFINE:
        given["refine"] = True
    return given


def is_full(strategy: Any) -> bool:
    """Whether a strategy computes every step, whatever is asked for."""
    return isinstance(strategy, str) and strategy in METHODS and METHODS[strategy].family == "full"


def hint(form: tuple[Any, ...]) -> str:
    """What else could be asked of the form's strategy, where it cannot do what is asked of it; else nothing."""
    given = dict(zip(FIELDS, form, strict=True))
    known = METHODS.get(given["strategy"]) if isinstance(given["strategy"], str) else None
    if known is None or known.is_anytime or is_full(given["strategy"]) or given["ask"] not in (FIDELITY, REFINE):
        return ""
    return f"Or keep {given['strategy']} and ask for “{BUDGET_ASKED}”."


def asked(request: Request) -> str:
    """Which of the choices a request was made with."""
    if request.refine:
        return REFINE
    if request.budget is not None:
        return BUDGET
    return PLANNER if request.fidelity is None else FIDELITY
