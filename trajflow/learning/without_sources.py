"""What to do without a source, learned for one budget: masks, an aligned grid, priors, and what to expect of each.

Masks are searched on some prompts, priors estimated on more, forecasts measured on others that neither has seen. The
priors of `tcc` are those of tokens, so they are estimated on runs of one prompt each, of the prompts searched on.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Forecast, Model, SamplingPlan, StepPolicy
from trajflow.calibration import MOST_DB, Caching, model_digest
from trajflow.errors import RequestError
from trajflow.learning.alignment import align_mask
from trajflow.learning.calibrate import Report, check_apart, check_counts, silent
from trajflow.learning.known import Asked, Known, Library, SharingModel
from trajflow.learning.masks import FoundMask, Memo, Rule, search_mask
from trajflow.learning.pairs import Pair
from trajflow.learning.priors import estimate, spread_rows
from trajflow.methods import METHODS, of_family
from trajflow.metrics import compare_images
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated, Prior
from trajflow.policies.interval import interval_within
from trajflow.sampler import collect, sample

SEARCHED = 16
ALIGNED = 8
MOST_FORECAST = 48
SEARCHES: dict[str, Rule] = {"budcache": "hold", "solver": "history"}
LEARNED = ("budcache", "aligned", "solver", "tcc")
SOLVERS = of_family("shorter")


@dataclass(frozen=True)
class Tried:
    """How many masks were judged by their forced error, how many of them were run, and the seconds each policy took."""

    judged: int
    run: int
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Prompts:
    """The model's from-scratch runs of three sets of prompts: to search on, to fit on, to forecast on; `alone` are
    those to search on, one by one."""

    searching: Known
    alone: tuple[Known, ...]
    aligning: Known
    fitting: Known
    forecasting: Known
    ends: tuple[Image, ...]


def check_strategies(strategies: Sequence[str]) -> None:
    """Raises RequestError unless all of them can be learned."""
    if not strategies or set(strategies) - set(LEARNED):
        raise RequestError(f"The strategies are {', '.join(strategies) or 'none'}. Choose of {', '.join(LEARNED)}.")


def calibrate_alone(
    model: Model,
    learning: Sequence[Pair],
    forecasting: Sequence[Pair],
    budgets: Sequence[int],
    *,
    steps: int,
    strategies: Sequence[str] = LEARNED,
    seed: int = 0,
    is_full: bool = False,
    memo: Memo | None = None,
    report: Report = silent,
) -> Iterator[tuple[int, Caching, Tried]]:
    """Yield, for each budget, what was learned and how many masks were judged and run for it.

    The targets of two sets of pairs are used, which share no prompt with each other and one seed. `memo` keeps what was
    measured, so that a search that was stopped goes on. Raises RequestError when the sets overlap, for a budget that
    the grid has no room for, or for strategies that are not learned.
    """
    check_counts(budgets, steps)
    check_strategies(strategies)
    check_apart(learning, forecasting)
    to_learn, to_forecast = (
        list(dict.fromkeys((pair.target, pair.seed) for pair in pairs)) for pairs in (learning, forecasting)
    )
    about = hashlib.sha256(f"{model_digest(model.identity())} {to_learn}".encode()).hexdigest()
    with report("masks", 1 + (1 + len(strategies)) * len(budgets)) as done:
        prompts = run_prompts(model, to_learn, to_forecast[:MOST_FORECAST], steps)
        done()
        for budget in budgets:
            learned, tried = learn_alone(
                model,
                prompts,
                budget,
                strategies=strategies,
                seed=seed,
                is_full=is_full,
                memo=memo,
                about=about,
                done=done,
            )
            yield budget, learned, tried


def run_prompts(model: Model, learning: Sequence[Asked], forecasting: Sequence[Asked], steps: int) -> Prompts:
    """From scratch, the prompts to learn from, some of which are searched on, and the others to forecast on."""
    spread = max(1, len(learning) // SEARCHED)
    searched = learning[::spread][:SEARCHED]
    library = Library(model, steps)
    unseen, fitted = library.known(forecasting), library.known(learning)
    return Prompts(
        library.known(searched),
        tuple(library.known([asked]) for asked in searched),
        library.known(searched[:: max(1, SEARCHED // ALIGNED)]),
        fitted,
        unseen,
        tuple(decode_each(model, unseen.path[-1])),
    )


def learn_alone(
    model: Model,
    prompts: Prompts,
    budget: int,
    *,
    strategies: Sequence[str] = LEARNED,
    seed: int = 0,
    is_full: bool = False,
    memo: Memo | None = None,
    about: str = "",
    done: Callable[[], object] = lambda: None,
) -> tuple[Caching, Tried]:
    """What was learned for one budget, and how many masks were tried for it; `done` is called once for each strategy
    and once at the end. `aligned` needs the mask of `budcache`, which is searched for it; `tcc` is left out for a model
    whose blocks cannot be reached."""
    sharing = SharingModel(model)
    found: dict[str, FoundMask] = {}
    seconds: dict[str, float] = {}
    policies: dict[str, StepPolicy] = {}

    def timed(name: str, began: float) -> None:
        seconds[name] = round(time.perf_counter() - began, 1)
        done()

    for name, rule in SEARCHES.items():
        if name in strategies or (name == "budcache" and "aligned" in strategies):
            began = time.perf_counter()
            found[name] = search_mask(
                sharing, prompts.searching, budget, rule, seed=seed, is_full=is_full, memo=memo, about=about
            )
            timed(name, began)
    if "budcache" in strategies:
        policies["budcache"] = BudCache(found["budcache"].mask, model.levels[0])
    if "aligned" in strategies:
        began = time.perf_counter()
        policies["aligned"] = align_mask(model, prompts.aligning, found["budcache"].mask)
        timed("aligned", began)
    if "solver" in strategies:
        policy = BudCache(found["solver"].mask, "velocity")
        policies["solver"], _ = estimate(model, (prompts.fitting,), policy, "history")
    if "tcc" in strategies and "blocks" in model.levels:
        began = time.perf_counter()
        policies["tcc"] = learn_tcc(model, prompts.alone, budget)
        timed("tcc", began)
    forecasts = {
        name: _forecast(model, prompts, run_policy(model, prompts.forecasting, each)) for name, each in policies.items()
    }
    for solver in SOLVERS:
        forecasts[solver] = _forecast(model, prompts, run_solver(model, prompts.forecasting, solver, budget))
    done()
    tried = Tried(sum(each.judged for each in found.values()), sum(each.run for each in found.values()), seconds)
    return Caching(policies, forecasts), tried


def learn_tcc(model: Model, runs: Sequence[Known], budget: int) -> Calibrated:
    """Reuse of what the blocks of every n-th step left, n the smallest within the budget, with an offset and a scale
    for each channel of each output, estimated in order (arXiv:2605.24870)."""
    steps = runs[0].schedule.steps
    nodes = tuple(range(0, steps, interval_within(budget, steps)))
    calibrated, _ = estimate(model, runs, BudCache(nodes, "blocks"), "scale")
    priors = {
        k: {name: Prior(prior.weights.half(), prior.offset.half()) for name, prior in parts.items()}
        for k, parts in calibrated.priors.items()
    }
    return replace(calibrated, priors=priors)


def run_policy(model: Model, known: Known, policy: StepPolicy) -> Tensor:
    """Final latents [P, ...] of the prompts under a policy."""
    grid = policy.grid(known.schedule) if isinstance(policy, Aligned) else known.schedule
    policy = spread_rows(policy, known)
    return _run(model, known, SamplingPlan.reusing("budcache", grid, policy, budget=grid.steps))


def run_solver(model: Model, known: Known, solver: str, budget: int) -> Tensor:
    """Final latents [P, ...] of the prompts by a solver on the model's own shorter grid."""
    grid = model.schedule(budget, tuple(known.noise[:1].shape))
    return _run(model, known, SamplingPlan.computing_all(solver, grid))


def _run(model: Model, known: Known, plan: SamplingPlan) -> Tensor:
    steps, _ = collect(sample(METHODS[plan.method].transition, (), plan, known.field(model, plan.schedule), ""))
    return steps[-1].latents


def decode_each(model: Model, latents: Tensor) -> list[Image]:
    """A picture for each of the latents [P, ...]."""
    return [model.decode(each[None]) for each in torch.unbind(latents)]


def _forecast(model: Model, prompts: Prompts, latents: Tensor) -> Forecast:
    pictures = decode_each(model, latents)
    psnr_db = [
        min(MOST_DB, compare_images(picture, end).psnr_db) for picture, end in zip(pictures, prompts.ends, strict=True)
    ]
    low, assured, median, high = np.quantile(psnr_db, (0.1, 0.2, 0.5, 0.9)).round(2).tolist()
    return Forecast(low, assured, median, high)
