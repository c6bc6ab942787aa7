"""Caches inside the network on the bundled model, on held-out prompts: diffusers' own beside ours.

Every way is set, on calibration prompts, to compute about as many steps as a budget says: thresholds by halving,
intervals by counting. Prompts run one by one, as a threshold on a batch would decide for all of it. The share of
computation is that of the multiplications in linear and convolutional layers, so ways that skip other parts of a step
compare. Time is the process's own on one thread, a ratio to the from-scratch run of the same prompt.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers.hooks import FirstBlockCacheConfig, MagCacheConfig, TaylorSeerCacheConfig
from torch import Tensor

from benchmarks.attached import cached, calibrate_mag, counting, counting_steps, with_caches
from trajflow.base import Conditioning, Model, SamplingPlan, Schedule
from trajflow.bench.markdown import table
from trajflow.calibration import Profile
from trajflow.field import Field
from trajflow.learning.known import Asked, run_known
from trajflow.learning.priors import estimate
from trajflow.methods import METHODS
from trajflow.metrics import compare_images
from trajflow.planner.without_sources import reuse_plan
from trajflow.policies.interval import Interval, interval_within
from trajflow.sampler import collect, sample

FULL = "full compute"
FIRST_BLOCK, MAG = "FirstBlockCache", "MagCache"
ATTENTION, PARTS, LITE = "TaylorSeer", "TaylorSeer, feed-forward too", "TaylorSeer, lite"
THEIRS = (FIRST_BLOCK, MAG, ATTENTION, PARTS, LITE)
OURS = ("interval", "tcc", "solver")
# The published setting of MagCache for a 28-step FLUX run at its faster end: at most 5 steps skipped, a tenth kept.
MAG_SKIPS, MAG_KEPT = 5, 0.1
WARM_UP = 2
HALVINGS = 6
LEARNED_PROMPTS = 4
Row = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way at one budget: a plan, with a cache of diffusers' or with none, and what it was set to."""

    method: str
    budget: int
    plan: SamplingPlan
    config: Any = None
    setting: str = ""


@dataclass(frozen=True)
class Ran:
    """One run: final latents, steps whose last block computed its attention, multiplications, and CPU seconds."""

    latents: Tensor
    computed: int
    work: int
    seconds: float


class Bench:
    """The model with a transformer that caches attach to; the one that is given keeps its own."""

    def __init__(self, model: Any, steps: int) -> None:
        self.network = with_caches(model.pipeline.transformer)
        self.model = copy.copy(model)
        self.model.pipeline = copy.copy(model.pipeline)
        self.model.pipeline.transformer = self.network
        defaults = model.defaults
        self.shape = model.latent_shape(defaults.height, defaults.width)
        self.schedule: Schedule = model.schedule(steps, self.shape)
        self._asked: dict[str, Conditioning] = {}

    def run(self, asked: Asked, way: Way) -> Ran:
        """One prompt by one way."""
        prompt, seed = asked
        if prompt not in self._asked:
            self._asked[prompt] = self.model.encode(prompt, "", self.model.defaults.guidance)
        grid = way.plan.schedule
        field = Field(self.model, self._asked[prompt], grid, self.model.noise(seed, self.shape), grid.steps)
        last = self.network.transformer_blocks[-1]
        with cached(self.network, way.config), counting(self.network) as work, counting_steps(last) as computed:
            began = time.process_time()
            taken, _ = collect(sample(METHODS[way.plan.method].transition, (), way.plan, field, ""))
            seconds = time.process_time() - began
        return Ran(taken[-1].latents, len(computed), sum(work), seconds)


def compare(
    model: Model,
    asked: Sequence[Asked],
    learning: Sequence[Asked],
    budgets: Sequence[int],
    profile: Profile,
    *,
    steps: int,
    methods: Sequence[str] = (*THEIRS, *OURS),
    on_run: Callable[[], object] = lambda: None,
) -> Iterator[Row]:
    """One row a method and budget: what it is set to, medians over the prompts, the worst tenth of the dB.

    `learning`: prompts that thresholds, ratios and priors are taken from; none of those that are measured.
    """
    bench = Bench(model, steps)
    full = Way(FULL, steps, SamplingPlan.computing_all("baseline", bench.schedule))
    exact = []
    for each in asked:
        ran = bench.run(each, full)
        exact.append((ran, model.decode(ran.latents)))
        on_run()
    for way in find_ways(bench, learning, budgets, profile, methods):
        psnr_db, computed, work, seconds = [], [], [], []
        for each, (truth, picture) in zip(asked, exact, strict=True):
            ran = bench.run(each, way)
            psnr_db.append(compare_images(model.decode(ran.latents), picture).psnr_db)
            computed.append(ran.computed)
            work.append(ran.work / truth.work)
            seconds.append(ran.seconds / truth.seconds)
            on_run()
        yield {
            "method": way.method,
            "budget": way.budget,
            "setting": way.setting,
            "steps": steps,
            "computed": median(computed),
            "work": round(median(work), 3),
            "seconds": round(median(seconds), 3),
            "psnr_db": round(median(psnr_db), 2),
            "psnr_db_p10": round(float(np.percentile(psnr_db, 10)), 2),
            "prompts": len(asked),
        }


def find_ways(
    bench: Bench, learning: Sequence[Asked], budgets: Sequence[int], profile: Profile, methods: Sequence[str]
) -> Iterator[Way]:
    """Every method at every budget."""
    grid = bench.schedule
    plain = SamplingPlan.computing_all("baseline", grid)
    ratios: list[float] = []
    if MAG in methods:
        ratios = calibrate_mag(bench.network, lambda: bench.run(learning[0], Way(FULL, grid.steps, plain)), grid.steps)
    for budget in budgets:
        for method in methods:
            if method in OURS:
                yield Way(method, budget, _own_plan(bench, method, learning, budget, profile))
            elif method in (FIRST_BLOCK, MAG):
                configs = FirstBlockCacheConfig if method == FIRST_BLOCK else partial(_mag, ratios, grid.steps)
                limit = find_threshold(bench, learning[0], budget, plain, configs)
                yield Way(method, budget, plain, configs(limit), f"threshold {limit:.3g}")
            else:
                every = find_interval(grid.steps, budget)
                yield Way(method, budget, plain, _taylor(method, every), f"every {every}")


def find_threshold(
    bench: Bench, asked: Asked, budget: int, plan: SamplingPlan, configs: Callable[[float], Any]
) -> float:
    """The threshold that computes nearest to `budget` steps of one prompt, by halving on a logarithmic scale."""
    low, high = -3.0, 1.0
    tried: dict[float, int] = {}
    for _ in range(HALVINGS):
        limit = 10 ** ((low + high) / 2)
        computed = bench.run(asked, Way("", budget, plan, configs(limit))).computed
        tried[limit] = abs(computed - budget)
        if computed == budget:
            break
        low, high = ((low + high) / 2, high) if computed > budget else (low, (low + high) / 2)
    return min(tried, key=lambda limit: tried[limit])


def find_interval(steps: int, budget: int) -> int:
    """TaylorSeer's interval whose number of computed steps is nearest to `budget`: those of the warm-up, then one at
    the step after the next and every n-th from there."""

    def computed(every: int) -> int:
        return WARM_UP + -(-(steps - WARM_UP - 1) // every)

    return min(range(1, steps), key=lambda every: (abs(computed(every) - budget), every))


def _taylor(method: str, every: int) -> TaylorSeerCacheConfig:
    return TaylorSeerCacheConfig(
        cache_interval=every,
        disable_cache_before_step=WARM_UP,
        taylor_factors_dtype=torch.float32,
        cache_identifiers=[r"transformer_blocks\.\d+\.(attn|ff|ff_context)"] if method == PARTS else None,
        use_lite_mode=method == LITE,
    )


def _mag(ratios: list[float], steps: int, threshold: float) -> MagCacheConfig:
    return MagCacheConfig(
        threshold=threshold,
        max_skip_steps=MAG_SKIPS,
        retention_ratio=MAG_KEPT,
        num_inference_steps=steps,
        mag_ratios=list(ratios),
    )


def _own_plan(bench: Bench, method: str, learning: Sequence[Asked], budget: int, profile: Profile) -> SamplingPlan:
    """As the planner has it; priors of `tcc` that the profile lacks at this budget are estimated here."""
    model, grid = bench.model, bench.schedule
    caching = profile.without_sources.get(budget) if profile.steps == grid.steps else None
    if method == "tcc" and (caching is None or method not in caching.policies):
        runs = [run_known(model, [each], grid.steps) for each in learning[:LEARNED_PROMPTS]]
        every = interval_within(budget, grid.steps)
        policy, _ = estimate(model, runs, Interval(every, "blocks"), "scale")
        return SamplingPlan.reusing(method, grid, policy, tuple(range(0, grid.steps, every)))
    return reuse_plan(method, method, grid, budget, profile, model.levels[0]).sampling


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, by share of the computation."""
    lines = [
        (
            row["method"],
            row["setting"] or "–",
            f"{row['computed']:g} of {row['steps']}",
            f"{row['work']:.0%}",
            f"{row['seconds']:.0%}",
            f"{row['psnr_db']:.1f} / {row['psnr_db_p10']:.1f}",
        )
        for row in rows
    ]
    head = ("", "set to", "steps computed", "of the multiplications", "of the time", "dB, median / worst tenth")
    return table(head, lines, right=True)
