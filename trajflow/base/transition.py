"""The sampling loop's two partners: the counted field, and the transition that is asked for velocities."""

from typing import Any, Protocol

from torch import Tensor

from trajflow.base.model import Level, Residual, Schedule
from trajflow.base.plan import SamplingPlan
from trajflow.base.trajectory import StepKind, Trajectory


class VelocityField(Protocol):
    """What a transition sees of the model: counted evaluations at the run's own conditioning, from the run's noise."""

    schedule: Schedule
    noise: Tensor
    nfe: int
    rows: int
    is_start_exact: bool

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """The guided velocity at x_k; costs one nfe."""

    def evaluate_keeping(self, x: Tensor, k: int, level: Level) -> tuple[Tensor, Residual]:
        """The guided velocity at x_k and what later steps may reuse of it; costs one nfe."""

    def reuse(self, x: Tensor, k: int, residual: Residual) -> Tensor:
        """The guided velocity at x_k as far as it follows from the residual of another step; costs no nfe."""


class Transition(Protocol):
    """A way from cached trajectories to a new prompt. It never sees the target's baseline.

    A state may have `forecast` (a `Forecast` or None), `raw_forecast` (the same without the
    session's adjustment) and `diagnostics` (the `NodeDiagnostics` of every node so far).
    """

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[Any, int, Tensor]:
        """The initial state, the first step to take and the latents there."""

    def velocity(self, k: int, x: Tensor, state: Any, field: VelocityField) -> tuple[Tensor, StepKind, Any]:
        """The velocity to step with from x_k, how it came about, and the next state."""
