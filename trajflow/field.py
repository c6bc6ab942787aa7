"""The velocity field of one request, the only place where the network is called, counted and limited; and the flow
along it: the Euler step, and what follows from the velocities of a path. But for the field, pure functions.

sigma = 1 is noise and sigma = 0 the image. A grid has N steps k = 0..N-1 with sigma_0 > ... > sigma_N = 0, the step
sizes are h_k = sigma_{k+1} - sigma_k < 0, and x_{k+1} = x_k + h_k v(x_k, sigma_k, c) (arXiv:2209.03003).

nfe: one per guided velocity of one image. rows: network batch rows, which classifier-free guidance doubles. The newest
state evaluated at each step is remembered: the same state is never paid for twice.

The negative branch at x_0 depends on the noise and the negative prompt only, so runs that share these share it: where
it is known, v_0 costs one row.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from trajflow.base import Conditioning, Cost, Evaluation, Level, Model, Residual, Schedule, Trajectory, as_split
from trajflow.errors import BudgetExceeded, NumericalError

VELOCITY = "velocity"


class Field:
    """A model bound to the conditioning, grid, noise and budget of one request.

    `shared` is the negative branch at x_0, [*x.shape], as an earlier run of this noise and negative prompt has it.

    Raises BudgetExceeded on the evaluation after the last one allowed, NumericalError when a velocity is not finite.
    """

    def __init__(
        self,
        model: Model,
        conditioning: Conditioning,
        schedule: Schedule,
        noise: Tensor,
        budget: int,
        shared: Tensor | None = None,
    ) -> None:
        self.schedule = schedule
        self.noise = noise
        self.budget = budget
        self.nfe = 0
        self.rows = 0
        self._model = model
        self._conditioning = conditioning
        self._paid: dict[int, tuple[Tensor, Tensor]] = {}
        self.is_start_exact = True
        self.negative = shared
        self._shared = shared

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """v(x, sigma_k, c) for x of the run's latent shape; costs one nfe, or none at the state evaluated last at k."""
        known = self.known(x, k)
        if known is not None:
            return known
        if k == 0 and self._shared is not None and torch.equal(x, self.noise):
            velocity = self._pay_one_row(x, self._shared)
            if velocity is not None:
                return velocity
        return self._pay(x, k, None).velocity

    def known(self, x: Tensor, k: int) -> Tensor | None:
        """v(x, sigma_k, c) where x is the state evaluated last at k, else None."""
        return self._paid[k][1] if k in self._paid and torch.equal(self._paid[k][0], x) else None

    def evaluate_keeping(self, x: Tensor, k: int, level: Level) -> tuple[Tensor, Residual]:
        """As `evaluate`, with what later steps may reuse: at level `velocity` itself, else the network's residual.

        A residual was not remembered: an evaluation that leaves one costs one nfe whatever was evaluated before.
        """
        if level == VELOCITY:
            velocity = self.evaluate(x, k)
            return velocity, {VELOCITY: velocity}
        evaluation = self._pay(x, k, level)
        return evaluation.velocity, evaluation.residual

    def reuse(self, x: Tensor, k: int, residual: Residual) -> Tensor:
        """v(x, sigma_k, c) as far as it follows from the residual of another step; costs no nfe."""
        if VELOCITY in residual:
            return residual[VELOCITY]
        return self._model.reuse(x, self.schedule.point(k), self._conditioning, residual)

    def _pay(self, x: Tensor, k: int, level: Level | None) -> Evaluation:
        self._allow(k)
        evaluation = self._model.evaluate(x, self.schedule.point(k), self._conditioning, level)
        self._count(k, evaluation.rows, evaluation.velocity)
        self.remember(x, k, evaluation.velocity)
        if k == 0:
            # A copy: a branch is a view of a tensor that holds both rows.
            branch = evaluation.branches.get("negative")
            self.negative = None if branch is None else branch.clone()
        return evaluation

    def _pay_one_row(self, x: Tensor, negative: Tensor) -> Tensor | None:
        """v_0 = n + s (t - n) with t alone evaluated; None where the model answers for both rows only."""
        model, conditioning = as_split(self._model), self._conditioning
        if model is None or not model.is_split(conditioning):
            return None
        self._allow(0)
        text = model.evaluate_text(x, self.schedule.point(0), conditioning)
        self._count(0, len(x), text)
        velocity = negative + conditioning.guidance * (text - negative)
        self.remember(x, 0, velocity)
        self.is_start_exact = False
        return velocity

    def _allow(self, k: int) -> None:
        if self.nfe >= self.budget:
            raise BudgetExceeded(f"the plan allows {self.budget} evaluations and step {k} asks for one more")

    def _count(self, k: int, rows: int, answer: Tensor) -> None:
        self.nfe += 1
        self.rows += rows
        if not torch.isfinite(answer).all():
            raise NumericalError(f"the model returned NaN or infinity at step {k} of {self.schedule.steps}")

    def remember(self, x: Tensor, k: int, velocity: Tensor) -> None:
        """Take `velocity` for what the network says at x and step k, as evaluated before, by an earlier run perhaps."""
        self._paid[k] = (x, velocity)

    def copy(self) -> "Field":
        """The field as it is now; what either is asked from here on is nothing to the other."""
        twin = copy.copy(self)
        twin._paid = dict(self._paid)
        return twin

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the prompts changes nothing, a sentence each."""
        return self._conditioning.warnings

    @property
    def cost(self) -> Cost:
        """What has been spent so far."""
        return Cost(self.nfe, self.rows)


def euler_step(x: Tensor, velocity: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """One step of the flow, in the arithmetic of diffusers' FlowMatchEulerDiscreteScheduler.

    x and velocity: same shape, the model's dtype; sigmas: 0-d float32. x is raised to float32, the product keeps the
    velocity's dtype, and the sum returns to it: reordering or fusing any of this changes the last bits.
    """
    dt = sigma_next - sigma
    return (x.to(torch.float32) + dt * velocity).to(velocity.dtype)


def clean_estimate(x: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The image latents that a straight path from x would reach: x - sigma v."""
    return x - sigma.to(x.dtype) * velocity


def recompute_path(trajectory: Trajectory, until: int | None = None) -> Iterator[Tensor]:
    """Yield x_0, x_1, ... x_until (default N) from the stored noise and velocities, bit for bit as recorded."""
    sigmas, x = trajectory.schedule.sigmas, trajectory.noise
    yield x
    for k in range(len(trajectory.velocities) if until is None else until):
        x = euler_step(x, trajectory.velocities[k], sigmas[k], sigmas[k + 1])
        yield x


def latents_at(trajectory: Trajectory, k: int) -> Tensor:
    """x_k of a stored trajectory, 0 <= k <= N."""
    *_, x = recompute_path(trajectory, k)
    return x


def angle_degrees(a: Tensor, b: Tensor) -> float:
    """arccos(a . b / (|a| |b|)): degrees in [0, 180] between two tensors of one shape, flattened, in float64.

    The tensors may lie on different devices and have different dtypes. Equal tensors give exactly 0, two zero vectors
    among them; a zero vector has no direction, and against anything else its angle is defined as 90.
    """
    assert a.shape == b.shape, f"velocities of shapes {tuple(a.shape)} and {tuple(b.shape)}"
    # float64 on the CPU, because a source may be kept there and MPS has no float64.
    p, q = (tensor.detach().cpu().double().flatten() for tensor in (a, b))
    if torch.equal(p, q):
        return 0.0
    lengths = p.norm() * q.norm()
    if lengths == 0:
        return 90.0
    cosine = (p.dot(q) / lengths).item()
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def even_nodes(steps: int, count: int, start: int = 0) -> tuple[int, ...]:
    """`count` distinct steps of start..steps-1, evenly spaced, the first one included."""
    span = steps - start
    count = min(count, span)
    return tuple(start + (i * span) // count for i in range(count))
