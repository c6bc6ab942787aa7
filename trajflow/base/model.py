"""A model seen as a velocity field: its grid, what it is told, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from PIL.Image import Image
from torch import Tensor

from trajflow.base.tensors import describe_tensor, same_tensor

Level = Literal["velocity", "stack", "blocks"]


# What an evaluation leaves for later steps, by name: its velocity, or what the network's blocks made.
Residual = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The grid of one run. `sigmas` [N + 1] float32 falls to 0; `timesteps` [N] is what the network is told.

    Two grids are equal if their numbers are, wherever their tensors lie.
    """

    sigmas: Tensor
    timesteps: Tensor

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return same_tensor(self.sigmas, other.sigmas) and same_tensor(self.timesteps, other.timesteps)

    def __hash__(self) -> int:
        return hash((self.steps, tuple(self.sigmas.tolist())))

    def __repr__(self) -> str:
        ends = f"{float(self.sigmas[0]):.4g} to {float(self.sigmas[-1]):.4g}"
        return f"Schedule({self.steps} steps, sigma {ends})"

    @property
    def steps(self) -> int:
        """N."""
        return len(self.timesteps)

    def point(self, k: int) -> "Point":
        """Step k of the grid."""
        return Point(k, self.steps, self.sigmas[k], self.timesteps[k])


@dataclass(frozen=True, repr=False)
class Point:
    """Where on the grid the network is asked: index k of N, its sigma and its timestep (0-d tensors)."""

    k: int
    steps: int
    sigma: Tensor
    timestep: Tensor

    def __repr__(self) -> str:
        return f"Point(step {self.k} of {self.steps}, sigma {float(self.sigma):.4g})"


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What the network is told besides x and time: the adapter's own named tensors, and the guidance they go with.

    `warnings` say in a sentence each what of the prompts changes nothing.
    """

    prompt: str
    negative_prompt: str
    guidance: float
    tensors: Mapping[str, Tensor]
    warnings: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conditioning):
            return NotImplemented
        words = (self.prompt, self.negative_prompt, self.guidance, self.tensors.keys())
        if words != (other.prompt, other.negative_prompt, other.guidance, other.tensors.keys()):
            return False
        return all(same_tensor(tensor, other.tensors[name]) for name, tensor in self.tensors.items())

    def __hash__(self) -> int:
        return hash((self.prompt, self.negative_prompt, self.guidance))

    def __repr__(self) -> str:
        tensors = ", ".join(f"{name} {describe_tensor(tensor)}" for name, tensor in self.tensors.items())
        return f"Conditioning({self.prompt!r}, guidance {self.guidance:g}{', ' if tensors else ''}{tensors})"


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """One guided velocity, in the dtype the scheduler is given, with the branches it was made from.

    `residual` is what later steps may reuse, empty unless it was asked for; branches are kept apart in it.
    """

    velocity: Tensor
    branches: Mapping[str, Tensor]
    rows: int
    residual: Residual = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Evaluation(velocity {describe_tensor(self.velocity)}, {self.rows} rows)"


@dataclass(frozen=True)
class Defaults:
    """What a model uses where a request says None, and what it allows; sizes in pixels."""

    steps: int
    guidance: float
    height: int
    width: int
    size_multiple: int
    largest_side: int


@runtime_checkable
class SplitModel(Protocol):
    """A model that guides by v = n + s (t - n) and answers for the prompt's branch t alone, which is one row."""

    def is_split(self, conditioning: Conditioning) -> bool:
        """Whether a velocity under this conditioning is made so, s its guidance."""

    def evaluate_text(self, x: Tensor, point: Point, conditioning: Conditioning) -> Tensor:
        """The prompt's branch at x; its last bits may be others than in an evaluation of both rows."""


def as_split(model: object) -> SplitModel | None:
    """The model if it is a `SplitModel`, also one around another that forwards what it lacks; else None."""
    # By name: from Python 3.12 on `isinstance` does not see what is forwarded.
    return cast(SplitModel, model) if hasattr(model, "is_split") and hasattr(model, "evaluate_text") else None


@runtime_checkable
class Model(Protocol):
    """A rectified-flow pipeline seen as a velocity field with its encoders and decoder.

    `trajflow.testing.check_model` holds a model to what is promised here.

    >>> from trajflow.testing import GaussianMixture, check_model
    >>> isinstance(GaussianMixture(), Model)
    True
    >>> check_model(GaussianMixture())
    """

    name: str
    defaults: Defaults

    @property
    def family(self) -> str:
        """The architecture, in words."""

    @property
    def takes(self) -> tuple[str, ...]:
        """The settings that may be given for it."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """What can be kept of an evaluation: at least `velocity`; the first is kept where nothing else is known."""

    @property
    def most_prompts(self) -> int:
        """How many prompts one evaluation may be asked for at once; 1 for a model that takes them one by one."""

    @property
    def device(self) -> torch.device:
        """Where its velocities are when it returns them."""

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a velocity, as plain JSON: weights, dtype, text lengths, guidance kind, layout."""

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of x for a picture of that size in pixels."""

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Run the text encoders; several threads may ask at once."""

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """At most `most_prompts` prompts of one guidance as one conditioning, for x [P, ...] in their order.

        At most the last bits of a velocity differ from asking one by one. What is kept holds the rows of each branch
        together.
        """

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, drawn as the stock pipeline draws it from a CPU generator."""

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid of `steps` steps."""

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x, the same bit for bit whether a residual of some level is kept or not.

        Raises ModelError for a level that is none of `levels`.
        """

    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """The guided velocity at x as far as it follows from the residual of another step and the fresh rest."""

    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture.

        A model that has `is_displaced_by_decoding`, and there True, is asked for none in the middle of a run.
        """
