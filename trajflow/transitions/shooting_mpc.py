"""Shooting and MPC together: plan a gap by shooting, run under MPC, shoot again when the run was far off.

The first gap is shot (`shooting.py`): its end is evaluated before the run gets there, and the path found is the
reference that the MPC (`mpc.py`) tracks up to that node. From then on the reference is carried from node to node as
in `mpc.py`. At a node REPLAN_EVERY steps or more after the last shot, the tracking error is looked at: when it asks
for more than REPLAN_ERROR of the velocity there, |J (x_ref - x_eval)| > REPLAN_ERROR |v|, the gap ahead is shot as
well; the secants this leaves serve the MPC from then on. A shot gap costs the one evaluation at its end, which is the
next node's; further iterations are paid from what the plan's budget has beyond its nodes. Source: the combined
algorithm of the shooting note (seed text 001).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.transitions.mpc import Mpc, MpcState, advance, pay, track
from trajflow.transitions.prediction import displaced
from trajflow.transitions.shooting import Shot, shoot

REPLAN_EVERY = 10
REPLAN_ERROR = 0.02


@dataclass(frozen=True)
class CombinedState:
    """The MPC's state, the shot that ends at the next node if there is one, and the step the last shot began at."""

    sources: tuple[Trajectory, ...]
    mpc: MpcState
    shot: Shot | None = None
    planned_at: int = 0


class ShootingMpc:
    """MPC whose first gap, and gaps after a large tracking error, are planned by shooting."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[CombinedState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources."""
        mpc, start, x = Mpc().begin(sources, plan, field)
        return CombinedState(sources, mpc), start, x

    def velocity(
        self, k: int, x: Tensor, state: CombinedState, field: VelocityField
    ) -> tuple[Tensor, StepKind, CombinedState]:
        """The fresh velocity where the run is at an evaluated state, the MPC's elsewhere."""
        if k == 0 or k in state.mpc.plan.nodes:
            mpc = arrive(state.mpc, state.shot) if state.shot else pay(k, x, state.mpc, field)
            state = self._look_ahead(k, replace(state, mpc=mpc, shot=None), field)
            if torch.equal(x, mpc.evaluated):
                return mpc.prediction.paid[-1][1], "computed", replace(state, mpc=advance(k, state.mpc, field))
        velocity, control = track(k, x, state.mpc, field)
        return velocity, "coasted", replace(state, mpc=replace(advance(k, state.mpc, field), control=control))

    def _look_ahead(self, k: int, state: CombinedState, field: VelocityField) -> CombinedState:
        """Shoot the gap ahead if it is the first, or if it is time and the tracking error is high."""
        mpc = state.mpc
        end = next((node for node in mpc.plan.nodes if node > k), None)
        due = k == 0 or (k - state.planned_at >= REPLAN_EVERY and correction_asked(mpc) > REPLAN_ERROR)
        if end is None or not due:
            return state
        spare = mpc.plan.budget - field.nfe - sum(node > k for node in mpc.plan.nodes)
        shot = shoot(mpc.prediction, field, state.sources, *mpc.start, end, spare)
        return replace(state, mpc=replace(mpc, shot=(end, shot.theta)), shot=shot, planned_at=k)


def correction_asked(mpc: MpcState) -> float:
    """|J (x_ref - x_eval)| / |v| at the newest node."""
    prediction, away = mpc.prediction, mpc.start[1]
    if away is None:
        return 0.0
    return float(prediction.respond(away, prediction.node).norm() / prediction.paid[-1][1].float().norm())


def arrive(mpc: MpcState, shot: Shot) -> MpcState:
    """At the end of a shot gap: what was evaluated there is the newest node, the reference goes on from its own end."""
    start = (mpc.reference, displaced(mpc.reference, shot.evaluated))
    return replace(mpc, prediction=shot.prediction, evaluated=shot.evaluated, start=start, shot=None)
