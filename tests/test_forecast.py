import math

import pytest

from trajflow.base import Adjustment, Forecaster, NodeDiagnostics, NodeSchedule
from trajflow.forecast import (
    BEST_DB,
    FEATURES,
    FEATURES_BEFORE,
    SMALLEST,
    features,
    features_before,
    forecast_run,
    predict,
)

LEVELS = Forecaster((30.0,), (34.0,), (40.0,), (50.0,))
FIRST, SECOND = NodeDiagnostics(0, 0.5, 0.7, 0.0), NodeDiagnostics(9, 0.01, 0.3, 0.1)


def told(forecaster: Forecaster, *values: float, **learned: float) -> tuple[float, ...]:
    forecast = predict(forecaster, values, Adjustment(**learned))
    return (forecast.low_db, forecast.assured_db, forecast.median_db, forecast.high_db)


def test_the_features_are_logarithms_of_what_was_seen() -> None:
    assert features((FIRST,)) == pytest.approx((1.0, math.log10(0.5)))
    assert features((FIRST, SECOND)) == pytest.approx((1.0, math.log10(0.5), -1.0, -2.0))
    newest = NodeDiagnostics(20, 1.0, 1.0, 10.0)
    assert features((FIRST, SECOND, newest)) == pytest.approx((1.0, math.log10(0.5), 1.0, 0.0))
    assert features_before(0.99, 4) == pytest.approx((1.0, -2.0, 2.0))


def test_there_are_as_many_features_as_a_profile_must_have() -> None:
    assert tuple(len(features(diagnostics)) for diagnostics in ((FIRST,), (FIRST, SECOND))) == FEATURES
    assert len(features_before(0.5, 3)) == FEATURES_BEFORE


@pytest.mark.parametrize("unmeasured", [math.nan, math.inf, 1e30])
def test_what_cannot_be_measured_counts_as_the_farthest(unmeasured: float) -> None:
    farthest = features((NodeDiagnostics(0, 1 / SMALLEST, 1.0, 0.0),))
    assert features((NodeDiagnostics(0, unmeasured, 1.0, 0.0),)) == farthest
    assert features((FIRST, NodeDiagnostics(9, unmeasured, 1.0, unmeasured)))[2:] == (farthest[1],) * 2


@pytest.mark.parametrize("equal", [0.0, -1e-7, 1e-30])
def test_what_is_equal_counts_as_near_and_stays_finite(equal: float) -> None:
    assert features((NodeDiagnostics(0, equal, 0.0, 0.0),)) == (1.0, math.log10(SMALLEST))
    assert features_before(1.0 - equal, 1)[1] == math.log10(SMALLEST)
    assert features_before(0.5, 0)[2] == 0.0


def test_a_prediction_is_the_line_through_the_features() -> None:
    forecaster = Forecaster((10.0, -5.0), (12.0, -6.0), (20.0, -7.0), (25.0, -8.0))
    assert told(forecaster, 1.0, -2.0) == (20.0, 24.0, 34.0, 41.0)


def test_what_a_session_learned_moves_all_and_widens_both_sides() -> None:
    assert told(LEVELS, 1.0, shift_db=-3.0) == (27.0, 31.0, 37.0, 47.0)
    assert told(LEVELS, 1.0, margin_db=2.0) == (28.0, 32.0, 40.0, 52.0)
    assert told(LEVELS, 1.0, shift_db=-3.0, margin_db=2.0) == (25.0, 29.0, 37.0, 49.0)
    assert told(LEVELS, 1.0, margin_db=-2.0) == (32.0, 36.0, 40.0, 48.0)


@pytest.mark.parametrize("shift_db", [-1000.0, -40.0, 0.0, 45.0, 1000.0])
@pytest.mark.parametrize("margin_db", [-30.0, 0.0, 200.0])
def test_a_forecast_is_in_order_and_within_0_and_100(shift_db: float, margin_db: float) -> None:
    crossed = Forecaster((60.0,), (20.0,), (40.0,), (10.0,))
    for forecaster in (LEVELS, crossed):
        levels = told(forecaster, 1.0, shift_db=shift_db, margin_db=margin_db)
        assert list(levels) == sorted(levels)
        assert levels[0] >= 0.0
        assert levels[-1] <= BEST_DB


def test_features_that_do_not_belong_to_the_forecaster_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        predict(LEVELS, (1.0, 2.0))


def test_a_run_is_forecast_by_the_forecaster_of_its_newest_node() -> None:
    at_first = Forecaster((10.0, 0.0), (20.0, 0.0), (30.0, -10.0), (40.0, -10.0))
    at_second = Forecaster(*((level, 0.0, -10.0, 0.0) for level in (15.0, 25.0, 35.0, 45.0)))
    node_schedule = NodeSchedule((0, 9), forecasters=(at_first, at_second))
    forecast = forecast_run(node_schedule, (NodeDiagnostics(0, 0.1, 1.0, 0.0),))
    assert (forecast.median_db, forecast.high_db) == (40.0, 50.0)
    forecast = forecast_run(node_schedule, (FIRST, SECOND), Adjustment(1.0, 0.5))
    assert (forecast.low_db, forecast.median_db, forecast.high_db) == (25.5, 46.0, 56.5)


def test_nothing_is_forecast_where_nothing_was_seen_or_learned() -> None:
    known = NodeSchedule((0, 9), forecasters=(LEVELS,))
    assert forecast_run(known, ()) is None
    assert forecast_run(known, (FIRST, SECOND)) is None
    assert forecast_run(NodeSchedule((0, 9)), (FIRST,)) is None
