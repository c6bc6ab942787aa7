"""Tiers that learn: what is known of logistic regression, and the order that a table must keep."""

import numpy as np
import pytest

from trajflow.cache.tiers import PROMISED_DB, PUBLISHED, STEEP, TRUST, Resumed, move_tiers

GOOD, BAD = PROMISED_DB + 1, PROMISED_DB - 1


def bounds(outcomes) -> list[float]:
    return [tier.least_similarity for tier in move_tiers(PUBLISHED, outcomes)]


def test_without_outcomes_a_table_is_the_published_one() -> None:
    assert move_tiers(PUBLISHED, ()) == PUBLISHED


def test_a_bad_late_resume_raises_the_tiers_that_resume_as_late_and_leaves_the_earlier_ones() -> None:
    near, close, related = bounds([Resumed(0.95, 0.75, BAD)] * 4)
    assert close > 0.92
    assert related == 0.85, "a resume of 75 % says nothing bad of one of 55 %"
    assert near >= close


def test_a_good_late_resume_lowers_every_tier_that_resumes_no_later() -> None:
    near, close, related = bounds([Resumed(0.8, 0.75, GOOD)] * 8)
    assert close < 0.9
    assert related < 0.85
    assert near == 0.97


def test_what_is_promised_is_kept_as_often_as_trusted() -> None:
    """Outcomes drawn from the law itself, with another boundary: it is found."""
    rng, theta = np.random.default_rng(0), 0.7
    similarities = rng.uniform(0.4, 1.0, 600)
    chances = 1 / (1 + np.exp(-(STEEP * (similarities - theta) + np.log(TRUST / (1 - TRUST)))))
    outcomes = [
        Resumed(float(s), 0.55, GOOD if rng.random() < chance else BAD)
        for s, chance in zip(similarities, chances, strict=True)
    ]
    assert bounds(outcomes)[-1] == pytest.approx(theta, abs=0.03)


def test_no_tier_begins_below_one_that_resumes_less() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        drawn = [
            Resumed(float(rng.uniform(-1, 1)), float(rng.uniform(0, 1)), float(rng.uniform(20, 60))) for _ in range(12)
        ]
        near, close, related = bounds(drawn)
        assert -1 <= related <= close <= near <= 1
