"""The velocity field of one request: the only place where the network is called, counted and limited.

nfe: one per guided velocity of one image. rows: network batch rows, which classifier-free guidance doubles. The newest
state evaluated at each step is remembered: the same state is never paid for twice.
"""

import copy

import torch
from torch import Tensor

from trajflow.base import Conditioning, Cost, Evaluation, Level, Model, Residual, Schedule
from trajflow.errors import BudgetExceeded, NumericalError

VELOCITY = "velocity"


class Field:
    """A model bound to the conditioning, grid, noise and budget of one request.

    Raises BudgetExceeded on the evaluation after the last one allowed, NumericalError when a velocity is not finite.
    """

    def __init__(
        self, model: Model, conditioning: Conditioning, schedule: Schedule, noise: Tensor, budget: int
    ) -> None:
        self.schedule = schedule
        self.noise = noise
        self.budget = budget
        self.nfe = 0
        self.rows = 0
        self._model = model
        self._conditioning = conditioning
        self._paid: dict[int, tuple[Tensor, Tensor]] = {}

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """v(x, sigma_k, c) for x of the run's latent shape; costs one nfe, or none at the state evaluated last at k."""
        if k in self._paid and torch.equal(self._paid[k][0], x):
            return self._paid[k][1]
        return self._pay(x, k, None).velocity

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
        if self.nfe >= self.budget:
            raise BudgetExceeded(f"the plan allows {self.budget} evaluations and step {k} asks for one more")
        evaluation = self._model.evaluate(x, self.schedule.point(k), self._conditioning, level)
        self.nfe += 1
        self.rows += evaluation.rows
        if not torch.isfinite(evaluation.velocity).all():
            raise NumericalError(f"the model returned NaN or infinity at step {k} of {self.schedule.steps}")
        self.remember(x, k, evaluation.velocity)
        return evaluation

    def remember(self, x: Tensor, k: int, velocity: Tensor) -> None:
        """Take `velocity` for what the network says at x and step k, as evaluated before, by an earlier run perhaps."""
        self._paid[k] = (x, velocity)

    def copy(self) -> "Field":
        """The field as it is now; what either is asked from here on is nothing to the other."""
        twin = copy.copy(self)
        twin._paid = dict(self._paid)
        return twin

    @property
    def cost(self) -> Cost:
        """What has been spent so far."""
        return Cost(self.nfe, self.rows)
