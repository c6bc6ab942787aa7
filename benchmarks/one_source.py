"""What a cached run is worth when there is one of them: carried over, by the profile with and without its coefficients
for far sources, and from two pictures more that were made ahead, against the learned solver at equal evaluations.

Every method is run on the network's own path; the from-scratch runs it is compared with are made once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from trajflow.base import Model, NodeSchedule
from trajflow.calibration import Profile
from trajflow.field import latents_at
from trajflow.learning.known import Library
from trajflow.learning.pairs import Pair
from trajflow.learning.placing import Case, run_case
from trajflow.learning.without_sources import run_policy
from trajflow.metrics import compare_images
from trajflow.session.variants import variants

BEST_DB = 70.0
SOLVER = "solver"


@dataclass(frozen=True)
class Row:
    """One target by one method; `rows` of the network, of which a run from a source saves one at the noise."""

    pair: Pair
    method: str
    evaluations: int
    rows: int
    psnr_db: float


def measure(
    model: Model, pairs: Sequence[Pair], counts: Sequence[int], profile: Profile, *, is_ahead: bool = False
) -> Iterator[Row]:
    """Every method at every number of evaluations on every pair, from its source alone; `is_ahead` adds the runs made
    ahead of it. A method that the profile does not know for a count is left out."""
    library = Library(model)
    steps = library.grid.steps
    rows_each = 2 if model.defaults.guidance > 1 else 1
    for pair in pairs:
        case = library.case(pair, 1)
        end = model.decode(latents_at(case.truth, steps))

        def row(
            method: str, count: int, latents: torch.Tensor, saved: int, pair: Pair = pair, end: object = end
        ) -> Row:
            psnr_db = min(BEST_DB, compare_images(model.decode(latents), end).psnr_db)
            return Row(pair, method, count, rows_each * count - saved, psnr_db)

        for count in counts:
            for method, chosen, schedule in _ways(library, pair, case, count, profile, is_ahead=is_ahead):
                yield row(method, count, run_case(model, chosen, schedule), rows_each - 1)
            caching = profile.without_sources.get(count)
            if caching is not None and SOLVER in caching.policies:
                known = library.known([(pair.target, pair.seed)])
                yield row(SOLVER, count, run_policy(model, known, caching.policies[SOLVER]), 0)


def _ways(
    library: Library, pair: Pair, case: Case, count: int, profile: Profile, *, is_ahead: bool
) -> Iterator[tuple[str, Case, NodeSchedule]]:
    placement = profile.single.get(count)
    if placement is not None:
        yield "one source", case, placement.node_schedule
        if placement.node_schedule.far is not None:
            yield "one source, nothing learned for far ones", case, replace(placement.node_schedule, far=None)
    several = profile.several.get(count)
    if is_ahead and several is not None:
        made = tuple(prompt for prompt in variants(pair.source) if prompt != pair.target)
        yield "with two made ahead", library.case(replace(pair, history=made)), several.node_schedule


def table(rows: Sequence[Row]) -> list[list[str]]:
    """For each number of evaluations and method: rows, median and worst tenth, the median of its gains on the solver
    pair by pair."""
    lines = []
    for count in sorted({row.evaluations for row in rows}):
        here = [row for row in rows if row.evaluations == count]
        solver = {row.pair: row.psnr_db for row in here if row.method == SOLVER}
        for method in dict.fromkeys(row.method for row in here):
            own = [row for row in here if row.method == method]
            db = [row.psnr_db for row in own]
            gains = [row.psnr_db - solver[row.pair] for row in own if row.pair in solver]
            gain = f"{np.median(gains):+.1f}" if gains and method != SOLVER else "–"
            values = f"{np.median(db):.1f} / {np.quantile(db, 0.1):.1f}"
            lines.append([str(count), str(own[0].rows), method, values, gain])
    return lines
