"""Prompts side by side: as many in one evaluation as a model takes, the rest one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point, Residual


@dataclass(frozen=True)
class Batch(Conditioning):
    """Prompts of one guidance, for x [P, ...] in their order: `parts` are what is evaluated at once, of `counts`."""

    parts: tuple[Conditioning, ...] = ()
    counts: tuple[int, ...] = ()


def stand_together(model: Model, each: Sequence[Conditioning]) -> Batch:
    """The prompts in parts as large as the model takes."""
    parts = [each[i : i + model.most_prompts] for i in range(0, len(each), model.most_prompts)]
    joined = tuple(part[0] if len(part) == 1 else model.join(part) for part in parts)
    counts = tuple(len(part) for part in parts)
    return Batch("", "", each[0].guidance, {}, parts=joined, counts=counts)


class BatchModel:
    """A model that is asked about a `Batch`, part by part; residuals hold the rows of one part after the other."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Batch, keep: Level | None = None) -> Evaluation:
        """As the model's own for each part, x [P, ...]."""
        answers = [
            self._model.evaluate(rows, point, part, keep)
            for rows, part in zip(x.split(conditioning.counts), conditioning.parts, strict=True)
        ]
        if len(answers) == 1:
            return answers[0]
        residual = {name: torch.cat([each.residual[name] for each in answers]) for name in answers[0].residual}
        velocity = torch.cat([each.velocity for each in answers])
        return Evaluation(velocity, {}, sum(each.rows for each in answers), residual)

    def reuse(self, x: Tensor, point: Point, conditioning: Batch, residual: Residual) -> Tensor:
        """As the model's own for each part, x [P, ...]."""
        split = {
            name: kept.split([len(kept) // len(x) * count for count in conditioning.counts])
            for name, kept in residual.items()
        }
        return torch.cat(
            [
                self._model.reuse(rows, point, part, {name: kept[i] for name, kept in split.items()})
                for i, (rows, part) in enumerate(zip(x.split(conditioning.counts), conditioning.parts, strict=True))
            ]
        )
