"""What to do for a request, given what is cached and what was learned about the model, and why, in one sentence."""

from trajflow.planner.plan import FIDELITY, make_plan

__all__ = ["FIDELITY", "make_plan"]
