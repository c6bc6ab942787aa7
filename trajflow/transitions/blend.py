"""Blend: a direct switch softened over a few steps, v = v_old + alpha (v_new - v_old).

alpha = logistic(10 (progress - 1/2)), progress = (k - switch) / n, over n = 3 / 5 / 8 steps for a prompt similarity
above 0.95 / above 0.90 / below (the adaptive alpha schedule of the MPC note). Equal velocities blend to themselves;
without a cached prefix there is nothing to soften.
"""

import math

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField

State = tuple[SamplingPlan, Trajectory, int]


def blend_steps(similarity: float) -> int:
    """Over how many steps the old velocity fades out."""
    return 3 if similarity > 0.95 else 5 if similarity > 0.90 else 8


def blend_share(progress: float) -> float:
    """alpha, the share of the new velocity, for progress in 0..1."""
    return 1 / (1 + math.exp(-10 * (progress - 0.5)))


class Blend:
    """Cached before the switch; after it every step is computed, and the cached velocity fades out."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[State, int, Tensor]:
        """Start at step 0, from the run's noise."""
        similarity = plan.similarity
        span = blend_steps(similarity) if plan.start_step else 0
        return (plan, sources[0], span), 0, field.noise

    def velocity(self, k: int, x: Tensor, state: State, field: VelocityField) -> tuple[Tensor, StepKind, State]:
        """The cached velocity, then the blend, then the new velocity alone."""
        plan, source, span = state
        old = source.velocities[k]
        if k < plan.start_step:
            return old, "cached", state
        new = field.evaluate(x, k)
        past = k - plan.start_step
        if past >= span:
            return new, "computed", state
        return old + blend_share(past / span) * (new - old), "computed", state
