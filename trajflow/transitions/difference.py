"""Difference transport: the cached velocity is free, so only its difference to the new prompt's has to be learned.

With one source A and x^B = x^A + z, dz/dsigma = D(sigma), D_k = v(x^B_k, sigma_k, c_B) - v^A_k. D is evaluated at the
nodes; between them the run coasts on v^A_k + D^_k, where D^ is held, or extrapolated from the last two nodes:

    D^(sigma) = D_j + damping (sigma - sigma_j) (D_j - D_i) / (sigma_j - sigma_i),   nodes i < j <= k.

Source: ours; the reduced-basis form is in `basis.py`.
"""

from dataclasses import dataclass

from torch import Tensor

from trajflow.base import Plan, StepKind, Trajectory, VelocityField
from trajflow.transitions.nodes import correct_nodes, damping_for, extrapolate


@dataclass(frozen=True)
class DifferenceState:
    """The nodes still planned and the differences measured so far, (sigma, D) in float32."""

    source: Trajectory
    nodes: tuple[int, ...]
    plan: Plan
    measured: tuple[tuple[float, Tensor], ...] = ()


class Difference:
    """Transport of the difference against the nearest source."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: Plan, field: VelocityField
    ) -> tuple[DifferenceState, int, Tensor]:
        """Start at step 0, from the noise shared with the source."""
        return DifferenceState(sources[0], plan.nodes, plan), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: DifferenceState, field: VelocityField
    ) -> tuple[Tensor, StepKind, DifferenceState]:
        """The fresh velocity at a node, the transported one between nodes."""
        cached = state.source.velocities[k]
        if k in state.nodes:
            fresh = field.evaluate(x, k)
            difference = fresh.float() - cached.float()
            nodes = state.nodes
            if k == 0:
                nodes = correct_nodes(state.plan, float(difference.norm() / fresh.float().norm()))
            sigma = float(field.schedule.sigmas[k])
            measured = (*state.measured, (sigma, difference))[-2:]
            return fresh, "computed", DifferenceState(state.source, nodes, state.plan, measured)
        damping = damping_for(state.plan, state.nodes)
        predicted = extrapolate(state.measured, float(field.schedule.sigmas[k]), damping)
        return (cached.float() + predicted).to(cached.dtype), "coasted", state
