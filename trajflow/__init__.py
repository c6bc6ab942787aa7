"""trajflow: tweak a prompt, pay a fraction.

flow = trajflow.load("tiny")
session = trajflow.Session(flow)
result = session.generate("a mountain at dusk", seed=7, budget=7)
"""

from trajflow.base import Cost, Forecast, Metrics, Model, Plan, Refinement, Request, Result, Spent, Step
from trajflow.methods import METHODS
from trajflow.models.registry import load
from trajflow.session import Estimate, Session

__version__ = "0.1.0"
__all__ = [
    "METHODS",
    "Cost",
    "Estimate",
    "Forecast",
    "Metrics",
    "Model",
    "Plan",
    "Refinement",
    "Request",
    "Result",
    "Session",
    "Spent",
    "Step",
    "load",
]
