"""Records that travel between the parts, and the Protocols the parts are written against.

Notation, as in `flow.py`: step k of N goes from sigma_k to sigma_{k+1}; x has the model's own latent shape with batch 1
([1, C, H, W] for SD3); a trajectory's velocities are stacked, [N, *x.shape]. Records are plain data: no callables, and
every tensor in them can be moved to the CPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from PIL.Image import Image
from torch import Tensor

StepKind = Literal["cached", "coasted", "computed", "reused"]


@dataclass(frozen=True)
class Schedule:
    """The grid of one run. `sigmas` [N + 1] float32 falls to 0; `timesteps` [N] is what the network is told."""

    sigmas: Tensor
    timesteps: Tensor

    @property
    def steps(self) -> int:
        """N."""
        return len(self.timesteps)

    def point(self, k: int) -> "Point":
        """Step k of the grid."""
        return Point(k, self.steps, self.sigmas[k], self.timesteps[k])


@dataclass(frozen=True)
class Point:
    """Where on the grid the network is asked: index k of N, its sigma and its timestep (0-d tensors)."""

    k: int
    steps: int
    sigma: Tensor
    timestep: Tensor


@dataclass(frozen=True)
class Conditioning:
    """What the network is told besides x and time: the adapter's own named tensors, and the guidance they go with."""

    prompt: str
    negative_prompt: str
    guidance: float
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Evaluation:
    """One guided velocity, in the dtype the scheduler is given, with the branches it was made from."""

    velocity: Tensor
    branches: Mapping[str, Tensor]
    rows: int


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
class Model(Protocol):
    """A rectified-flow pipeline seen as a velocity field with its encoders and decoder."""

    name: str
    defaults: Defaults

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a velocity, as plain JSON: weights, dtype, text lengths, guidance kind, layout."""

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of x for a picture of that size in pixels."""

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Run the text encoders."""

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, drawn as the stock pipeline draws it from a CPU generator."""

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid of `steps` steps."""

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning) -> Evaluation:
        """One guided velocity at x."""

    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture."""


@dataclass(frozen=True)
class Trajectory:
    """One finished run: enough to recompute every x_k bit for bit on the device type that recorded it.

    `kinds[k]` says how v_k came about; a trajectory is *true* if every step was computed.
    """

    prompt: str
    schedule: Schedule
    noise: Tensor
    velocities: Tensor
    kinds: tuple[StepKind, ...]

    @property
    def is_true(self) -> bool:
        """Whether every step was computed."""
        return all(kind == "computed" for kind in self.kinds)

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.noise, self.velocities))


@dataclass(frozen=True)
class Request:
    """What the user asks for; None means the model's default. See `Session.generate` for the meaning of each field."""

    prompt: str
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str = ""
    height: int | None = None
    width: int | None = None
    strategy: str = "auto"
    budget: int | None = None
    compare: bool = False


@dataclass(frozen=True)
class Match:
    """A cached run that fits the request: its key, the cosine of the two prompts' sentence vectors, the tier's name."""

    key: str
    prompt: str
    similarity: float
    tier: str
    is_true: bool


@dataclass(frozen=True)
class Plan:
    """What the sampler will do and why. `nodes` are the steps that will be evaluated, rising; `sources` are entry keys,
    best first; `reason` is one sentence for the user. `options` are settings of the transition, plain values.

    `ladder`, if any, lets the first evaluation correct the guess: rows (largest |D_0| / |v_0|, nodes), rising; the
    first row that the measured relative difference fits replaces `nodes`, and never has more than `budget` of them.
    """

    strategy: str
    transition: str
    schedule: Schedule
    start_step: int
    nodes: tuple[int, ...]
    budget: int
    reason: str
    sources: tuple[str, ...] = ()
    match: Match | None = None
    ladder: tuple[tuple[float, tuple[int, ...]], ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step just taken.

    `latents` is x_{k+1}; `preview` the clean picture expected from it (x - sigma v), as latents; `angle` in degrees
    between the cached source velocity and the evaluated one, where both exist; `seconds` its own time.
    """

    k: int
    steps: int
    sigma: float
    kind: StepKind
    nfe: int
    rows: int
    latents: Tensor
    preview: Tensor
    angle: float | None
    seconds: float
    phase: Literal["cached", "baseline"] = "cached"


@dataclass(frozen=True)
class Cost:
    """Network evaluations: `nfe` counts guided velocities of one image, `rows` the batch rows they took."""

    nfe: int
    rows: int


@dataclass(frozen=True)
class Metrics:
    """Fidelity to the from-scratch picture: PSNR in dB (uint8, capped at 100), SSIM, and equality of the arrays."""

    psnr_db: float
    ssim: float
    identical: bool


@dataclass(frozen=True)
class Result:
    """A finished request.

    `seconds` holds the wall time of the phases embed, lookup, plan, sample, decode. `angles` maps an evaluated step to
    degrees. `baseline`, `baseline_cost` and `baseline_seconds` are there when compared; `key` names the stored entry.
    """

    request: Request
    image: Image
    plan: Plan
    cost: Cost
    seconds: Mapping[str, float]
    kinds: tuple[StepKind, ...]
    angles: Mapping[int, float]
    key: str
    metrics: Metrics | None = None
    baseline: Image | None = None
    baseline_cost: Cost | None = None
    baseline_seconds: Mapping[str, float] | None = None
    from_store: bool = False


class VelocityField(Protocol):
    """What a transition sees of the model: counted evaluations at the run's own conditioning, from the run's noise."""

    schedule: Schedule
    noise: Tensor
    nfe: int
    rows: int

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """The guided velocity at x_k; costs one nfe."""


class Transition(Protocol):
    """A way from cached trajectories to a new prompt. It never sees the target's baseline."""

    def begin(self, sources: tuple[Trajectory, ...], plan: Plan, field: VelocityField) -> tuple[Any, int, Tensor]:
        """The initial state, the first step to take and the latents there."""

    def velocity(self, k: int, x: Tensor, state: Any, field: VelocityField) -> tuple[Tensor, StepKind, Any]:
        """The velocity to step with from x_k, how it came about, and the next state."""
