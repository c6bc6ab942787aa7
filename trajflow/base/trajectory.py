"""A finished run as it is cached: enough to recompute it bit for bit."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from trajflow.base.model import Schedule
from trajflow.base.tensors import describe_tensor, same_tensor

StepKind = Literal["cached", "coasted", "computed", "reused"]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One finished run: enough to recompute every x_k bit for bit on the device type that recorded it.

    `kinds[k]` says how v_k came about; a trajectory is *true* if every step was computed. Two are equal if their
    prompts, kinds and all their numbers are.

    `negative` is the negative branch's velocity at x_0, [*x.shape], None where nothing is guided away from. It depends
    on the noise and the negative prompt only, so every run that shares these can take it over. `is_start_exact` is
    False where v_0 was made with one taken over: it may then differ in its last bits from the from-scratch run's,
    which evaluates both rows together.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> result = session.generate("a mountain")
    >>> session.entries()[0].trajectory
    Trajectory('a mountain', 8 of 8 steps computed, float32[1, 3, 8, 8])
    """

    prompt: str
    schedule: Schedule
    noise: Tensor
    velocities: Tensor
    kinds: tuple[StepKind, ...]
    negative: Tensor | None = None
    is_start_exact: bool = True

    @property
    def is_true(self) -> bool:
        """Whether every step was computed."""
        return all(kind == "computed" for kind in self.kinds)

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        tensors = (self.noise, self.velocities, *(() if self.negative is None else (self.negative,)))
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trajectory):
            return NotImplemented
        return (
            (self.prompt, self.kinds, self.schedule) == (other.prompt, other.kinds, other.schedule)
            and self.is_start_exact == other.is_start_exact
            and same_tensor(self.noise, other.noise)
            and same_tensor(self.velocities, other.velocities)
            and _same_or_none(self.negative, other.negative)
        )

    def __hash__(self) -> int:
        return hash((self.prompt, self.kinds))

    def __repr__(self) -> str:
        done = f"{self.kinds.count('computed')} of {len(self.kinds)} steps computed"
        return f"Trajectory({self.prompt!r}, {done}, {describe_tensor(self.noise)})"


def _same_or_none(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b if a is None or b is None else same_tensor(a, b)
