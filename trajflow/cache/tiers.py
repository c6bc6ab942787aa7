"""How far along a cached path to resume, by similarity of the prompts: the published tiers and two shifted presets.

The figures are those of the trajectory cache this project started from. Above 0.97 the last 5 % of the steps are run,
from 0.90 the last 25 %, from 0.85 the last 45 %, below that all of them. They are kept for comparison: a late resume
stays at the old prompt's picture.
"""

from dataclasses import dataclass, replace

from trajflow.errors import RequestError

LATEST_RESUME = 0.97


@dataclass(frozen=True)
class Tier:
    """A band of cosine similarity from `least_similarity` on; `resume_fraction` of the steps is taken as cached."""

    name: str
    least_similarity: float
    resume_fraction: float


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


def tier_of(similarity: float, preset: str = "published") -> Tier:
    """The tier of a cosine similarity. The first tier begins just above its bound, the others at theirs.

    Raises `RequestError` for an unknown preset.
    """
    if preset not in PRESETS:
        raise RequestError(f"There is no tier preset {preset!r}. Choose one of: {', '.join(PRESETS)}.")
    first, *others = PRESETS[preset]
    if similarity > first.least_similarity:
        return first
    return next((tier for tier in others if similarity >= tier.least_similarity), DISTANT)


def resume_step(fraction: float, steps: int) -> int:
    """The first step to run when `fraction` of `steps` is cached: the nearest whole step, and at least one is run."""
    return min(round(fraction * steps), steps - 1)
