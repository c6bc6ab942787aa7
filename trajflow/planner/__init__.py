"""What to do for a request, given what is cached and what was learned about the model, and why, in one sentence."""

from trajflow.planner.plan import make_plan
from trajflow.planner.transport import FIDELITY

__all__ = ["FIDELITY", "make_plan"]
