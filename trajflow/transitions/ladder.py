"""How a run spends unevenly: few evaluations where the first ones promise enough, more where they do not.

The first node chooses the cheapest rung whose assured forecast reaches the plan's fidelity, else the dearest. At every
later node, a rung that no longer promises it is left for the next dearer one: the nodes already paid for stay, and of
the dearer rung those still ahead are taken, as far as the budget goes.
"""

import math
from dataclasses import replace

from trajflow.base import Plan, Rung, Sight
from trajflow.forecast import forecast_run


def choose_rung(plan: Plan, rung: Rung, sights: tuple[Sight, ...]) -> Rung:
    """The rung to go on with after the newest of `sights`; a plan without a ladder keeps its own."""
    if not plan.ladder:
        return rung
    if len(sights) == 1:
        return next((other for other in plan.ladder if is_promising(plan, other, sights)), plan.ladder[-1])
    if is_promising(plan, rung, sights):
        return rung
    dearer = (climb(rung, other, sights) for other in plan.ladder if len(other.nodes) > len(rung.nodes))
    return next((each for each in dearer if len(rung.nodes) < len(each.nodes) <= plan.budget), rung)


def is_promising(plan: Plan, rung: Rung, sights: tuple[Sight, ...]) -> bool:
    """Whether the forecast assures the fidelity; without either, or after what cannot be measured, it does not."""
    if not all(math.isfinite(sight.unexplained + sight.innovation) for sight in (sights[0], sights[-1])):
        return False
    forecast = forecast_run(plan, rung, sights)
    return forecast is not None and plan.fidelity is not None and forecast.assured_db >= plan.fidelity


def climb(rung: Rung, dearer: Rung, sights: tuple[Sight, ...]) -> Rung:
    """`rung` up to the newest node, `dearer` after it, which then makes the forecasts."""
    paid = len(sights)
    ahead = [i for i, node in enumerate(dearer.nodes) if node > sights[-1].k]
    if not ahead:
        return rung

    def joined(own: tuple, other: tuple) -> tuple:
        return (*own[:paid], *(other[i] for i in ahead)) if own and other else ()

    nodes = joined(rung.nodes, dearer.nodes)
    # A forecaster belongs to a number of nodes seen; the dearer rung's last ones serve whatever is still to come.
    is_known = rung.forecasters and dearer.forecasters
    forecasters = (*rung.forecasters[:paid], *dearer.forecasters[-len(ahead) :]) if is_known else ()
    return replace(
        rung,
        nodes=nodes,
        slopes=joined(rung.slopes, dearer.slopes),
        corrections=joined(rung.corrections, dearer.corrections),
        forecasters=forecasters,
    )
