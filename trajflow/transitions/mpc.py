"""MPC: follow a reference that each node corrects, by blended velocities and a control re-solved at every step.

    dx/dsigma = (1 - alpha) v_old + alpha v_new + u,   written v_old + alpha (v_new - v_old) + u

v_old = M_k is the cached velocity; v_new is the fresh one at a node and is predicted between nodes, v^_k + J (x -
x_eval) (`prediction.py`: last known difference, Jacobian, displacement from the path that was evaluated). alpha is 1
where v_new was evaluated, and between nodes the published fade from the switch, here step 0; a run that resumes
(`published.py`) fades at its nodes too, from the step where it leaves the cached path,

    alpha_k = logistic(10 ((k - switch) / n - 1/2)),   n = 3 / 5 / 8 by prompt similarity (`blend.py`)

The reference is the transported path. When a node is paid for, the difference is known at both ends of the gap just
taken, so that gap is rolled out again with D on the line between them; where that ends is where the run should have
been, and the reference goes on from there. The tracking error s = x - x_ref follows s' = s + h (J s + u) plus the
drift that alpha < 1 leaves. In the span of s, the blend's drift, the differences paid for, and the sources'
differences, `horizon.py` finds controls over PREDICTION_HORIZON steps, CONTROL_HORIZON of them free; the first is
applied, the rest warm-start the next. Early stop: an error below TOLERANCE of a step's length is left alone, u = 0
exactly. Source: the MPC note (seed texts 001, 002); where this differs from it and why: docs/control.md.
"""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.extras import require
from trajflow.field import euler_step
from trajflow.transitions.blend import blend_share, blend_steps
from trajflow.transitions.horizon import CONTROL_HORIZON, PREDICTION_HORIZON, Problem, solve
from trajflow.transitions.prediction import Prediction, displaced, roll
from trajflow.transitions.subspace import coordinates, lift, span

TOLERANCE = 1e-4
TRUST = 2.0  # bound of a control in one direction, in lengths of the error to be brought to zero
MOST_SOURCE_DIRECTIONS = 3


def blend_alpha(k: int, similarity: float) -> float:
    """alpha `k` steps after the switch; rises to 1."""
    return blend_share(k / blend_steps(similarity))


@dataclass(frozen=True)
class MpcState:
    """`evaluated` is x_eval at the current step, the path as evaluated and predicted; `reference` is x_ref.

    `start` holds the reference at the newest node and its displacement from x_eval there; `shot` the step and the
    difference that a planned gap ends with, if it was planned; `control` the controls solved for last, as displacements
    of x, the one applied first.
    """

    plan: SamplingPlan
    prediction: Prediction
    evaluated: Tensor
    reference: Tensor
    start: tuple[Tensor, Tensor | None]
    shot: tuple[int, Tensor] | None = None
    control: tuple[Tensor, ...] = ()

    def expected(self, k: int) -> Tensor:
        """The velocity of the evaluated path at step k, float32."""
        return self.prediction.velocity(k, *self.shot) if self.shot else self.prediction.velocity(k)

    def alpha(self, k: int) -> float:
        """The share of the new velocity: 1 where it was evaluated, unless the run fades out of a path it resumed."""
        switch, similarity = self.plan.start_step, self.plan.similarity
        return 1.0 if not switch and k == self.prediction.node else blend_alpha(k - switch, similarity)


class Mpc:
    """Model predictive control of the blended law."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[MpcState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources. Raises MissingExtra without its solver."""
        require("control", "Model predictive control")
        x = field.noise
        return MpcState(plan, Prediction.of(sources), x, x, (x, None)), 0, x

    def velocity(self, k: int, x: Tensor, state: MpcState, field: VelocityField) -> tuple[Tensor, StepKind, MpcState]:
        """The fresh velocity at a node, the controlled blend between nodes."""
        if k == 0 or k in state.plan.nodes:
            state = pay(k, x, state, field)
            return state.prediction.paid[-1][1], "computed", advance(k, state, field)
        velocity, control = track(k, x, state, field)
        return velocity, "coasted", replace(advance(k, state, field), control=control)


def pay(k: int, x: Tensor, state: MpcState, field: VelocityField) -> MpcState:
    """Evaluate at x: the gap behind is rolled out again with both ends known, and the reference moves there."""
    fresh = field.evaluate(x, k)
    reference, prediction = x, state.prediction
    if prediction.paid:
        theta = fresh.float() - prediction.mixture(k)
        reference = roll(prediction, field, *state.start, k, theta).end
    prediction = prediction.learn(k, fresh)
    start = (reference, displaced(reference, x))
    return MpcState(state.plan, prediction, x, reference, start)


def advance(k: int, state: MpcState, field: VelocityField) -> MpcState:
    """The evaluated path and the reference, one step further as predicted."""
    sigmas, prediction = field.schedule.sigmas, state.prediction
    base = state.expected(k)
    evaluated = euler_step(state.evaluated, base.to(state.evaluated.dtype), sigmas[k], sigmas[k + 1])
    away = displaced(state.reference, state.evaluated)
    if away is None:
        return replace(state, evaluated=evaluated, reference=evaluated)
    velocity = (base + prediction.respond(away, k)).to(state.reference.dtype)
    return replace(
        state, evaluated=evaluated, reference=euler_step(state.reference, velocity, sigmas[k], sigmas[k + 1])
    )


def track(k: int, x: Tensor, state: MpcState, field: VelocityField) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The blended velocity with the first control, and all controls, none when the error is left alone."""
    prediction = state.prediction
    old, step = prediction.mixture(k), prediction.step(k)
    away, error = displaced(x, state.evaluated), x.float() - state.reference.float()
    change = state.expected(k) - old
    if away is not None:
        change = change + prediction.respond(away, k)
    alpha = state.alpha(k)
    lag = (alpha - 1) * step * change
    if float((error + lag).norm()) <= TOLERANCE * abs(step) * float(old.norm()):
        return (old + alpha * change).to(x.dtype), ()
    controls = plan_controls(k, error, state, field.schedule.steps)
    velocity = old + alpha * change + controls[0] / step
    return velocity.to(x.dtype), controls


def plan_controls(k: int, error: Tensor, state: MpcState, steps: int) -> tuple[Tensor, ...]:
    """Solve for the controls from step k on, over at most PREDICTION_HORIZON steps.

    A run from the noise looks no further than its next node, where alpha is 1; one that resumes fades through nodes.
    """
    prediction = state.prediction
    later = () if state.plan.start_step else state.plan.nodes
    stop = next((node for node in later if node > k), steps)
    window = range(k, min(k + PREDICTION_HORIZON, stop))
    lags = [(state.alpha(q) - 1) * prediction.step(q) * (state.expected(q) - prediction.mixture(q)) for q in window]
    paid = [velocity.float() - prediction.mixture(j) for j, velocity in prediction.paid[-2:]]
    cached = prediction.cached[:, k].float()
    between = [other - cached[0] for other in cached[1 : 1 + MOST_SOURCE_DIRECTIONS]]
    basis = span([error, *paid, *between])
    scale = max(float(error.norm()), *(float(lag.norm()) for lag in lags))
    identity = np.eye(len(basis))
    rows = [lift(basis, row, error) for row in identity]
    responses = [np.stack([coordinates(basis, prediction.respond(row, q)) for row in rows], axis=1) for q in window]
    last = coordinates(basis, state.control[0]) / scale if state.control else np.zeros(len(basis))
    problem = Problem(
        np.stack([identity + prediction.step(q) * response for q, response in zip(window, responses, strict=True)]),
        np.stack([coordinates(basis, lag) / scale for lag in lags]),
        coordinates(basis, error) / scale,
        last,
        TRUST,
    )
    warm = None
    if state.control:
        moves = min(CONTROL_HORIZON, len(window))
        guess = [coordinates(basis, state.control[min(i + 1, len(state.control) - 1)]) / scale for i in range(moves)]
        warm = np.stack(guess)
    answer = solve(problem, warm)
    return tuple(scale * lift(basis, control, error) for control in answer.controls)
