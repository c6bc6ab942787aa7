"""Direct switch: follow the cached path up to the start step, then evaluate every step at the new prompt.

With start step 0 and no source this is the from-scratch run itself.
"""

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField


class Direct:
    """v_k is the cached one for k < start, v(x_k, sigma_k, c) from there on."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[tuple[SamplingPlan, tuple[Trajectory, ...]], int, Tensor]:
        """Start at step 0 of the grid, from the run's noise: a cached prefix is stepped through, not evaluated."""
        return (plan, sources), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: tuple[SamplingPlan, tuple[Trajectory, ...]], field: VelocityField
    ) -> tuple[Tensor, StepKind, tuple[SamplingPlan, tuple[Trajectory, ...]]]:
        """Cached before the switch, computed after it."""
        plan, sources = state
        if k < plan.start_step:
            return sources[0].velocities[k], "cached", state
        return field.evaluate(x, k), "computed", state
