"""What front and replica tell each other beside steps, fields and runs."""

from dataclasses import dataclass

from torch import Tensor

from trajflow.errors import TrajflowError


@dataclass(frozen=True)
class Evaluated:
    """One evaluation that was paid for: the velocity at step k and the state of that digest, and its rows.

    `negative` is the negative branch's velocity at step 0, which runs share; None at other steps, and without guidance.
    """

    k: int
    state: str
    velocity: Tensor
    rows: int
    negative: Tensor | None


@dataclass(frozen=True)
class Missing:
    """The sources, by digest, that neither the replica nor the store has; nothing was run."""

    digests: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """How sharing goes, at the end of a run: a sentence where it does not, else empty. `warm` sources were at hand,
    `shared` ones came from the store."""

    text: str
    warm: int
    shared: int


class EngineError(TrajflowError):
    """The engine did not make a run: its replicas failed, or could not be had."""


class EngineBusy(EngineError):
    """As many runs wait for the replicas as may."""

    def __init__(self, place: int) -> None:
        self.place = place
        super().__init__(f"Every replica is busy, and you would be at place {place}. Try again in a moment.")

    def __reduce__(self) -> tuple[type["EngineBusy"], tuple[int]]:
        return type(self), (self.place,)


class ReplicaDied(EngineError):
    """The replica that made a run is gone; another one can make it."""
