"""The far side of a remote model: the model where its weights are, doing what parcels ask for."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from PIL.Image import Image
from torch import Tensor

from trajflow.base import Evaluation, Model, Run, SamplingPlan, Step, Trajectory
from trajflow.engine.blending import blending
from trajflow.engine.serialization import pack, unpack
from trajflow.errors import TrajflowError
from trajflow.field import Field
from trajflow.sampler import run


class Worker:
    """A model with its weights, which understands prompts between two prompts. It keeps nothing of a call."""

    def __init__(self, model: Model) -> None:
        self._model = blending(model)

    def work(self, serialization: bytes) -> Iterator[bytes]:
        """Do what is asked for, and yield what comes of it, an error of ours at the end."""
        try:
            began = time.perf_counter()
            # The prompt is encoded by this: the first step is given the time.
            name, arguments = unpack(serialization, self._model, self._model.device)
            seconds = time.perf_counter() - began
            does: Callable[..., Iterator[Any]] = getattr(self, name)
            for event in does(*arguments):
                if isinstance(event, Step):
                    event, seconds = replace(event, seconds=event.seconds + seconds), 0.0
                yield pack(event, self._model)
        except TrajflowError as error:
            yield pack(error, self._model)

    def run(
        self, plan: SamplingPlan, sources: tuple[Trajectory, ...], field: Field, prompt: str
    ) -> Iterator[Step | Field | Run]:
        """The steps, the field as they left it, and the run."""
        try:
            made = yield from run(self._model, plan, sources, field, prompt)
            yield field
            yield made
        except TrajflowError:
            yield field
            raise

    def evaluate(self, *arguments: Any) -> Iterator[Evaluation]:
        """One guided velocity."""
        yield self._model.evaluate(*arguments)

    def reuse(self, *arguments: Any) -> Iterator[Tensor]:
        """What follows from the residual of another step."""
        yield self._model.reuse(*arguments)

    def decode(self, x: Tensor) -> Iterator[Image]:
        """One picture."""
        yield self._model.decode(x)
