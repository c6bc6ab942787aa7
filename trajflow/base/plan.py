"""What was decided for a request, and what of it the sampler needs."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from trajflow.base.model import Level, Residual, Schedule


@dataclass(frozen=True)
class Match:
    """A cached run that fits the request: its key, the cosine of the two prompts' sentence vectors, and its tier, with
    the share of the steps that a resume takes from it. Where its negative prompt or its `guidance` is another,
    `apart` says so in words, and `similarity` weighs that too."""

    key: str
    prompt: str
    similarity: float
    tier: str
    is_true: bool
    resume_fraction: float = 0.0
    guidance: float | None = None
    apart: str = ""

    @property
    def called(self) -> str:
        """Its prompt in quotes, and what sets it apart besides."""
        return f"“{self.prompt}”" + (f" with {self.apart}" if self.apart else "")


@dataclass(frozen=True)
class Forecast:
    """PSNR in dB to expect against the from-scratch picture: `low_db` to `high_db` holds 80 % of runs, `assured_db` is
    reached by four in five.

    >>> Forecast(low_db=31.0, assured_db=33.5, median_db=36.0, high_db=41.0).median_db
    36.0
    """

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

    `leads[i]`, [terms][channels], are learned coefficients of the gap after node i, empty where it has no room; with
    them slopes and corrections count for nothing (see `transitions/lead.py`). `far` is the schedule to follow instead
    when the first evaluation finds its sources further away than `far_from`, as a share of |v_0|.
    """

    nodes: tuple[int, ...]
    slopes: tuple[float, ...] = ()
    corrections: tuple[float, ...] = ()
    forecasters: tuple[Forecaster, ...] = ()
    leads: tuple[tuple[tuple[float, ...], ...], ...] = ()
    far: "NodeSchedule | None" = None
    far_from: float = 0.0

    def lead_after(self, node: int) -> tuple[tuple[float, ...], ...]:
        """The coefficients of the gap after `node`; empty without any."""
        return self.leads[self.nodes.index(node)] if self.leads else ()

    def at_distance(self, unexplained: float) -> "NodeSchedule":
        """The schedule for sources that leave so much of |v_0| unexplained."""
        return self.far if self.far is not None and unexplained > self.far_from else self

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

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> session.generate("a mountain", steps=8).plan.sampling
    SamplingPlan(baseline: at most 8 of 8 steps evaluated)
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
    def switching(
        cls,
        method: str,
        schedule: Schedule,
        start_step: int,
        similarity: float = 0.0,
        nodes: tuple[int, ...] | None = None,
    ) -> "SamplingPlan":
        """The first source's path up to `start_step`, from there on evaluated at `nodes` (None: at every step)."""
        chosen = tuple(range(start_step, schedule.steps)) if nodes is None else nodes
        return cls(method, schedule, NodeSchedule(chosen), len(chosen), start_step, similarity)

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

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> session.generate("a mountain").plan.reason
    'Nothing cached fits yet, so all 8 steps are computed; the next prompt starts from here.'
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
