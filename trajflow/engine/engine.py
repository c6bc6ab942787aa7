"""What an engine does: it makes the runs of many sessions, here or elsewhere."""

from typing import Protocol, runtime_checkable

from trajflow.base import Model
from trajflow.engine.blending import blending


@runtime_checkable
class Engine(Protocol):
    """Where runs are made. Sessions, look-up, planning and pictures stay with whoever opened the model.

    A session's model either computes here, or is a `RemoteModel`. Whatever the engine, the same plan on the same
    sources makes the same bits, costs the same evaluations, and raises the same errors; closing a run ends it at its
    next step. Its model knows its words as the model itself does, and understands prompts between two prompts.

    >>> from trajflow.engine import Engine, InProcess
    >>> from trajflow.testing import GaussianMixture
    >>> isinstance(InProcess(GaussianMixture()), Engine)
    True
    """

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def model(self) -> Model:
        """The model as it is for everybody: its name, its defaults, what it takes."""

    @property
    def hands(self) -> int:
        """How many runs it makes at once, at least 1."""

    def open(self) -> Model:
        """The model for one more session."""

    def notes(self) -> tuple[str, ...]:
        """What does not work as it should just now, in sentences; nothing is lost by it."""

    def close(self) -> None:
        """Let go of what it holds; runs under way end."""


class InProcess:
    """Runs are made where the sessions are, one at a time: the default. ZeroGPU's model is one of these, too."""

    name = "in this process"
    hands = 1

    def __init__(self, model: Model) -> None:
        self.model = blending(model)

    def open(self) -> Model:
        """The model itself: sessions share it."""
        return self.model

    def notes(self) -> tuple[str, ...]:
        """Nothing can be amiss that a run would not raise."""
        return ()

    def close(self) -> None:
        """Nothing to let go of."""
