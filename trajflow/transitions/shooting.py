"""Single shooting: the difference that a rollout ends with is guessed, tried and corrected before a step is taken.

From the newest node s to the next node T the unknown is theta, the difference at T. The path is rolled out with D on
the line from D_s to theta (`prediction.py`); one evaluation at its end x_T(theta) gives the terminal error

    E(theta) = |R|^2 + SMOOTHNESS |theta - theta_0|^2 + MANIFOLD |P x_T / sigma_T|^2,
    R = v(x_T, sigma_T, c) - M_T - theta

velocity consistency, smoothness (theta_0 continues the difference as measured so far, and is the warm start) and the
manifold term: P x is the part of x outside the affine span of the cached paths at T. With dx_T/dtheta = w, a number
below 0, and J of `jacobian.py`, a Gauss-Newton step solves in closed form, in the span and beside it,

    ((1 - w J)^2 + SMOOTHNESS + MANIFOLD w^2 / sigma_T^2) delta = (1 - w J) R - SMOOTHNESS (theta - theta_0)
                                                                  - MANIFOLD w P x_T / sigma_T^2.

Budget: a gap between nodes costs the one evaluation at its end, and that is also the next gap's start: the run
arrives at x_T(theta + delta) and goes on from v(x_T(theta)) + J e. Further iterations, at most MOST_ITERATIONS, are
paid from what the plan's budget has beyond its nodes, stop early when R is small, and leave a secant for J. Source:
the shooting note (seed text 001); where this differs from it and why: docs/control.md.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.field import latents_at
from trajflow.transitions.jacobian import STIFFNESS
from trajflow.transitions.prediction import Prediction, Rollout, displaced, roll
from trajflow.transitions.subspace import beside, span

MOST_ITERATIONS = 4
TOLERANCE = 1e-3  # of |v|: a smaller residual is not worth a correction
WORTH_TRYING_AGAIN = 0.03  # of |v|: the predicted change of v from which a further iteration is paid
SMOOTHNESS = 0.02
MANIFOLD = 0.02


@dataclass(frozen=True)
class Shot:
    """A planned gap: the path to take and the difference theta it ends with, what was learnt, the state evaluated last
    and the displacement of the path's end from it."""

    rollout: Rollout
    theta: Tensor
    prediction: Prediction
    evaluated: Tensor
    displacement: Tensor | None
    iterations: int


def shoot(
    prediction: Prediction,
    field: VelocityField,
    sources: tuple[Trajectory, ...],
    x: Tensor,
    displacement: Tensor | None,
    end: int,
    spare: int,
) -> Shot:
    """Plan the gap from the newest node, where the run is at x, to step `end`; costs 1 to 1 + `spare` evaluations."""
    first = theta = prediction.difference(end)
    sigma, step = prediction.sigmas[end], prediction.step(end)
    weight = sum(prediction.step(k) * prediction.ramp(k, end) for k in range(prediction.node, end))
    planned = roll(prediction, field, x, displacement, end, theta)
    before: tuple[Tensor, Tensor] | None = None
    jacobian = prediction.jacobian
    for iteration in range(1, MOST_ITERATIONS + 1):
        evaluated = planned.end
        fresh = field.evaluate(evaluated, end)
        if before is not None:
            jacobian = jacobian.learn(evaluated.float() - before[0], fresh.float() - before[1], sigma, step)
        residual = fresh.float() - prediction.mixture(end) - theta
        size = float(fresh.float().norm())
        if float(residual.norm()) <= TOLERANCE * size:
            break
        theta = theta + _correction(residual, theta - first, evaluated, sources, end, sigma, weight)
        planned = roll(prediction, field, x, displacement, end, theta)
        moved = displaced(planned.end, evaluated)
        if moved is None or iteration > spare:
            break
        if float(jacobian.respond(moved, sigma, step).norm()) <= WORTH_TRYING_AGAIN * size:
            break
        before = (evaluated.float(), fresh.float())
    learnt = replace(prediction, jacobian=jacobian).learn(end, fresh)
    return Shot(planned, theta, learnt, evaluated, displaced(planned.end, evaluated), iteration)


def _correction(
    residual: Tensor,
    drift: Tensor,
    x: Tensor,
    sources: tuple[Trajectory, ...],
    end: int,
    sigma: float,
    weight: float,
) -> Tensor:
    """The Gauss-Newton step for theta; J is its prior here, a multiple of the identity."""
    paths = [latents_at(source, end).float() for source in sources]
    basis = span([path - paths[0] for path in paths[1:]])
    gain = 1 - weight * STIFFNESS / sigma
    pull = gain * residual - SMOOTHNESS * drift
    bent = gain**2 + SMOOTHNESS
    off = MANIFOLD * weight / sigma**2
    outside = beside(basis, pull)
    inside = pull - outside
    return inside / bent + (outside - off * beside(basis, x.float() - paths[0])) / (bent + off * weight)


@dataclass(frozen=True)
class ShootingState:
    """The prediction, and what is planned for the steps from the newest node on."""

    sources: tuple[Trajectory, ...]
    plan: SamplingPlan
    prediction: Prediction
    displacement: Tensor | None = None
    planned: tuple[Tensor, ...] = ()
    shot: Shot | None = None


class Shooting:
    """Transport whose every gap is shot before it is stepped through."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[ShootingState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources."""
        return ShootingState(sources, plan, Prediction.of(sources)), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: ShootingState, field: VelocityField
    ) -> tuple[Tensor, StepKind, ShootingState]:
        """The planned velocity; at a node, the gap that begins there is planned first."""
        kind: StepKind = "coasted"
        if k in state.plan.nodes or k == 0:
            state = arrive(state) if k else replace(state, prediction=state.prediction.learn(0, field.evaluate(x, 0)))
            if state.displacement is None:
                kind = "computed"
            state = self._plan_gap(k, x, state, field)
        velocity, *rest = state.planned
        return velocity, kind, replace(state, planned=tuple(rest))

    def _plan_gap(self, k: int, x: Tensor, state: ShootingState, field: VelocityField) -> ShootingState:
        end = next((node for node in state.plan.nodes if node > k), None)
        if end is None:
            rest = roll(state.prediction, field, x, state.displacement, field.schedule.steps)
            return replace(state, planned=rest.velocities)
        spare = state.plan.budget - field.nfe - sum(node > k for node in state.plan.nodes)
        shot = shoot(state.prediction, field, state.sources, x, state.displacement, end, spare)
        return replace(state, shot=shot, planned=shot.rollout.velocities)


def arrive(state: ShootingState) -> ShootingState:
    """At the end of a shot gap: its evaluation is the newest node, displaced by its last correction."""
    assert state.shot is not None
    return replace(state, prediction=state.shot.prediction, displacement=state.shot.displacement, shot=None)
