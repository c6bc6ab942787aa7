"""What a run's own evaluations say about how near it will come: linear quantiles of the PSNR in dB.

Features at the first node are 1 and log10 of what the sources leave unexplained there; at a later node, besides these,
log10 of the innovation and of what is left unexplained at that node (`NodeDiagnostics`). Before anything is evaluated:
1, log10 of 1 - similarity of the nearest prompt, and log2 of the number of sources. The coefficients are fitted by
quantile regression (Koenker and Bassett, 1978) in `learning/calibrate.py`.

A run may spend by it (`choose_nodes`): few evaluations where the first ones promise enough, more where they do not. The
first node chooses the cheapest node schedule whose assured forecast reaches the plan's fidelity, else the dearest. At
every later node, one that no longer promises it is left for the next dearer one: the nodes already paid for stay, and
of the dearer one those still ahead are taken, as far as the budget goes. Learned coefficients belong to the gaps they
were learned on, and a run that spends as it goes may leave any of them: it follows the schedules without, also where
its sources are far (`NodeSchedule.far`).
"""

import math
from dataclasses import replace

from trajflow.base import UNADJUSTED, Adjustment, Forecast, Forecaster, NodeDiagnostics, NodeSchedule, SamplingPlan

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


def choose_nodes(
    plan: SamplingPlan, node_schedule: NodeSchedule, diagnostics: tuple[NodeDiagnostics, ...]
) -> NodeSchedule:
    """The nodes to go on with after the newest of `diagnostics`; a plan without an escalation keeps its own."""
    # A way for near sources is forecast by runs from near sources alone.
    distance = diagnostics[0].unexplained
    ways = tuple(way.at_distance(distance) for way in plan.escalation)
    if not ways:
        return node_schedule.at_distance(distance) if len(diagnostics) == 1 else node_schedule
    if len(diagnostics) == 1:
        return next((other for other in ways if is_promising(plan, other, diagnostics)), ways[-1])
    if is_promising(plan, node_schedule, diagnostics):
        return node_schedule
    dearer = (
        escalate(node_schedule, other, diagnostics) for other in ways if len(other.nodes) > len(node_schedule.nodes)
    )
    return next((each for each in dearer if len(node_schedule.nodes) < len(each.nodes) <= plan.budget), node_schedule)


def is_promising(plan: SamplingPlan, node_schedule: NodeSchedule, diagnostics: tuple[NodeDiagnostics, ...]) -> bool:
    """Whether the forecast assures the fidelity; without either, or after what cannot be measured, it does not."""
    if not all(
        math.isfinite(diagnosis.unexplained + diagnosis.innovation) for diagnosis in (diagnostics[0], diagnostics[-1])
    ):
        return False
    forecast = forecast_run(node_schedule, diagnostics, plan.adjustment)
    return forecast is not None and plan.fidelity is not None and forecast.assured_db >= plan.fidelity


def escalate(
    node_schedule: NodeSchedule, dearer: NodeSchedule, diagnostics: tuple[NodeDiagnostics, ...]
) -> NodeSchedule:
    """`node_schedule` up to the newest node, `dearer` after it, which then makes the forecasts."""
    paid = len(diagnostics)
    ahead = [i for i, node in enumerate(dearer.nodes) if node > diagnostics[-1].k]
    if not ahead:
        return node_schedule

    def joined(own: tuple, other: tuple) -> tuple:
        return (*own[:paid], *(other[i] for i in ahead)) if own and other else ()

    leads: tuple[tuple[tuple[float, ...], ...], ...] = ()
    if node_schedule.leads and dearer.leads:
        # Nothing was learned for the gap from the one to the other, so it is followed without coefficients.
        leads = (*node_schedule.leads[: paid - 1], (), *(dearer.leads[i] for i in ahead))
    nodes = joined(node_schedule.nodes, dearer.nodes)
    # A forecaster belongs to a number of nodes seen; the dearer one's last ones serve whatever is still to come.
    is_known = node_schedule.forecasters and dearer.forecasters
    forecasters = (*node_schedule.forecasters[:paid], *dearer.forecasters[-len(ahead) :]) if is_known else ()
    return replace(
        node_schedule,
        nodes=nodes,
        slopes=joined(node_schedule.slopes, dearer.slopes),
        corrections=joined(node_schedule.corrections, dearer.corrections),
        forecasters=forecasters,
        leads=leads,
    )
