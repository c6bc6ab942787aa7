import math

import pytest

from trajflow.cache import PRESETS, resume_step, tier_of
from trajflow.errors import RequestError


@pytest.mark.parametrize(
    ("similarity", "name", "fraction"),
    [
        (1.0, "near-identical", 0.95),
        (math.nextafter(0.97, 1), "near-identical", 0.95),
        (0.97, "close", 0.75),
        (0.90, "close", 0.75),
        (math.nextafter(0.90, 0), "related", 0.55),
        (0.85, "related", 0.55),
        (math.nextafter(0.85, 0), "distant", 0.0),
        (-1.0, "distant", 0.0),
    ],
)
def test_the_published_bounds(similarity, name, fraction):
    tier = tier_of(similarity)
    assert (tier.name, tier.resume_fraction) == (name, fraction)


@pytest.mark.parametrize(
    ("preset", "fractions"), [("conservative", (0.75, 0.55, 0.35)), ("aggressive", (0.97, 0.95, 0.75))]
)
def test_presets_move_the_resume_point_and_not_the_bounds(preset, fractions):
    assert tuple(tier.resume_fraction for tier in PRESETS[preset]) == fractions
    assert [tier.least_similarity for tier in PRESETS[preset]] == [0.97, 0.90, 0.85]
    assert tier_of(0.5, preset).resume_fraction == 0.0


def test_an_unknown_preset_is_refused_with_the_choices():
    with pytest.raises(RequestError, match="published, conservative, aggressive"):
        tier_of(0.9, "reckless")


@pytest.mark.parametrize(
    ("fraction", "steps", "step"),
    [(0.0, 28, 0), (0.55, 20, 11), (0.75, 28, 21), (0.95, 28, 27), (0.95, 4, 3), (0.97, 1, 0), (0.35, 100, 35)],
)
def test_resume_takes_that_fraction_and_leaves_a_step(fraction, steps, step):
    assert resume_step(fraction, steps) == step
