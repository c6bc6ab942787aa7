"""The published system: a similarity tier names the resume point, and from there MPC steers a blend of two velocities.

    k < start:   dx/dsigma = v_old                                     the cached path, nothing evaluated
    k >= start:  dx/dsigma = v_old + alpha_k (v_new - v_old) + u_k
    alpha_k = logistic(10 ((k - start) / n - 1/2)),   n = 3 / 5 / 8 by prompt similarity

v_new is evaluated at the plan's nodes, as published at every step after the switch, and with a budget predicted between
them. u is the first control of the quadratic program that `mpc.py` solves anew at each step, over five steps of which
two are free. Its reference starts at the switch, as the path that would take up v_new at once, and is laid anew at
every node; so the control works against the blend's lag, and no target is seen. Where nothing is resumed there is
nothing to fade, and an evaluated step takes v_new itself. Source: the trajectory cache's tiers and the MPC note (seed
texts 000 to 002); what comes of it: docs/control.md.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.transitions.mpc import Mpc, MpcState, advance, pay, track


@dataclass(frozen=True)
class PublishedState:
    """The path to resume from, and the controller that takes over at the plan's start step."""

    source: Trajectory
    mpc: MpcState


class Published:
    """Cached before the switch, the steered blend from there."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[PublishedState, int, Tensor]:
        """Start at step 0, from the run's noise. Raises MissingExtra without the controller's solver."""
        mpc, start, x = Mpc().begin(sources[:1], plan, field)
        return PublishedState(sources[0], mpc), start, x

    def velocity(
        self, k: int, x: Tensor, state: PublishedState, field: VelocityField
    ) -> tuple[Tensor, StepKind, PublishedState]:
        """The cached velocity, then the blend with the control, of an evaluated or a predicted v_new."""
        mpc, plan = state.mpc, state.mpc.plan
        if k < plan.start_step:
            return state.source.velocities[k], "cached", state
        if k == plan.start_step:
            mpc = replace(mpc, evaluated=x, reference=x, start=(x, None))
        is_node = k == plan.start_step or k in plan.nodes
        if is_node:
            mpc = replace(pay(k, x, mpc, field), control=mpc.control)
        if is_node and not plan.start_step:
            return mpc.prediction.paid[-1][1], "computed", replace(state, mpc=advance(k, mpc, field))
        velocity, control = track(k, x, mpc, field)
        mpc = replace(advance(k, mpc, field), control=control)
        return velocity, "computed" if is_node else "coasted", replace(state, mpc=mpc)
