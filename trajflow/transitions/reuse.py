"""Step caching: steps that are not computed reuse what computed ones have left, as the plan's policy decides.

With a start step the cached path is followed up to it, and the policy decides about the rest.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from trajflow.base import Residual, SamplingPlan, StepKind, StepPolicy, Trajectory, VelocityField


@dataclass(frozen=True)
class ReuseState:
    """The plan with its sources, and what the newest computed steps have left, newest first."""

    policy: StepPolicy
    start: int
    sources: tuple[Trajectory, ...]
    kept: tuple[Residual, ...] = ()


class Reuse:
    """v(x_k, sigma_k, c), or what follows of it from the residual that the policy restores."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[ReuseState, int, Tensor]:
        """Start at step 0 of the grid, from the run's noise."""
        assert plan.policy is not None
        return ReuseState(plan.policy, plan.start_step, sources), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: ReuseState, field: VelocityField
    ) -> tuple[Tensor, StepKind, ReuseState]:
        """Cached before the start step, then computed or reused."""
        policy, kept = state.policy, state.kept
        if k < state.start:
            return state.sources[0].velocities[k], "cached", state
        if not kept or policy.decide(k, kept) == "compute":
            velocity, residual = field.evaluate_keeping(x, k, policy.level)
            older = kept or (({"velocity": field.noise},) if policy.level == "velocity" else ())
            return velocity, "computed", replace(state, kept=(residual, *older)[: policy.depth])
        return field.reuse(x, k, policy.restore(k, kept)), "reused", state
