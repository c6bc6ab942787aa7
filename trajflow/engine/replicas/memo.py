"""A model that has been here before: evaluations of a run that broke off are not paid for a second time.

A run is a function of its plan, sources, field and evaluations, and a velocity is one of step and state. So the run is
begun anew with what is known, goes through the same states, and is bit for bit the one that would have been.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point
from trajflow.engine.replicas.messages import Evaluated


class Memo:
    """A model for one run, which knows some evaluations of it; everything but `evaluate` is the model's own.

    What leaves a residual is evaluated anew: residuals are large, and do not travel.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[tuple[int, str], Evaluated] = {}
        self._new: list[Evaluated] = []

    def __getattr__(self, name: str) -> object:
        if name == "_model":
            raise AttributeError(name)
        return getattr(self._model, name)

    def learn(self, known: Sequence[Evaluated]) -> None:
        """Know these evaluations of the run."""
        self._known |= {(each.k, each.state): each for each in known}

    def new(self) -> tuple[Evaluated, ...]:
        """The evaluations since this was last asked."""
        new, self._new = tuple(self._new), []
        return new

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """The model's velocity, or the one that is known."""
        if keep is not None:
            return self._model.evaluate(x, point, conditioning, keep)
        state = state_digest(x)
        known = self._known.get((point.k, state))
        if known is not None:
            branches = {} if known.negative is None else {"negative": known.negative.to(x.device)}
            return Evaluation(known.velocity.to(x.device), branches, known.rows)
        evaluation = self._model.evaluate(x, point, conditioning, None)
        negative = evaluation.branches.get("negative") if point.k == 0 else None
        self._new.append(Evaluated(point.k, state, evaluation.velocity, evaluation.rows, negative))
        return evaluation


def state_digest(x: Tensor) -> str:
    """The sha256 (hex) of a tensor's bits."""
    return hashlib.sha256(x.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data).hexdigest()
