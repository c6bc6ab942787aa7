"""What forecasts are off by at other guidance: measured on pairs, and gone once it is known."""

from dataclasses import replace
from statistics import median

import pytest

from trajflow import Session
from trajflow.calibration import MOST_DB
from trajflow.learning.guidance import BUDGETS, measure_guidance
from trajflow.learning.pairs import Pair
from trajflow.metrics import compare_images

PAIRS = (
    Pair("a", "snowy mountain", "snowy mountain dusk", 1, ("mountain dusk",)),
    Pair("a", "red cabin", "red cabin fog", 1, ("old cabin", "cabin in fog")),
    Pair("a", "blue boat", "blue boat at sea", 2, ("grey boat at sea",)),
    Pair("negative", "blue boat", "blue boat", 2, (), "fog"),
)


@pytest.fixture
def guided(mixture):
    mixture.defaults = replace(mixture.defaults, guidance=3.0)
    return mixture


@pytest.mark.parametrize("is_across", [False, True], ids=["same guidance", "other guidance"])
def test_forecasts_moved_by_what_was_measured_are_right_in_the_median(guided, make_profile, is_across: bool) -> None:
    profile = make_profile(8, dict.fromkeys(BUDGETS, 30.0))
    known = replace(profile, guidance=3.0, shifts=measure_guidance(guided, PAIRS, profile))
    assert [shift.times for shift in known.shifts] == [0.6667, 1.0, 1.3333, 2.0]
    errors = {"before": [], "during": []}
    for pair in PAIRS[:3]:
        exact = Session(guided).generate(pair.target, seed=pair.seed, guidance=6.0, strategy="baseline").image
        for budget in BUDGETS:
            session = Session(guided, profile=known)
            for prompt in pair.cached:
                session.generate(prompt, seed=pair.seed, guidance=3.0 if is_across else 6.0, strategy="baseline")
            made = session.generate(pair.target, seed=pair.seed, guidance=6.0, strategy="basis", budget=budget)
            measured = min(MOST_DB, compare_images(made.image, exact).psnr_db)
            errors["before"].append(measured - made.plan.forecast.median_db)
            errors["during"].append(measured - made.forecast.median_db)
    assert [median(each) for each in errors.values()] == pytest.approx([0, 0], abs=0.02)


def test_a_model_that_is_not_guided_has_none(mixture, make_profile) -> None:
    assert measure_guidance(mixture, PAIRS, make_profile(8, dict.fromkeys(BUDGETS, 30.0))) == ()
