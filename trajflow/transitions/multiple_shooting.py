"""Multiple shooting: a start state for every segment between nodes, and continuity defects driven to zero.

Segment i runs from node s_i to s_{i+1}. Its coarse model is the transported cached path (`prediction.py`), evaluated
once at its start Y_i. The sweep goes forward: the segment is rolled out with the difference carried on, Y_{i+1} is
where that ends, and the evaluation there pays for the next segment. With both ends known the segment is rolled out
again, with D on the line between them, and the continuity defect

    defect_{i+1} = Phi_i(Y_i + e_i) - Y_{i+1},   Phi_i: the segment with D bridged from D_i to D_{i+1}

is closed by the Newton step of multiple shooting in condensed form: e_{i+1} = defect_{i+1}, where moving a start by e
moves its velocity by J e, and the segment carries e on by e_{k+1} = e_k + h_k J e_k. So the path is continuous, and
what is left to mistrust is |J e_i|, the part of a start's velocity that was inferred and not evaluated. Evaluations
beyond the nodes re-evaluate the start where that is largest, at its corrected state; each such pair is a secant for
J, and the later segments are closed anew (a parareal sweep, doi:10.1016/S0764-4442(00)01793-6). It ends when |J e| is
small or the budget is spent. The whole plan is made before the first step. Source: the shooting note (seed text 001).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.transitions.prediction import Prediction, displaced, roll

WORTH_A_SECOND_LOOK = 0.01  # of |v|


@dataclass(frozen=True)
class Segment:
    """One segment: what is predicted from its start Y (`evaluated`), and the displacement e of the path from it."""

    prediction: Prediction
    evaluated: Tensor
    displacement: Tensor | None = None

    @property
    def start(self) -> int:
        """The step it begins at."""
        return self.prediction.node

    @property
    def inferred(self) -> float:
        """|J e| / |v| at the start: how much of its velocity was not evaluated."""
        if self.displacement is None:
            return 0.0
        answer = self.prediction.respond(self.displacement, self.start)
        return float(answer.norm() / self.prediction.paid[-1][1].float().norm())


def sweep(first: Prediction, nodes: tuple[int, ...], field: VelocityField) -> tuple[Segment, ...]:
    """Evaluate the start of every segment after the first, one evaluation each, closing each defect as it is known."""
    segments = [Segment(first, field.noise)]
    x = field.noise
    for node in nodes[1:]:
        segment = segments[-1]
        prediction, displacement = segment.prediction, segment.displacement
        guess = roll(prediction, field, x, displacement, node).end
        fresh = field.evaluate(guess, node)
        theta = fresh.float() - prediction.mixture(node)
        x = roll(prediction, field, x, displacement, node, theta).end
        segments.append(Segment(prediction.learn(node, fresh), guess, displaced(x, guess)))
    return tuple(segments)


def close(segments: tuple[Segment, ...], field: VelocityField) -> tuple[tuple[Segment, ...], tuple[Tensor, ...]]:
    """The continuous path through all segments: their displacements renewed, and its velocities [N]."""
    x, closed = field.noise, []
    velocities: list[Tensor] = []
    for i, segment in enumerate(segments):
        segment = replace(segment, displacement=displaced(x, segment.evaluated))
        closed.append(segment)
        prediction = segment.prediction
        if i + 1 < len(segments):
            end = segments[i + 1].start
            theta = segments[i + 1].prediction.paid[-1][1].float() - prediction.mixture(end)
            path = roll(prediction, field, x, segment.displacement, end, theta)
        else:
            path = roll(prediction, field, x, segment.displacement, field.schedule.steps)
        velocities += path.velocities
        x = path.end
    return tuple(closed), tuple(velocities)


def look_again(segments: tuple[Segment, ...], index: int, field: VelocityField) -> tuple[Segment, ...]:
    """Evaluate one start at its corrected state; the secant serves every segment."""
    segment = segments[index]
    assert segment.displacement is not None
    prediction, k = segment.prediction, segment.start
    state = (segment.evaluated.float() + segment.displacement).to(segment.evaluated.dtype)
    fresh = field.evaluate(state, k)
    change = fresh.float() - prediction.paid[-1][1].float()
    jacobian = prediction.jacobian.learn(segment.displacement, change, prediction.sigmas[k], prediction.step(k))
    renewed = [replace(other, prediction=replace(other.prediction, jacobian=jacobian)) for other in segments]
    renewed[index] = Segment(renewed[index].prediction.learn(k, fresh), state)
    return tuple(renewed)


@dataclass(frozen=True)
class MultipleShootingState:
    """Before the first step nothing but the sources; then the velocities still to take, and which of them are exact."""

    plan: SamplingPlan
    prediction: Prediction
    planned: tuple[Tensor, ...] = ()
    computed: frozenset[int] = frozenset()


class MultipleShooting:
    """Transport planned as a whole, segment by segment, before the first step."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[MultipleShootingState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources."""
        return MultipleShootingState(plan, Prediction.of(sources)), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: MultipleShootingState, field: VelocityField
    ) -> tuple[Tensor, StepKind, MultipleShootingState]:
        """The planned velocity; the plan is made at step 0."""
        if k == 0:
            state = self._make_plan(state, field)
        velocity, *rest = state.planned
        return velocity, "computed" if k in state.computed else "coasted", replace(state, planned=tuple(rest))

    def _make_plan(self, state: MultipleShootingState, field: VelocityField) -> MultipleShootingState:
        fresh = field.evaluate(field.noise, 0)
        first = state.prediction.learn(0, fresh)
        segments, velocities = close(sweep(first, state.plan.nodes, field), field)
        for _ in range(state.plan.budget - field.nfe):
            worst = max(range(len(segments)), key=lambda i: segments[i].inferred)
            if segments[worst].inferred <= WORTH_A_SECOND_LOOK:
                break
            segments, velocities = close(look_again(segments, worst, field), field)
        exact = {s.start: s.prediction.paid[-1][1] for s in segments if s.displacement is None}
        assert all(torch.equal(velocities[k], fresh) for k, fresh in exact.items())
        return replace(state, planned=velocities, computed=frozenset(exact))
