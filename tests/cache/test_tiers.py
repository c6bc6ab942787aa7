import math

import pytest

from trajflow.cache import PRESETS, Tier, resume_step, tier_of, tier_table
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
    tier = tier_of(similarity, PRESETS["published"])
    assert (tier.name, tier.resume_fraction) == (name, fraction)


@pytest.mark.parametrize(
    ("preset", "fractions"), [("conservative", (0.75, 0.55, 0.35)), ("aggressive", (0.97, 0.95, 0.75))]
)
def test_presets_move_the_resume_point_and_not_the_bounds(preset, fractions):
    assert tuple(tier.resume_fraction for tier in PRESETS[preset]) == fractions
    assert [tier.least_similarity for tier in PRESETS[preset]] == [0.97, 0.90, 0.85]
    assert tier_of(0.5, PRESETS[preset]).resume_fraction == 0.0


def test_an_unknown_preset_is_refused_with_the_choices():
    with pytest.raises(RequestError, match="published, conservative, aggressive"):
        tier_table("reckless")


@pytest.mark.parametrize(
    ("fraction", "steps", "step"),
    [(0.0, 28, 0), (0.55, 20, 11), (0.75, 28, 21), (0.95, 28, 27), (0.95, 4, 3), (0.97, 1, 0), (0.35, 100, 35)],
)
def test_resume_takes_that_fraction_and_leaves_a_step(fraction, steps, step):
    assert resume_step(fraction, steps) == step


def test_own_thresholds_are_a_table_in_any_order_and_form():
    mapped = tier_table({0.3: 0.25, 0.9: 0.5})
    assert [(tier.least_similarity, tier.resume_fraction) for tier in mapped] == [(0.9, 0.5), (0.3, 0.25)]
    named = tier_table((Tier("akin", 0.3, 0.25), Tier("near", 0.9, 0.5)))
    assert [tier.name for tier in named] == ["near", "akin"]
    for similarity, fraction in ((0.95, 0.5), (0.9, 0.25), (0.3, 0.25), (0.29, 0.0)):
        assert tier_of(similarity, mapped).resume_fraction == tier_of(similarity, named).resume_fraction == fraction


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_its_own_table(preset):
    assert tier_table(preset) == tier_table(PRESETS[preset])


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ((), "such as"),
        ({}, "such as"),
        (0.9, "such as"),
        ((0.9, 0.5), "such as"),
        ({1.2: 0.5}, "between -1 and 1"),
        ({0.9: 1.5}, "between 0 and 1"),
        ({float("nan"): 0.5}, "between -1 and 1"),
        ({"high": 0.5}, "between -1 and 1"),
        ({0.9: True}, "between 0 and 1"),
        ((Tier("a", 0.9, 0.5), Tier("b", 0.9, 0.4)), "same similarity"),
    ],
)
def test_thresholds_that_make_no_table_are_refused_in_a_sentence(tiers, words):
    with pytest.raises(RequestError, match=words) as refused:
        tier_table(tiers)
    assert str(refused.value).endswith(".")
