"""Runs without a source at equal evaluations: shorter grids by several solvers against step reuse of every kind.

Each prompt is compared with its own from-scratch picture of the full grid. Prompts are run side by side, and every way
meets the same batches. Priors of tokens are estimated on runs of one prompt each and laid out for a batch afterwards.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from PIL.Image import Image
from torch import Tensor

from benchmarks.judge import Judge
from benchmarks.rivals import subset
from benchmarks.steps import SOLVERS, Steps
from trajflow.base import Level, Model, Residual, SamplingPlan, Schedule, StepPolicy
from trajflow.calibration import Profile
from trajflow.field import even_nodes
from trajflow.learning.known import Asked, Known, SharingModel, run_known
from trajflow.learning.masks import search_mask
from trajflow.learning.priors import Form, estimate, spread_rows
from trajflow.learning.without_sources import decode_each
from trajflow.methods import METHODS
from trajflow.metrics import compare_images
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.interval import Interval, interval_within
from trajflow.sampler import collect, sample

BATCH = 16
LEARNING = 16
SEARCHED = " (searched)"
FULL = "all steps"
EVEN = "even mask"
MANY = "budcache, many prompts"
ONE = "budcache, 1 prompt"
SCALED = "budcache, many prompts + scale in order"
ALIGNED = "aligned"
LEARNED = "solver"
STORED = {MANY: "budcache", ALIGNED: "aligned", LEARNED: "solver"}
LEVELS: tuple[Level, ...] = ("stack", "blocks")
FORMS: tuple[Form, ...] = ("offset", "scale")
Family = Literal["full", "solver", "reuse"]
Say = Callable[[str], object]


def interval_name(level: Level, form: Form | None = None, is_single_pass: bool = False) -> str:
    """What interval reuse is called in the rows."""
    if form is None:
        return f"interval, {level}"
    return f"interval, {level} + {form} {'single-pass' if is_single_pass else 'in order'}"


COMPARED = (
    *(f"{solver}{kind}" for kind in ("", SEARCHED) for solver in SOLVERS),
    *(
        name
        for level in LEVELS
        for name in (
            interval_name(level),
            *(interval_name(level, form, is_single) for form in FORMS for is_single in (True, False)),
        )
    ),
    EVEN, ONE, MANY, SCALED, ALIGNED, LEARNED,
)  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """What the ways are learned from: calibration prompts, a profile, and the solvers' searched steps on this grid."""

    prompts: Sequence[Asked]
    profile: Profile
    searched: Steps


@dataclass(frozen=True)
class Way:
    """One method at one budget: a plan for every prompt, and the seconds its search or estimation took, if known."""

    method: str
    family: Family
    budget: int
    plan: SamplingPlan
    seconds: float | None = None


@dataclass(frozen=True)
class Measured:
    """A way on P prompts, in their order: evaluations of each run, PSNR in dB, SSIM, and the share of the attributes
    that are read as asked, None where the judge does not know what a prompt asks for."""

    way: Way
    nfe: int
    psnr_db: tuple[float, ...]
    ssim: tuple[float, ...]
    obeyed: tuple[float, ...] | None


@dataclass(frozen=True)
class Remembering(Known):
    """Known runs whose residuals are evaluated once."""

    seen: dict[tuple[int, Level], Residual] = field(default_factory=dict)

    def residual(self, model: Model, k: int, level: Level) -> Residual:
        """What computing step k of the from-scratch runs leaves."""
        if (k, level) not in self.seen:
            self.seen[k, level] = super().residual(model, k, level)
        return self.seen[k, level]


def measure(
    model: Model,
    asked: Sequence[Asked],
    steps: int,
    budgets: Sequence[int],
    learned: Learned,
    judge: Judge,
    say: Say = lambda _: None,
) -> Iterator[Measured]:
    """Every way on every prompt, the full grid first; `say` is told what is left out and why."""
    batches = [run_known(model, asked[i : i + BATCH], steps) for i in range(0, len(asked), BATCH)]
    truths = [picture for known in batches for picture in decode_each(model, known.path[-1])]
    full = Way(FULL, "full", steps, SamplingPlan.computing_all("baseline", batches[0].schedule))
    yield _compare(full, steps, truths, truths, asked, judge)
    for way in find_ways(model, batches[0].schedule, budgets, learned, say):
        pictures: list[Image] = []
        spent = set()
        for known in batches:
            latents, nfe = run_way(model, known, way.plan)
            spent.add(nfe)
            pictures += decode_each(model, latents)
        [nfe] = spent
        yield _compare(way, nfe, pictures, truths, asked, judge)


def run_way(model: Model, known: Known, plan: SamplingPlan) -> tuple[Tensor, int]:
    """Final latents [P, ...] of the prompts by a plan, and the evaluations of each run."""
    if plan.policy is not None:
        plan = replace(plan, policy=spread_rows(plan.policy, known))
    run_field = known.field(model, plan.schedule)
    taken, _ = collect(sample(METHODS[plan.method].transition, (), plan, run_field, ""))
    return taken[-1].latents, run_field.nfe


def find_ways(
    model: Model, schedule: Schedule, budgets: Sequence[int], learned: Learned, say: Say = lambda _: None
) -> Iterator[Way]:
    """All ways at all budgets, learned as they are asked for."""
    steps = schedule.steps
    for budget in budgets:
        yield from _solvers(model, schedule, budget, learned.searched, say)
        yield Way(EVEN, "reuse", budget, _reuse(schedule, BudCache(even_nodes(steps, budget), model.levels[0])))
        began = time.perf_counter()
        alone = run_known(model, learned.prompts[:1], steps)
        found = search_mask(SharingModel(model), alone, budget, "hold")
        yield Way(
            ONE, "reuse", budget, _reuse(schedule, BudCache(found.mask, model.levels[0])), time.perf_counter() - began
        )
        policies = _stored(learned.profile, steps, budget)
        seconds = learned.profile.made.get("seconds", {}).get(str(budget), {})
        for method, name in STORED.items():
            if name in policies:
                yield Way(method, "reuse", budget, _reuse(schedule, policies[name]), seconds.get(name))
            else:
                say(f"{method} at {budget} of {steps} is left out: the profile does not have it.")
    for level in LEVELS:
        if level not in model.levels:
            say(f"Level {level} is left out: {model.family} has nothing to keep there.")
            continue
        yield from _with_priors(model, schedule, level, budgets, learned, say)


def _solvers(model: Model, schedule: Schedule, budget: int, searched: Steps, say: Say) -> Iterator[Way]:
    shape = model.latent_shape(model.defaults.height, model.defaults.width)
    for solver in SOLVERS:
        grids = {solver: model.schedule(budget, shape)}
        if budget in searched.get(solver, {}):
            grids[f"{solver}{SEARCHED}"] = subset(schedule, searched[solver][budget])
        else:
            say(f"{solver}{SEARCHED} at {budget} of {schedule.steps} is left out: its steps were not searched.")
        for method, grid in grids.items():
            yield Way(method, "solver", budget, SamplingPlan.computing_all(solver, grid))


def _with_priors(
    model: Model, schedule: Schedule, level: Level, budgets: Sequence[int], learned: Learned, say: Say
) -> Iterator[Way]:
    """Interval reuse at a level, alone and with priors; at level `stack` also the searched mask with priors."""
    steps = schedule.steps
    spread = max(1, len(learned.prompts) // LEARNING)
    began = time.perf_counter()
    runs = []
    for asked in learned.prompts[::spread][:LEARNING]:
        known = run_known(model, [asked], steps)
        runs.append(Remembering(known.conditioning, known.schedule, known.path, known.velocities))
        for k in range(steps):
            runs[-1].residual(model, k, level)
    prepared = time.perf_counter() - began

    def calibrated(policy: StepPolicy, form: Form, is_single: bool) -> tuple[StepPolicy, float]:
        began = time.perf_counter()
        priors, _ = estimate(model, runs, policy, form, is_single_pass=is_single)
        return priors, prepared + time.perf_counter() - began

    for budget in budgets:
        policy = Interval(interval_within(budget, steps), level)
        yield Way(interval_name(level), "reuse", budget, _reuse(schedule, policy))
        for form in FORMS:
            for is_single in (True, False):
                corrected, seconds = calibrated(policy, form, is_single)
                name = interval_name(level, form, is_single)
                yield Way(name, "reuse", budget, _reuse(schedule, corrected), seconds)
        mask = _stored(learned.profile, steps, budget).get("budcache")
        if level != "stack":
            continue
        if mask is None or mask.level != level:
            say(f"{SCALED} at {budget} of {steps} is left out: the profile has no mask at that level.")
            continue
        corrected, seconds = calibrated(mask, "scale", False)
        yield Way(SCALED, "reuse", budget, _reuse(schedule, corrected), seconds)


def _stored(profile: Profile, steps: int, budget: int) -> dict[str, StepPolicy]:
    caching = profile.without_sources.get(budget) if profile.steps == steps else None
    return {} if caching is None else dict(caching.policies)


def _reuse(schedule: Schedule, policy: StepPolicy) -> SamplingPlan:
    grid = policy.grid(schedule) if isinstance(policy, Aligned) else schedule
    return SamplingPlan.reusing("budcache", grid, policy, budget=grid.steps)


def _compare(
    way: Way, nfe: int, pictures: Sequence[Image], truths: Sequence[Image], asked: Sequence[Asked], judge: Judge
) -> Measured:
    metrics = [compare_images(picture, truth) for picture, truth in zip(pictures, truths, strict=True)]
    obeyed = None
    if all(judge.knows(prompt) for prompt, _ in asked):
        obeyed = tuple(
            statistics.fmean(judge.obeyed(picture, prompt).values())
            for picture, (prompt, _) in zip(pictures, asked, strict=True)
        )
    return Measured(way, nfe, tuple(each.psnr_db for each in metrics), tuple(each.ssim for each in metrics), obeyed)
