"""What transports share: where to evaluate, and what to expect between evaluations."""

from torch import Tensor

from trajflow.base import Plan


def correct_nodes(plan: Plan, relative_difference: float) -> tuple[int, ...]:
    """The nodes to use once |D_0| / |v_0| is known: the first row of the plan's ladder that it fits, else the plan's.

    The last row serves every larger difference; a plan without a ladder keeps its nodes.
    """
    if not plan.ladder:
        return plan.nodes
    for largest, nodes in plan.ladder:
        if relative_difference <= largest:
            return nodes
    return plan.ladder[-1][1]


def extrapolate(measured: tuple[tuple[float, Tensor], ...], sigma: float, damping: float) -> Tensor:
    """D^ at sigma from the (sigma, D) measured last; damping 0 holds the newest, 1 follows the line through two."""
    sigma_j, newest = measured[-1]
    if damping == 0.0 or len(measured) < 2:
        return newest
    sigma_i, before = measured[-2]
    return newest + damping * (sigma - sigma_j) / (sigma_j - sigma_i) * (newest - before)


def damping_for(plan: Plan, nodes: tuple[int, ...]) -> float:
    """How much of the linear slope to follow: with few nodes far apart, holding is safer."""
    options = plan.options
    return options.get("damping", 0.0) if len(nodes) >= options.get("damping_from", 0) else 0.0
