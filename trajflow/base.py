"""Records that travel between the parts, and the Protocols the parts are written against.

Notation, as in `flow.py`: step k of N goes from sigma_k to sigma_{k+1}; x has the model's own latent shape with batch 1
([1, C, H, W] for SD3); a trajectory's velocities are stacked, [N, *x.shape]. Records are plain data: no callables, and
every tensor in them can be moved to the CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from PIL.Image import Image
from torch import Tensor

StepKind = Literal["cached", "coasted", "computed", "reused"]
Level = Literal["velocity", "stack", "blocks"]


def same_tensor(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers in the same shape, on whatever devices."""
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.cpu(), b.cpu())


def describe_tensor(tensor: Tensor) -> str:
    """A tensor in a word, as in `float32[1, 16, 24, 24]`."""
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


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
    """What the network is told besides x and time: the adapter's own named tensors, and the guidance they go with."""

    prompt: str
    negative_prompt: str
    guidance: float
    tensors: Mapping[str, Tensor]

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
class Model(Protocol):
    """A rectified-flow pipeline seen as a velocity field with its encoders and decoder.

    `trajflow.testing.check_model` holds a model to what is promised here.
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
        """Latents at sigma = 0 to an RGB picture."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One finished run: enough to recompute every x_k bit for bit on the device type that recorded it.

    `kinds[k]` says how v_k came about; a trajectory is *true* if every step was computed. Two are equal if their
    prompts, kinds and all their numbers are.
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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trajectory):
            return NotImplemented
        return (
            (self.prompt, self.kinds, self.schedule) == (other.prompt, other.kinds, other.schedule)
            and same_tensor(self.noise, other.noise)
            and same_tensor(self.velocities, other.velocities)
        )

    def __hash__(self) -> int:
        return hash((self.prompt, self.kinds))

    def __repr__(self) -> str:
        done = f"{self.kinds.count('computed')} of {len(self.kinds)} steps computed"
        return f"Trajectory({self.prompt!r}, {done}, {describe_tensor(self.noise)})"


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
    fidelity: float | None = None
    compare: bool = False
    refine: bool = False


@dataclass(frozen=True)
class Match:
    """A cached run that fits the request: its key, the cosine of the two prompts' sentence vectors, and its tier, with
    the share of the steps that a resume takes from it."""

    key: str
    prompt: str
    similarity: float
    tier: str
    is_true: bool
    resume_fraction: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """PSNR in dB to expect against the from-scratch picture: `low_db` to `high_db` holds 80 % of runs, `assured_db` is
    reached by four in five."""

    low_db: float
    assured_db: float
    median_db: float
    high_db: float


@dataclass(frozen=True)
class Forecaster:
    """Linear forecasts: for each field of `Forecast`, one coefficient per feature (see `forecast.py`)."""

    low: tuple[float, ...]
    assured: tuple[float, ...]
    median: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class NodeSchedule:
    """One way to spend: evaluate at `nodes`, rising; after node i follow `slopes[i]` of the linear slope of what is
    carried, and apply `corrections[i]` of the correction for the gap that node i closes (0 where nothing is given).

    `forecasters[i]` tells what to expect from what the nodes up to i have shown; empty when nothing was learned.
    """

    nodes: tuple[int, ...]
    slopes: tuple[float, ...] = ()
    corrections: tuple[float, ...] = ()
    forecasters: tuple[Forecaster, ...] = ()

    def slope_after(self, node: int) -> float:
        """The share of the slope to follow after `node`."""
        return self.slopes[self.nodes.index(node)] if self.slopes else 0.0

    def correction_at(self, node: int) -> float:
        """The share of the correction to apply at `node`."""
        return self.corrections[self.nodes.index(node)] if self.corrections else 0.0


@runtime_checkable
class StepPolicy(Protocol):
    """Which steps of a run are computed, and what stands for the others: what earlier steps have left.

    What is kept comes newest first. At level `velocity` the noise x_0 counts as the oldest velocity: v = noise - image,
    as long as nothing is known of the image.
    """

    @property
    def level(self) -> Level:
        """What is kept."""

    @property
    def depth(self) -> int:
        """Of how many steps."""

    def decide(self, k: int, kept: tuple[Residual, ...]) -> Literal["compute", "reuse"]:
        """What to do at step k. Nothing can be reused before something was kept."""

    def restore(self, k: int, kept: tuple[Residual, ...]) -> Residual:
        """What to put in the place of step k's own residual; `kept` is not empty."""


@dataclass(frozen=True)
class NodeDiagnostics:
    """What an evaluation at node k showed, each relative to |v|: what the mixture of sources leaves `unexplained`, the
    distance to the `nearest` source, and the `innovation`, fresh minus predicted velocity (0 at the first node)."""

    k: int
    unexplained: float
    nearest: float
    innovation: float


@dataclass(frozen=True)
class Adjustment:
    """What a session has learned to add to every forecast: `shift_db` moves it, `margin_db` widens it on both sides."""

    shift_db: float = 0.0
    margin_db: float = 0.0


UNADJUSTED = Adjustment()


@dataclass(frozen=True, repr=False)
class SamplingPlan:
    """What the sampler needs: plain data, without the prompts and the reasons that led to it.

    `method` names the row of the table of methods whose transition makes the run. The steps of `node_schedule` are
    evaluated, or with a `policy`, which decides by itself, are expected to be. Steps before `start_step` are taken from
    the first source; `similarity` is the cosine of its prompt to the new one.

    `escalation`, cheapest first, holds the ways a run may change to on seeing its evaluations, so as to reach
    `fidelity` dB with never more than `budget` of them in all; empty when the nodes are settled.
    """

    method: str
    schedule: Schedule
    node_schedule: NodeSchedule
    budget: int
    start_step: int = 0
    similarity: float = 0.0
    policy: StepPolicy | None = None
    escalation: tuple[NodeSchedule, ...] = ()
    fidelity: float | None = None
    adjustment: Adjustment = UNADJUSTED

    @classmethod
    def computing_all(cls, method: str, schedule: Schedule) -> "SamplingPlan":
        """Every step of the grid is evaluated: the from-scratch run, or a solver's on a grid of its own."""
        return cls(method, schedule, NodeSchedule(tuple(range(schedule.steps))), schedule.steps)

    @classmethod
    def switching(cls, method: str, schedule: Schedule, start_step: int, similarity: float = 0.0) -> "SamplingPlan":
        """The first source's path up to `start_step`, and every step from there on evaluated."""
        nodes = NodeSchedule(tuple(range(start_step, schedule.steps)))
        return cls(method, schedule, nodes, schedule.steps - start_step, start_step, similarity)

    @classmethod
    def reusing(
        cls,
        method: str,
        schedule: Schedule,
        policy: StepPolicy,
        nodes: tuple[int, ...] = (),
        *,
        budget: int | None = None,
        start_step: int = 0,
    ) -> "SamplingPlan":
        """The policy decides which steps are evaluated, by default as many as `nodes`, which are those expected."""
        allowed = len(nodes) if budget is None else budget
        return cls(method, schedule, NodeSchedule(nodes), allowed, start_step, policy=policy)

    @classmethod
    def transporting(
        cls,
        method: str,
        schedule: Schedule,
        node_schedule: NodeSchedule,
        *,
        budget: int | None = None,
        similarity: float = 0.0,
        adjustment: Adjustment = UNADJUSTED,
    ) -> "SamplingPlan":
        """The cached paths carried over with an evaluation at each node, and at most `budget` (None: just those)."""
        allowed = len(node_schedule.nodes) if budget is None else budget
        return cls(method, schedule, node_schedule, allowed, similarity=similarity, adjustment=adjustment)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The steps that will be evaluated, rising, before anything was."""
        return self.node_schedule.nodes

    def __repr__(self) -> str:
        return f"SamplingPlan({self.method}: at most {self.budget} of {self.schedule.steps} steps evaluated)"


@dataclass(frozen=True)
class Plan:
    """What was decided for a request, and why: `reason` is one sentence for the user.

    `sources` are entry keys, best first, `match` the best of them. `forecast` is what was expected before anything was
    evaluated, with the session's adjustment (`sampling.adjustment`), `raw_forecast` without it.
    """

    strategy: str
    reason: str
    sampling: SamplingPlan
    sources: tuple[str, ...] = ()
    match: Match | None = None
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None

    @property
    def budget(self) -> int:
        """The most evaluations that the run may take."""
        return self.sampling.budget


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One step just taken.

    `latents` is x_{k+1}; `preview` the clean picture expected from it (x - sigma v), as latents; `angle` in degrees
    between the cached source velocity and the evaluated one, where both exist; `seconds` its own time; `refinement`
    the pass of a refined run it belongs to, 0 for the first; `diagnosis` what a node has shown, `forecast` what the
    evaluations so far let expect, `raw_forecast` the same without the session's adjustment.
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
    phase: Literal["cached", "baseline", "completion"] = "cached"
    refinement: int = 0
    diagnosis: NodeDiagnostics | None = None
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None

    def __repr__(self) -> str:
        return f"Step({self.k + 1} of {self.steps}, sigma {self.sigma:.4g}, {self.kind}, {self.nfe} evaluated so far)"


@dataclass(frozen=True)
class Cost:
    """Network evaluations: `nfe` counts guided velocities of one image, `rows` the batch rows they took."""

    nfe: int
    rows: int

    def __add__(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.nfe + other.nfe, self.rows + other.rows)

    def __sub__(self, other: "Cost") -> "Cost":
        """What was spent since `other` was."""
        return Cost(self.nfe - other.nfe, self.rows - other.rows)


@dataclass(frozen=True)
class Metrics:
    """Fidelity to the from-scratch picture: PSNR in dB (uint8, capped at 100), SSIM, and equality of the arrays."""

    psnr_db: float
    ssim: float
    identical: bool


@dataclass(frozen=True)
class Spent:
    """What a session has evaluated so far: `waited` for by the user, and in the `background`, completing runs."""

    waited: Cost = Cost(0, 0)
    background: Cost = Cost(0, 0)


@dataclass(frozen=True)
class Refinement:
    """One picture of a refined run: what it had cost in all, the seconds until then, and how near it proved to be.

    `metrics` are known once the run has ended at the from-scratch picture, and only if the request compares.
    """

    cost: Cost
    seconds: float
    metrics: Metrics | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One sampled picture, as the sampler hands it over: what it took, and what it left.

    `seconds` holds the wall time of the phases sample and decode, all that was waited for in them; `cost` is all that
    the run's field has spent; `angles` maps an evaluated step to degrees.
    """

    image: Image
    trajectory: Trajectory
    cost: Cost
    seconds: Mapping[str, float]
    angles: Mapping[int, float]
    diagnostics: tuple[NodeDiagnostics, ...] = ()
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None

    def __repr__(self) -> str:
        return f"Run({self.trajectory!r}, {self.cost.nfe} evaluations, {sum(self.seconds.values()):.2f} s)"


@dataclass(frozen=True, repr=False)
class Result:
    """A finished request, or with `is_final` False the best picture so far of one that is being refined.

    `seconds` holds the wall time of the phases embed, lookup, plan, sample, decode,
    together all that was waited for. `angles` maps an evaluated step to
    degrees. `baseline`, `baseline_cost` and `baseline_seconds` are there when compared; `key` names the stored entry.
    A refined run's `cost` and `seconds` add up over its passes; `refinements` lists its pictures, this one last.
    `forecast` is the last one of the run, made from all its evaluations, and `raw_forecast` that without the session's
    adjustment; `plan.forecast` the one made before it.
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
    is_final: bool = True
    refinements: tuple[Refinement, ...] = ()
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None
    diagnostics: tuple[NodeDiagnostics, ...] = ()

    def __repr__(self) -> str:
        size = f"{self.image.width} x {self.image.height}"
        fidelity = "" if self.metrics is None else f", {self.metrics.psnr_db:.1f} dB"
        steps = self.plan.sampling.schedule.steps
        return (
            f"Result({self.request.prompt!r}, seed {self.request.seed}, {size}, "
            f"{self.cost.nfe} of {steps} evaluations, {sum(self.seconds.values()):.2f} s{fidelity})"
        )


class VelocityField(Protocol):
    """What a transition sees of the model: counted evaluations at the run's own conditioning, from the run's noise."""

    schedule: Schedule
    noise: Tensor
    nfe: int
    rows: int

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """The guided velocity at x_k; costs one nfe."""

    def evaluate_keeping(self, x: Tensor, k: int, level: Level) -> tuple[Tensor, Residual]:
        """The guided velocity at x_k and what later steps may reuse of it; costs one nfe."""

    def reuse(self, x: Tensor, k: int, residual: Residual) -> Tensor:
        """The guided velocity at x_k as far as it follows from the residual of another step; costs no nfe."""


class Transition(Protocol):
    """A way from cached trajectories to a new prompt. It never sees the target's baseline.

    A state may have `forecast` (a `Forecast` or None), `raw_forecast` (the same without the
    session's adjustment) and `diagnostics` (the `NodeDiagnostics` of every node so far).
    """

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[Any, int, Tensor]:
        """The initial state, the first step to take and the latents there."""

    def velocity(self, k: int, x: Tensor, state: Any, field: VelocityField) -> tuple[Tensor, StepKind, Any]:
        """The velocity to step with from x_k, how it came about, and the next state."""
