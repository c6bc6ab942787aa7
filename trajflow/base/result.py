"""A request, the steps of its run as they are taken, and what it ends in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from PIL.Image import Image
from torch import Tensor

from trajflow.base.plan import Forecast, NodeDiagnostics, Plan
from trajflow.base.trajectory import StepKind, Trajectory


@dataclass(frozen=True)
class Request:
    """What the user asks for; None means the model's default. See `Session.generate` for the meaning of each field.

    >>> Request("a mountain at dusk", seed=7, budget=5).strategy
    'auto'
    """

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


class Options(TypedDict, total=False):
    """What a request may say besides its prompt, as keywords; see `Session.generate` for the meaning of each.

    >>> options: Options = {"seed": 7, "budget": 5}
    >>> Request("a mountain", **options).budget
    5
    """

    seed: int
    steps: int | None
    guidance: float | None
    negative_prompt: str
    height: int | None
    width: int | None
    strategy: str
    budget: int | None
    fidelity: float | None
    compare: bool
    refine: bool


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One step just taken.

    `latents` is x_{k+1}; `preview` the clean picture expected from it (x - sigma v), as latents; `angle` in degrees
    between the cached source velocity and the evaluated one, where both exist; `seconds` its own time; `refinement`
    the pass of a refined run it belongs to, 0 for the first; `diagnosis` what a node has shown, `forecast` what the
    evaluations so far let expect, `raw_forecast` the same without the session's adjustment.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> next(session.stream("a mountain"))
    Step(1 of 8, sigma 1, computed, 1 evaluated so far)
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
    phase: Literal["cached", "baseline", "completion", "ahead"] = "cached"
    refinement: int = 0
    diagnosis: NodeDiagnostics | None = None
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None

    def __repr__(self) -> str:
        return f"Step({self.k + 1} of {self.steps}, sigma {self.sigma:.4g}, {self.kind}, {self.nfe} evaluated so far)"


@dataclass(frozen=True)
class Cost:
    """Network evaluations: `nfe` counts guided velocities of one image, `rows` the batch rows they took.

    >>> Cost(nfe=3, rows=6) + Cost(nfe=7, rows=14)
    Cost(nfe=10, rows=20)
    """

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
    """Fidelity to the from-scratch picture: PSNR in dB (uint8, capped at 100), SSIM, and equality of the arrays.

    >>> Metrics(psnr_db=41.5, ssim=0.98, identical=False).psnr_db
    41.5
    """

    psnr_db: float
    ssim: float
    identical: bool


@dataclass(frozen=True)
class Spent:
    """What a session has evaluated so far: `waited` for by the user, and in the `background`, completing runs.

    >>> Spent(waited=Cost(3, 6)).background
    Cost(nfe=0, rows=0)
    """

    waited: Cost = Cost(0, 0)
    background: Cost = Cost(0, 0)


@dataclass(frozen=True)
class Refinement:
    """One picture of a refined run: what it had cost in all, the seconds until then, and how near it proved to be.

    `metrics` are known once the run has ended at the from-scratch picture, and only if the request compares.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> *_, result = session.stream("a mountain", refine=True, compare=True)
    >>> result.refinements[-1].metrics.identical
    True
    """

    cost: Cost
    seconds: float
    metrics: Metrics | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One sampled picture, as the sampler hands it over: what it took, and what it left.

    `seconds` holds the wall time of the phases sample and decode, all that was waited for in them; `cost` is all that
    the run's field has spent; `angles` maps an evaluated step to degrees; `warnings` are those of its conditioning.
    """

    image: Image
    trajectory: Trajectory
    cost: Cost
    seconds: Mapping[str, float]
    angles: Mapping[int, float]
    diagnostics: tuple[NodeDiagnostics, ...] = ()
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None
    warnings: tuple[str, ...] = ()

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
    adjustment; `plan.forecast` the one made before it. `warnings` are sentences about what of the request had no
    effect, such as words past what the text encoders read.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> result = session.generate("a mountain")
    >>> result.image.size, result.cost.nfe, result.from_store
    ((8, 8), 8, False)
    >>> session.generate("a mountain").from_store
    True
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
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = f"{self.image.width} x {self.image.height}"
        fidelity = "" if self.metrics is None else f", {self.metrics.psnr_db:.1f} dB"
        steps = self.plan.sampling.schedule.steps
        return (
            f"Result({self.request.prompt!r}, seed {self.request.seed}, {size}, "
            f"{self.cost.nfe} of {steps} evaluations, {sum(self.seconds.values()):.2f} s{fidelity})"
        )
