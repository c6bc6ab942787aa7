"""What each ingredient of transport is worth: the same pairs and evaluations, with one thing after the other added.

The last row asks whether guidance can be had for fewer rows: at every second node only the text branch is evaluated,
one row instead of two, and the guidance direction, text minus negative, is held from the node before. It has as many
more nodes as its rows pay for.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, NodeSchedule, Point
from trajflow.bench.markdown import table
from trajflow.calibration import CORRECTION, Profile, find_profile
from trajflow.field import even_nodes, latents_at
from trajflow.learning.calibrate import Library
from trajflow.learning.pairs import Pair
from trajflow.learning.placing import make_plan
from trajflow.metrics import compare_images
from trajflow.sampler import collect, sample
from trajflow.transitions.basis import Basis


class HeldGuidance:
    """A model whose guidance direction is evaluated at every second call only, and held in between; see above.

    For the conditioning of one run; a new one for every run.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._text: Conditioning | None = None
        self._direction: Tensor | None = None

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity, for two rows or for one."""
        if self._direction is None or conditioning.guidance <= 1:
            evaluation = self._model.evaluate(x, point, conditioning, keep)
            if "negative" in evaluation.branches:
                self._direction = evaluation.branches["text"] - evaluation.branches["negative"]
            return evaluation
        if self._text is None:
            self._text = self._model.encode(conditioning.prompt, "", 1.0)
        text = self._model.evaluate(x, point, self._text)
        velocity = text.velocity + (conditioning.guidance - 1) * self._direction
        self._direction = None
        return Evaluation(velocity, text.branches, text.rows)


@dataclass(frozen=True)
class Ablated:
    """One pair with one set of ingredients."""

    pair: Pair
    ingredients: str
    budget: int
    nfe: int
    rows: int
    psnr_db: float


def held_count(budget: int) -> int:
    """Nodes that as many rows pay for when every second one takes one row instead of two."""
    count = budget
    while 2 * -(-(count + 1) // 2) + (count + 1) // 2 <= 2 * budget:
        count += 1
    return count


def variants(profile: Profile, steps: int, budget: int) -> Mapping[str, tuple[NodeSchedule, int, bool]]:
    """By name: the nodes, how many sources it mixes (0 for all), and whether guidance is held."""
    even, placed = even_nodes(steps, budget), profile.placement(steps, budget, 2).node_schedule
    held = profile.placement(steps, held_count(budget), 2).node_schedule
    return {
        "difference to one source, even nodes, held": (NodeSchedule(even), 1, False),
        "mixture of all sources": (NodeSchedule(even), 0, False),
        "+ gaps corrected": (NodeSchedule(even, corrections=(CORRECTION,) * budget), 0, False),
        "+ searched nodes": (NodeSchedule(placed.nodes, corrections=(CORRECTION,) * budget), 0, False),
        "+ fitted slopes and corrections": (placed, 0, False),
        "all that, one source": (profile.placement(steps, budget, 1).node_schedule, 1, False),
        "all that, guidance held at every second node": (held, 0, True),
    }


def ablate(model: Model, pairs: Sequence[Pair], budgets: Sequence[int]) -> Iterator[Ablated]:
    """Every pair with every set of ingredients at every budget."""
    library, profile = Library(model), find_profile(model.identity())
    for pair in pairs:
        truth = model.decode(latents_at(library.run(pair.target, pair.seed), library.grid.steps))
        for budget in budgets:
            for name, (node_schedule, sources, is_held) in variants(profile, library.grid.steps, budget).items():
                case = library.case(pair, sources or None)
                field = case.field(cast(Model, HeldGuidance(model)) if is_held else model)
                plan = make_plan(case, node_schedule)
                steps, _ = collect(sample(Basis(), case.sources, plan, field, pair.target))
                psnr_db = compare_images(model.decode(steps[-1].latents), truth).psnr_db
                yield Ablated(pair, name, budget, field.nfe, field.rows, psnr_db)


def summarise(measured: Sequence[Ablated]) -> list[dict[str, Any]]:
    """One row for each set of ingredients and budget."""
    rows = []
    for name, budget in dict.fromkeys((each.ingredients, each.budget) for each in measured):
        group = [each for each in measured if (each.ingredients, each.budget) == (name, budget)]
        psnr_db = [each.psnr_db for each in group]
        rows.append(
            {
                "ingredients": name,
                "budget": budget,
                "nfe": statistics.median(each.nfe for each in group),
                "rows": statistics.median(each.rows for each in group),
                "psnr_db_median": round(statistics.median(psnr_db), 1),
                "psnr_db_p10": round(float(np.percentile(psnr_db, 10)), 1),
            }
        )
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Ingredients down, budgets across: median / 10th percentile in dB, and the rows of the last."""
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    lines = []
    for name in dict.fromkeys(row["ingredients"] for row in rows):
        found = {row["budget"]: row for row in rows if row["ingredients"] == name}
        cells = [f"{found[b]['psnr_db_median']} / {found[b]['psnr_db_p10']}" for b in budgets]
        if any(found[b]["nfe"] != b for b in budgets):
            cells = [
                f"{cell} ({found[b]['nfe']:g} for {found[b]['rows']:g} rows)"
                for cell, b in zip(cells, budgets, strict=True)
            ]
        lines.append((name, *cells))
    return table(("", *(f"{budget} evaluations" for budget in budgets)), lines)
