"""A model whose weights are in another process: prompts travel as words, and every question is a call of its own."""

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from trajflow.base import (
    Conditioning,
    Defaults,
    Evaluation,
    Level,
    Model,
    Point,
    Residual,
    Vocabulary,
    vocabulary_of,
)
from trajflow.engine.serialization import unpack
from trajflow.errors import TrajflowError

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Facts:
    """A model without its weights: what sessions and the page ask of it."""

    name: str
    family: str
    takes: tuple[str, ...]
    levels: tuple[Level, ...]
    defaults: Defaults
    identity: Mapping[str, Any]
    vocabulary: Vocabulary | None

    @classmethod
    def of(cls, model: Model) -> "Facts":
        """Those of a model as it is now."""
        takes, levels = tuple(model.takes), tuple(model.levels)
        # As keys have it: plain JSON, whatever kind of mapping a stranger's adapter holds.
        identity, vocabulary = json.loads(json.dumps(model.identity())), vocabulary_of(model)
        return cls(model.name, model.family, takes, levels, model.defaults, identity, vocabulary)


class DistantModel(ABC):
    """What models have in common whose weights are elsewhere."""

    def __init__(self, facts: Facts) -> None:
        self.name = facts.name
        self.defaults = facts.defaults
        self.family = facts.family
        self.takes = facts.takes
        self.levels = facts.levels
        self.most_prompts = 1
        # Its runs come back to this process.
        self.device = CPU
        self._identity = facts.identity
        self._vocabulary = facts.vocabulary

    @abstractmethod
    def _ask(self, name: str, x: Tensor, *arguments: Any) -> Any:
        """What the model's method of that name answers, where the weights are."""

    def identity(self) -> Mapping[str, Any]:
        """As it was when the facts were told."""
        return self._identity

    def vocabulary(self) -> Vocabulary | None:
        """The model's words, as they were told with the facts."""
        return self._vocabulary

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """The prompt as it is, without tensors: they are made where the weights are."""
        return Conditioning(prompt, negative_prompt, guidance, {})

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """The only one: a conditioning travels as its words, which are those of one prompt."""
        [only] = each
        return only

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity; a call of its own."""
        return self._ask("evaluate", x, point, conditioning, keep)

    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """What follows from the residual of another step; a call of its own."""
        return self._ask("reuse", x, point, conditioning, residual)

    def decode(self, x: Tensor) -> Image:
        """The picture; a call of its own."""
        return self._ask("decode", x)


def unpacked(answers: Generator[bytes, None, None], model: Model) -> Generator[Any, None, None]:
    """What came back, event by event, on the CPU; closing it closes `answers`. Raises the errors of ours that came."""
    try:
        for serialization in answers:
            event = unpack(serialization, model, CPU)
            if isinstance(event, TrajflowError):
                raise event
            yield event
    finally:
        answers.close()
