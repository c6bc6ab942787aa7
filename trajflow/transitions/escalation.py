"""How a run spends unevenly: few evaluations where the first ones promise enough, more where they do not.

The first node chooses the cheapest node schedule whose assured forecast reaches the plan's fidelity, else the dearest.
At every later node, one that no longer promises it is left for the next dearer one: the nodes already paid for stay,
and of the dearer one those still ahead are taken, as far as the budget goes. Learned coefficients belong to the gaps
they were learned on, and a run that spends as it goes may leave any of them: it follows the schedules without, also
where its sources are far (`NodeSchedule.far`).
"""

import math
from dataclasses import replace

from trajflow.base import NodeDiagnostics, NodeSchedule, SamplingPlan
from trajflow.forecast import forecast_run


def choose_nodes(
    plan: SamplingPlan, node_schedule: NodeSchedule, diagnostics: tuple[NodeDiagnostics, ...]
) -> NodeSchedule:
    """The nodes to go on with after the newest of `diagnostics`; a plan without an escalation keeps its own."""
    ways = plan.escalation
    if not ways:
        return node_schedule.at_distance(diagnostics[0].unexplained) if len(diagnostics) == 1 else node_schedule
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
    )
