"""Search of the steps to compute for a budget, over many prompts and seeds at once.

Loss: mean over the prompts of log10 of the mean squared error of the final latents to the from-scratch run. Most masks
are rejected without a run: where every computed step meets the from-scratch velocity, the error at the end is linear in
the velocities, sum_k e_k v_k, so its size e' G e needs their products G only. Annealing (`search.py`) goes over this
forced error; the best masks that differ are run, and the best of them climbs on real runs. `is_full` also anneals on
real runs, as in BudCache (arXiv:2606.13496).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from trajflow.base import Model, SamplingPlan
from trajflow.learning.known import Known
from trajflow.learning.priors import DEPTHS, RIDGE, estimate
from trajflow.policies.budcache import BudCache
from trajflow.sampler import collect, sample
from trajflow.search import Nodes, neighbours, search_nodes
from trajflow.transitions.reuse import Reuse

Rule = Literal["hold", "history"]
FORCED_ITERATIONS = 1000
SHORTLIST = 16
APART = 2
MOST_CLIMBED = 60
# A neighbour whose forced error is so much larger (log10) than the best mask's is not run.
HOPELESS = 0.3
POSITIVE = 12.0


@dataclass(frozen=True)
class FoundMask:
    """The best mask, its loss on the prompts of the search, and how many masks were judged and how many were run."""

    mask: Nodes
    loss: float
    judged: int
    run: int


class Memo:
    """Losses by what was run, kept in a JSON file if there is one, so that a search that was stopped goes on."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._losses: dict[str, float] = {}
        if path is None or not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                key, loss = json.loads(line)
            except ValueError:
                # The line that was being written when the search was stopped.
                continue
            self._losses[key] = float(loss)
        path.write_text("".join(f"{json.dumps(each)}\n" for each in self._losses.items()), encoding="utf-8")

    def __call__(self, key: str, measure: Callable[[], float]) -> float:
        """The loss known under that key, or what `measure` finds."""
        if key not in self._losses:
            self._losses[key] = measure()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{json.dumps([key, self._losses[key]])}\n")
        return self._losses[key]


class SurrogateError:
    """The error at the end if every computed step met the from-scratch velocity: mean square over all prompts."""

    def __init__(self, known: Known) -> None:
        sigmas = known.schedule.sigmas.cpu().double()
        self._h = sigmas.diff().numpy()
        columns = torch.cat([known.velocities, known.noise[None], torch.ones_like(known.noise)[None]]).double()
        by_channel = columns.movedim(2, 0).flatten(2)
        self._products = (by_channel @ by_channel.mT / by_channel.shape[-1]).cpu().numpy()

    def __call__(self, mask: Nodes, rule: Rule) -> float:
        """log10 of it, for steps that hold the newest velocity or follow the newest few."""
        steps = len(self._h)
        left = np.zeros((len(self._products), steps + 2))
        for i, (first, end) in enumerate(zip(mask, (*mask[1:], steps), strict=True)):
            if end == first + 1:
                continue
            gap = np.zeros(steps + 2)
            gap[first + 1 : end] = self._h[first + 1 : end]
            left += gap
            if rule == "hold":
                left[:, first] -= gap.sum()
                continue
            newest = [*mask[: i + 1][::-1], steps][: DEPTHS["history"]]
            used = [*newest, steps + 1]
            for channel, products in enumerate(self._products):
                given = products[np.ix_(used, used)]
                size = np.sqrt(np.diag(given))
                scaled = given / np.outer(size, size) + RIDGE * np.eye(len(used))
                left[channel, used] -= np.linalg.solve(scaled, (products[used] @ gap) / size) / size
        squares = [channel @ products @ channel for channel, products in zip(left, self._products, strict=True)]
        return float(np.log10(max(np.mean(squares), 1e-12)))


def run_mask(model: Model, known: Known, mask: Nodes, rule: Rule) -> float:
    """The loss of one mask, from real runs: of holding what the model keeps best, or of velocities with priors
    estimated on the same prompts."""
    if rule == "history":
        _, (latents,) = estimate(model, (known,), BudCache(mask, "velocity"), "history")
        return known.log_error(latents)
    plan = SamplingPlan.reusing("budcache", known.schedule, BudCache(mask, model.levels[0]), mask)
    steps, _ = collect(sample(Reuse(), (), plan, known.field(model), ""))
    return known.log_error(steps[-1].latents)


def search_mask(
    model: Model,
    known: Known,
    budget: int,
    rule: Rule,
    *,
    seed: int = 0,
    is_full: bool = False,
    memo: Memo | None = None,
    about: str = "",
    on_run: Callable[[], object] = lambda: None,
) -> FoundMask:
    """The mask of `budget` steps with the smallest loss that was met; deterministic by seed.

    `about` names in the memo what the loss depends on besides; `on_run` is called after each run.
    """
    steps = known.schedule.steps
    forced = SurrogateError(known)
    memo = memo or Memo()
    judged: dict[Nodes, float] = {}
    ran: dict[Nodes, float] = {}

    def judge(mask: Nodes) -> float:
        if mask not in judged:
            judged[mask] = forced(mask, rule)
        return judged[mask]

    def really(mask: Nodes) -> float:
        if mask not in ran:
            key = f"{about} {rule} {model.levels[0]} {steps} {mask}"
            ran[mask] = memo(key, lambda: run_mask(model, known, mask, rule))
            on_run()
        return ran[mask]

    search_nodes(steps, budget, lambda mask: judge(mask) + POSITIVE, iterations=FORCED_ITERATIONS, seed=seed)
    best = min(_apart(judged), key=really)
    if is_full:
        best = search_nodes(steps, budget, lambda mask: really(mask) + POSITIVE, start=best, seed=seed).nodes
    best = _climb(best, steps, judge, really, np.random.default_rng(seed))
    return FoundMask(best, ran[best], len(judged), len(ran))


def _apart(judged: dict[Nodes, float]) -> list[Nodes]:
    """The best masks that differ from each other by at least `APART` places in all."""
    short: list[Nodes] = []
    for mask in sorted(judged, key=lambda each: (judged[each], each)):
        if all(sum(abs(a - b) for a, b in zip(mask, other, strict=True)) >= APART for other in short):
            short.append(mask)
        if len(short) == SHORTLIST:
            break
    return short


def _climb(
    best: Nodes,
    steps: int,
    judge: Callable[[Nodes], float],
    really: Callable[[Nodes], float],
    rng: np.random.Generator,
) -> Nodes:
    """Uphill to the first better neighbour, most promising first, until none is better or enough were run."""
    left = MOST_CLIMBED
    while left > 0:
        near = sorted(set(neighbours(best, steps, 1, rng)), key=lambda mask: (judge(mask), mask))
        promising = [mask for mask in near if judge(mask) < judge(best) + HOPELESS][:left]
        left -= len(promising)
        better = next((mask for mask in promising if really(mask) < really(best)), None)
        if better is None:
            break
        best = better
    return best
