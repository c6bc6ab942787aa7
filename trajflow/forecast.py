"""What a run's own evaluations say about how near it will come: linear quantiles of the PSNR in dB.

Features at the first node are 1 and log10 of what the sources leave unexplained there; at a later node, besides these,
log10 of the innovation and of what is left unexplained at that node (`NodeDiagnostics`). Before anything is evaluated:
1, log10 of 1 - similarity of the nearest prompt, and log2 of the number of sources. The coefficients are fitted by
quantile regression (Koenker and Bassett, 1978) in `learning/calibrate.py`.
"""

import math

from trajflow.base import UNADJUSTED, Adjustment, Forecast, Forecaster, NodeDiagnostics, NodeSchedule

SMALLEST = 1e-4
BEST_DB = 100.0
MOST_MIXED = 6
# How many features there are at the first node and later, and before any.
FEATURES = (2, 4)
FEATURES_BEFORE = 3


def features(diagnostics: tuple[NodeDiagnostics, ...]) -> tuple[float, ...]:
    """The features after the newest of `diagnostics`, at least one: 2 at the first node, 4 later."""
    first, newest = diagnostics[0], diagnostics[-1]
    begun = (1.0, _log(first.unexplained))
    return begun if len(diagnostics) == 1 else (*begun, _log(newest.innovation), _log(newest.unexplained))


def features_before(similarity: float, sources: int) -> tuple[float, ...]:
    """The 3 features known before a run: cosine of the nearest prompt, number of sources (no more than are mixed)."""
    return (1.0, _log(1.0 - similarity), math.log2(max(1, min(sources, MOST_MIXED))))


def _log(value: float) -> float:
    """log10, kept finite; what cannot be measured counts as far."""
    return math.log10(min(max(value, SMALLEST), 1 / SMALLEST)) if math.isfinite(value) else -math.log10(SMALLEST)


def predict(forecaster: Forecaster, values: tuple[float, ...], adjustment: Adjustment = UNADJUSTED) -> Forecast:
    """The forecast for these features, adjusted; its fields in order, 0 to 100 dB."""
    shift, margin = adjustment.shift_db, adjustment.margin_db
    raw = [
        sum(c * value for c, value in zip(coefficients, values, strict=True)) + shift + sign * margin
        for coefficients, sign in (
            (forecaster.low, -1),
            (forecaster.assured, -1),
            (forecaster.median, 0),
            (forecaster.high, 1),
        )
    ]
    low, assured, median, high = sorted(min(BEST_DB, max(0.0, each)) for each in raw)
    return Forecast(low, assured, median, high)


def forecast_run(
    node_schedule: NodeSchedule, diagnostics: tuple[NodeDiagnostics, ...], adjustment: Adjustment = UNADJUSTED
) -> Forecast | None:
    """What the nodes so far let expect of a run on these nodes; None when nothing was learned about it."""
    if not diagnostics or len(node_schedule.forecasters) < len(diagnostics):
        return None
    return predict(node_schedule.forecasters[len(diagnostics) - 1], features(diagnostics), adjustment)
