"""Where resuming pays, learned from measured outcomes: the boundaries of the similarity tiers move.

A tier's promise is that a run resumed as late as it says is good: at least `PROMISED_DB` from scratch, the figure the
sources give for the lowest of theirs. With theta the similarity from which a share of `TRUST` keeps that promise,

    P(good | s) = logistic(STEEP (s - theta) + logit TRUST),    theta ~ Normal(the table's own boundary, SPREAD^2)

and theta is the mode given the outcomes, on a grid. A late resume that was good speaks for every tier that resumes no
later, one that was bad against every tier that resumes no earlier. Without outcomes a table stays as it is; a tier that
has no place below 1 left is never reached. A threshold learned online for a promised rate of errors: as vCache
(arXiv:2502.03771) does, per tier instead of per entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trajflow.cache.tiers import Tier

PROMISED_DB = 37.2
TRUST = 0.8
STEEP = 40.0
SPREAD = 0.05
GRID = np.arange(-1000, 1001) / 1000


@dataclass(frozen=True)
class Resumed:
    """A run that took `fraction` of its steps from a cached path of that `similarity`, and its PSNR to from scratch."""

    similarity: float
    fraction: float
    measured_db: float

    @property
    def is_good(self) -> bool:
        """Whether it kept the promise."""
        return self.measured_db >= PROMISED_DB


def move_tiers(tiers: Sequence[Tier], outcomes: Sequence[Resumed]) -> tuple[Tier, ...]:
    """The table, most similar tier first, with the boundaries that the outcomes speak for; shares stay, and so does
    their order: no tier begins below one that resumes less."""
    bounds = [_boundary(tier, outcomes) for tier in tiers]
    moved: list[Tier] = []
    for tier, bound in zip(reversed(tiers), reversed(bounds), strict=True):
        least = bound if not moved else max(bound, moved[-1].least_similarity)
        moved.append(replace(tier, least_similarity=least))
    return tuple(reversed(moved))


def _boundary(tier: Tier, outcomes: Sequence[Resumed]) -> float:
    telling = [
        each
        for each in outcomes
        if (each.fraction >= tier.resume_fraction if each.is_good else each.fraction <= tier.resume_fraction)
    ]
    if not telling:
        return tier.least_similarity
    margins = STEEP * (np.array([[each.similarity] for each in telling]) - GRID) + np.log(TRUST / (1 - TRUST))
    signs = np.array([[1.0 if each.is_good else -1.0] for each in telling])
    loss = np.logaddexp(0, -signs * margins).sum(0) + ((GRID - tier.least_similarity) / SPREAD) ** 2 / 2
    return float(GRID[loss.argmin()])
