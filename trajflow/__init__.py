"""trajflow: tweak a prompt, pay a fraction.

>>> import trajflow
>>> session = trajflow.Session(trajflow.load("tiny"))
>>> first = session.generate("a mountain landscape", seed=7, steps=8)
>>> result = session.generate("a mountain landscape at dusk", seed=7, steps=8, budget=3)
>>> result.cost.nfe, result.plan.match.prompt
(3, 'a mountain landscape')
"""

from trajflow.base import (
    Cost,
    Forecast,
    Metrics,
    Model,
    Options,
    Plan,
    Refinement,
    Request,
    Result,
    SamplingPlan,
    Spent,
    Step,
    Trajectory,
)
from trajflow.cache.entry import Entry
from trajflow.cache.tiers import Tier
from trajflow.calibration import Profile
from trajflow.errors import (
    BudgetExceeded,
    CacheError,
    Cancelled,
    MemoryExhausted,
    MissingExtra,
    ModelError,
    NumericalError,
    PluginError,
    RequestError,
    TrajflowError,
)
from trajflow.methods import METHODS, Method
from trajflow.models.registry import load
from trajflow.session import Estimate, Session

__version__ = "0.1.0"
__all__ = [
    "METHODS",
    "BudgetExceeded",
    "CacheError",
    "Cancelled",
    "Cost",
    "Entry",
    "Estimate",
    "Forecast",
    "MemoryExhausted",
    "Method",
    "Metrics",
    "MissingExtra",
    "Model",
    "ModelError",
    "NumericalError",
    "Options",
    "Plan",
    "PluginError",
    "Profile",
    "Refinement",
    "Request",
    "RequestError",
    "Result",
    "SamplingPlan",
    "Session",
    "Spent",
    "Step",
    "Tier",
    "Trajectory",
    "TrajflowError",
    "load",
]
