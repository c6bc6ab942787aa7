"""How far along a cached path to resume, by similarity of the prompts: published tiers, shifted, learned, or own ones.

The figures are those of the trajectory cache this project started from. Above 0.97 the last 5 % of the steps are run,
from 0.90 the last 25 %, from 0.85 the last 45 %, below that all of them. They are kept for comparison: a late resume
stays at the old prompt's picture.

Where resuming pays is also learned, from measured outcomes: the boundaries of the tiers move. A tier's promise is that
a run resumed as late as it says is good: at least `PROMISED_DB` from scratch, the figure the sources give for the
lowest of theirs. With theta the similarity from which a share of `TRUST` keeps that promise,

    P(good | s) = logistic(STEEP (s - theta) + logit TRUST),    theta ~ Normal(the table's own boundary, SPREAD^2)

and theta is the mode given the outcomes, on a grid. A late resume that was good speaks for every tier that resumes no
later, one that was bad against every tier that resumes no earlier. Without outcomes a table stays as it is; a tier that
has no place below 1 left is never reached. A threshold learned online for a promised rate of errors: as vCache
(arXiv:2502.03771) does, per tier instead of per entry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np

from trajflow.errors import RequestError

LATEST_RESUME = 0.97
LEARNED = "learned"
# Of what is learned, as above.
PROMISED_DB = 37.2
TRUST = 0.8
STEEP = 40.0
SPREAD = 0.05
GRID = np.arange(-1000, 1001) / 1000


@dataclass(frozen=True)
class Tier:
    """A band of cosine similarity from `least_similarity` on; `resume_fraction` of the steps is taken as cached.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> own = (trajflow.Tier("near", 0.9, 0.5), trajflow.Tier("akin", 0.3, 0.25))
    >>> session = trajflow.Session(GaussianMixture(), tiers=own)
    >>> first = session.generate("a mountain", steps=8)
    >>> session.generate("a mountain at dusk", steps=8, strategy="resume").plan.match.tier
    'akin'
    """

    name: str
    least_similarity: float
    resume_fraction: float


# A table by the name of its preset, tier by tier, or as similarities and the fractions resumed from each on.
Tiers = str | Sequence[Tier] | Mapping[float, float]

PUBLISHED = (
    Tier("near-identical", 0.97, 0.95),
    Tier("close", 0.90, 0.75),
    Tier("related", 0.85, 0.55),
)
DISTANT = Tier("distant", -1.0, 0.0)


def _shifted(tiers: tuple[Tier, ...], by: float) -> tuple[Tier, ...]:
    fractions = (round(min(LATEST_RESUME, tier.resume_fraction + by), 2) for tier in tiers)
    return tuple(replace(tier, resume_fraction=fraction) for tier, fraction in zip(tiers, fractions, strict=True))


PRESETS = {
    "published": PUBLISHED,
    "conservative": _shifted(PUBLISHED, -0.20),
    "aggressive": _shifted(PUBLISHED, +0.20),
}
# The published ones to begin with; a session moves their boundaries by what it measures.
NAMED = {**PRESETS, LEARNED: PUBLISHED}


def tier_table(tiers: Tiers) -> tuple[Tier, ...]:
    """The table that is meant, most similar tier first.

    Raises `RequestError` for an unknown preset, and for thresholds of one's own that make no table.

    >>> [tier.resume_fraction for tier in tier_table({0.7: 0.3, 0.9: 0.6})]
    [0.6, 0.3]
    """
    if isinstance(tiers, str):
        if tiers not in NAMED:
            raise RequestError(f"There is no tier preset {tiers!r}. Choose one of: {', '.join(NAMED)}.")
        return NAMED[tiers]
    if isinstance(tiers, Mapping):
        # Not formatted as numbers: what is no number is refused below, in words.
        given = [Tier(f"similar above {least}", least, share) for least, share in tiers.items()]
    elif isinstance(tiers, list | tuple):
        given = list(tiers)
    else:
        given = []
    if not given or not all(isinstance(tier, Tier) for tier in given):
        raise RequestError(
            f"A table of tiers is one of {', '.join(NAMED)}, a sequence of Tier, or a mapping of similarities to the "
            f"fraction of the steps resumed, such as {{0.9: 0.6, 0.7: 0.3}}; got {tiers!r}."
        )
    for tier in given:
        if not (_is_within(tier.least_similarity, -1, 1) and _is_within(tier.resume_fraction, 0, 1)):
            raise RequestError(
                f"The tier {tier.name!r} resumes {tier.resume_fraction!r} of the steps from a similarity of "
                f"{tier.least_similarity!r}. Give a similarity between -1 and 1 and a fraction between 0 and 1."
            )
    if len({tier.least_similarity for tier in given}) < len(given):
        raise RequestError("Two tiers begin at the same similarity. Give each one of its own.")
    return tuple(sorted(given, key=lambda tier: -tier.least_similarity))


def _is_within(number: object, least: float, most: float) -> bool:
    return isinstance(number, Real) and not isinstance(number, bool) and least <= float(number) <= most


def tier_of(similarity: float, table: Sequence[Tier]) -> Tier:
    """The tier of a cosine similarity in a table, most similar tier first. The first tier begins just above its bound,
    the others at theirs."""
    first, *others = table
    if similarity > first.least_similarity:
        return first
    return next((tier for tier in others if similarity >= tier.least_similarity), DISTANT)


def resume_step(fraction: float, steps: int) -> int:
    """The first step to run when `fraction` of `steps` is cached: the nearest whole step, and at least one is run."""
    return min(round(fraction * steps), steps - 1)


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
