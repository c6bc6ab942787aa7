"""Masks of BudCache (arXiv:2606.13496) as its paper has them: annealed on real runs, from random starts, under a
second-order solver, and moved from where they were searched to elsewhere.

A mask says which K of N steps are computed; the others reuse what the newest of them left at the model's best level. A
search looks at some calibration prompts; every mask is then judged on others, by PSNR to the same solver's run with all
steps computed. `forced` is the surrogate of `learning/masks.py`, a millisecond a mask; `real` runs every mask it looks
at. Seconds are the process's own.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from trajflow.base import Model, SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.bench.markdown import table
from trajflow.field import even_nodes
from trajflow.learning.known import Asked, Known, SharingModel, run_known
from trajflow.learning.masks import POSITIVE, Memo, SurrogateError, run_mask
from trajflow.learning.without_sources import decode_each
from trajflow.metrics import compare_images
from trajflow.policies.budcache import BudCache
from trajflow.sampler import collect, sample
from trajflow.search import Found, Nodes, search_nodes
from trajflow.transitions.dpm import DPMSolver
from trajflow.transitions.reuse import Reuse, ReuseState

Part = Literal["search", "starts", "solver", "moved"]
PARTS: tuple[Part, ...] = ("search", "starts", "solver", "moved")
EULER, SECOND_ORDER = "Euler", "DPM++2M"
# What else a mask is used on: the model's own grid at another guidance, a smaller picture, a coarser grid.
GUIDANCE, SIDE_SHARE, STEPS_SHARE = 2.0, 3 / 4, 5 / 7
Row = dict[str, Any]


class OnSecondOrder:
    """DPM++2M over all steps of the grid, whose velocities are computed or reused as the plan's policy says."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[tuple[ReuseState, Tensor | None], int, Tensor]:
        """Start at step 0, from the run's noise."""
        reusing, first, noise = Reuse().begin(sources, plan, field)
        return (reusing, None), first, noise

    def velocity(
        self, k: int, x: Tensor, state: tuple[ReuseState, Tensor | None], field: VelocityField
    ) -> tuple[Tensor, StepKind, tuple[ReuseState, Tensor | None]]:
        """The solver's step with what the policy gives."""
        reusing, before = state
        fresh, kind, reusing = Reuse().velocity(k, x, reusing, field)
        velocity, _, clean = DPMSolver().velocity(k, x, before, _Given(field, fresh))
        return velocity, kind, (reusing, clean)


class _Given:
    """A field whose answer is known."""

    def __init__(self, field: VelocityField, velocity: Tensor) -> None:
        self._field = field
        self._velocity = velocity

    def __getattr__(self, name: str) -> Any:
        return getattr(self._field, name)

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        """What is known."""
        return self._velocity


@dataclass(frozen=True)
class Elsewhere:
    """Where a mask is moved to: the model with other defaults, and the steps of its grid."""

    name: str
    model: Model
    steps: int


class Judged:
    """Prompts that no search has seen, with their pictures by one solver with all steps computed."""

    def __init__(self, model: Model, asked: Sequence[Asked], steps: int, solver: str = EULER) -> None:
        self._model = model
        self._transition = Reuse() if solver == EULER else OnSecondOrder()
        self._known = run_known(model, asked, steps)
        last = self._known.path[-1] if solver == EULER else self._latents(tuple(range(steps)))
        self._pictures = decode_each(model, last)
        self._seen: dict[Nodes, tuple[float, float]] = {}

    def __call__(self, mask: Nodes) -> tuple[float, float]:
        """Median and worst tenth of the PSNR in dB."""
        if mask not in self._seen:
            pictures = decode_each(self._model, self._latents(mask))
            psnr_db = [
                compare_images(picture, exact).psnr_db for picture, exact in zip(pictures, self._pictures, strict=True)
            ]
            self._seen[mask] = statistics.median(psnr_db), float(np.percentile(psnr_db, 10))
        return self._seen[mask]

    def _latents(self, mask: Nodes) -> Tensor:
        known = self._known
        plan = SamplingPlan.reusing("budcache", known.schedule, BudCache(mask, self._model.levels[0]), mask)
        steps, _ = collect(sample(self._transition, (), plan, known.field(self._model), ""))
        return steps[-1].latents


class Search:
    """Searches for one budget on some prompts; every run is made once."""

    def __init__(self, model: Model, asked: Sequence[Asked], steps: int, budget: int) -> None:
        self.known: Known = run_known(model, asked, steps)
        self._forced = SurrogateError(self.known)
        self._model = model
        self._steps, self._budget = steps, budget

    def forced(self, seed: int = 0, start: Nodes | None = None) -> tuple[Found, float]:
        """By the surrogate alone, with the paper's numbers of moves; and the CPU seconds it took."""
        return self._timed(lambda mask: self._forced(mask, "hold"), seed=seed, start=start)

    def real(self, iterations: int, seed: int = 0, start: Nodes | None = None) -> tuple[Found, float]:
        """By annealing on real runs, without the climb after it."""
        # Each search pays for its own evaluations, as its seconds are told.
        memo, model = Memo(), SharingModel(self._model)

        def loss(mask: Nodes) -> float:
            return memo(str(mask), lambda: run_mask(model, self.known, mask, "hold"))

        return self._timed(loss, seed=seed, start=start, iterations=iterations, rounds=0)

    def _timed(self, loss: Callable[[Nodes], float], **options: Any) -> tuple[Found, float]:
        began = time.process_time()
        found = search_nodes(self._steps, self._budget, lambda mask: loss(mask) + POSITIVE, **options)
        return replace(found, loss=found.loss - POSITIVE), time.process_time() - began


def random_start(steps: int, budget: int, seed: int) -> Nodes:
    """Step 0 and `budget` - 1 others, drawn without a preference."""
    others = np.random.default_rng(seed).choice(np.arange(1, steps), budget - 1, replace=False)
    return (0, *sorted(int(k) for k in others))


def move_mask(mask: Nodes, steps: int, other_steps: int) -> Nodes:
    """The mask of a grid of `steps` on one of `other_steps`: as late, rising, as many.

    >>> move_mask((0, 4, 10, 26), 28, 14)
    (0, 2, 5, 13)
    """
    moved: list[int] = []
    for i, k in enumerate(mask):
        earliest = moved[-1] + 1 if moved else 0
        latest = other_steps - (len(mask) - i)
        moved.append(min(max(round(k * other_steps / steps), earliest), latest))
    return tuple(moved)


def elsewhere(model: Model) -> tuple[Elsewhere, ...]:
    """The model at another guidance, another size and on another grid."""
    defaults = model.defaults
    multiple = defaults.size_multiple
    side = max(multiple, round(SIDE_SHARE * defaults.width / multiple) * multiple)

    def other(**changes: Any) -> Model:
        twin = copy.copy(model)
        twin.defaults = replace(defaults, **changes)  # type: ignore[misc]
        return twin

    return (
        Elsewhere(f"guidance {GUIDANCE:g}", other(guidance=GUIDANCE), defaults.steps),
        Elsewhere(f"{side} x {side} pixels", other(width=side, height=side), defaults.steps),
        Elsewhere(f"{round(STEPS_SHARE * defaults.steps)} steps", model, round(STEPS_SHARE * defaults.steps)),
    )


def measure(
    model: Model,
    searching: Sequence[Asked],
    judging: Sequence[Asked],
    budget: int,
    *,
    parts: Sequence[Part] = PARTS,
    iterations: int = 40,
    starts: int = 5,
    foreign: tuple[Nodes, int] | None = None,
) -> Iterator[Row]:
    """The rows of the parts. `foreign`: a mask of another model, and the steps of its grid, to be moved here."""
    steps = model.defaults.steps
    search, judged = Search(model, searching, steps, budget), Judged(model, judging, steps)
    found, seconds = search.forced()
    even = even_nodes(steps, budget)
    if "search" in parts:
        yield _row("search", "even", even, judged)
        yield _row("search", "surrogate", found.nodes, judged, seconds, 0)
        for name, start in (("annealed on real runs", even), ("surrogate, then annealed on real runs", found.nodes)):
            annealed, spent = search.real(iterations, start=start)
            yield _row("search", name, annealed.nodes, judged, spent, annealed.evaluated)
    if "starts" in parts:
        for seed in range(1, starts + 1):
            again, spent = search.forced(seed, random_start(steps, budget, seed))
            yield {
                **_row("starts", f"surrogate, random start {seed}", again.nodes, judged, spent, 0),
                "loss": again.loss,
            }
    if "solver" in parts:
        on_second = Judged(model, judging, steps, SECOND_ORDER)
        for solver, judge in ((EULER, judged), (SECOND_ORDER, on_second)):
            for name, mask in (("even", even), ("surrogate", found.nodes)):
                yield _row("solver", f"{name}, on {solver}", mask, judge)
    if "moved" in parts:
        if foreign is not None:
            moved = move_mask(foreign[0], foreign[1], steps)
            yield _row("moved", "another model's, moved here", moved, judged)
        for place in elsewhere(model):
            judge = Judged(place.model, judging, place.steps)
            own, spent = Search(place.model, searching, place.steps, budget).forced()
            yield _row("moved", f"{place.name}: even", even_nodes(place.steps, budget), judge)
            yield _row("moved", f"{place.name}: moved", move_mask(found.nodes, steps, place.steps), judge)
            yield _row("moved", f"{place.name}: searched there", own.nodes, judge, spent, 0)


def _row(
    part: Part, name: str, mask: Nodes, judged: Judged, seconds: float | None = None, runs: int | None = None
) -> Row:
    middle, low = judged(mask)
    return {
        "part": part,
        "mask": name,
        "steps": list(mask),
        "psnr_db": round(middle, 2),
        "psnr_db_p10": round(low, 2),
        "seconds": None if seconds is None else round(seconds, 1),
        "runs": runs,
    }


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        (
            row["mask"],
            ", ".join(map(str, row["steps"])),
            "–" if row["seconds"] is None else f"{row['seconds']:.1f}",
            "–" if row["runs"] is None else str(row["runs"]),
            f"{row['psnr_db']:.1f} / {row['psnr_db_p10']:.1f}",
        )
        for row in rows
    ]
    return table(
        ("mask", "steps computed", "search, CPU s", "masks run", "dB, median / worst tenth"), lines, right=True
    )
