"""Records that travel between the parts, and the Protocols the parts are written against.

Notation, as in `field.py`: step k of N goes from sigma_k to sigma_{k+1}; x has the model's own latent shape with batch
1 ([1, C, H, W] for SD3); a trajectory's velocities are stacked, [N, *x.shape]. Records are plain data: no callables,
and every tensor in them can be moved to the CPU.
"""

from trajflow.base.model import (
    Conditioning,
    Defaults,
    Evaluation,
    Level,
    Model,
    Point,
    Residual,
    Schedule,
    SplitModel,
    as_split,
)
from trajflow.base.plan import (
    UNADJUSTED,
    Adjustment,
    Forecast,
    Forecaster,
    Match,
    NodeDiagnostics,
    NodeSchedule,
    Plan,
    SamplingPlan,
    StepPolicy,
)
from trajflow.base.result import Cost, Metrics, Options, Refinement, Request, Result, Run, Spent, Step
from trajflow.base.tensors import describe_tensor, same_tensor
from trajflow.base.trajectory import StepKind, Trajectory
from trajflow.base.transition import Transition, VelocityField
from trajflow.base.vocabulary import Speaking, Vocabulary, vocabulary_of

__all__ = [
    "UNADJUSTED",
    "Adjustment",
    "Conditioning",
    "Cost",
    "Defaults",
    "Evaluation",
    "Forecast",
    "Forecaster",
    "Level",
    "Match",
    "Metrics",
    "Model",
    "NodeDiagnostics",
    "NodeSchedule",
    "Options",
    "Plan",
    "Point",
    "Refinement",
    "Request",
    "Residual",
    "Result",
    "Run",
    "SamplingPlan",
    "Schedule",
    "Speaking",
    "Spent",
    "SplitModel",
    "Step",
    "StepKind",
    "StepPolicy",
    "Trajectory",
    "Transition",
    "VelocityField",
    "Vocabulary",
    "as_split",
    "describe_tensor",
    "same_tensor",
    "vocabulary_of",
]
