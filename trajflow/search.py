"""Which K of N steps to compute: simulated annealing, then hill climbing, over sets of steps.

The moves, temperatures and counts are those of BudCache (arXiv:2606.13496): a computed step is relocated, 70 % of the
time by at most 3; one move in ten relocates two; T_i = 0.05 (1e-5 / 0.05)^(i / iterations), Metropolis acceptance
on the loss relative to the start's; then steepest descent over all relocations by at most 3 and two far jumps of each
free step. Losses are memoised by set, so a set is never measured twice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trajflow.field import even_nodes

HOTTEST, COLDEST = 0.05, 1e-5
NEAR = 3
SHARE_NEAR = 0.7
SHARE_TWO = 0.1
FAR_JUMPS = 2

Nodes = tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """The best set of steps met, its loss, and how many different sets were measured."""

    nodes: Nodes
    loss: float
    evaluated: int


def search_nodes(
    steps: int,
    count: int,
    objective: Callable[[Nodes], float],
    *,
    fixed: int = 1,
    start: Nodes | None = None,
    iterations: int = 200,
    rounds: int = 20,
    seed: int = 0,
) -> Found:
    """The `count` of 0..steps-1, rising, with the smallest `objective` that was met; steps 0..fixed-1 always belong.

    start: the first set, even spacing by default. rounds: most rounds of hill climbing. Deterministic by seed if the
    objective is. Raises ValueError when `count` steps cannot be chosen so.
    """
    if not 1 <= fixed <= count <= steps:
        raise ValueError(f"choose 1 <= fixed <= count <= steps, got fixed {fixed}, count {count}, steps {steps}")
    rng = np.random.default_rng(seed)
    losses: dict[Nodes, float] = {}

    def loss_of(nodes: Nodes) -> float:
        if nodes not in losses:
            losses[nodes] = objective(nodes)
        return losses[nodes]

    prefix = tuple(range(fixed))
    current = start or (*prefix, *(fixed + node for node in even_nodes(steps - fixed, count - fixed)))
    if len(set(current)) != count or tuple(sorted(current)) != current or current[:fixed] != prefix:
        raise ValueError(f"the start {current} is not {count} rising steps that begin with {prefix}")
    scale = loss_of(current) or 1.0
    if fixed == count or count == steps:
        return Found(current, loss_of(current), len(losses))
    for i in range(iterations):
        temperature = HOTTEST * (COLDEST / HOTTEST) ** (i / iterations)
        moved = _relocate(current, steps, fixed, rng)
        if rng.random() < SHARE_TWO:
            moved = _relocate(moved, steps, fixed, rng)
        rise = (loss_of(moved) - loss_of(current)) / scale
        if rise <= 0 or rng.random() < math.exp(-rise / temperature):
            current = moved
    best = min(losses, key=lambda nodes: (losses[nodes], nodes))
    for _ in range(rounds):
        nearest = min(neighbours(best, steps, fixed, rng), key=loss_of)
        if loss_of(nearest) >= loss_of(best):
            break
        best = nearest
    best = min(losses, key=lambda nodes: (losses[nodes], nodes))
    return Found(best, losses[best], len(losses))


def _relocate(nodes: Nodes, steps: int, fixed: int, rng: np.random.Generator) -> Nodes:
    """One free step moved to a place that is not taken, near by preference."""
    node = nodes[rng.integers(fixed, len(nodes))]
    free = [k for k in range(fixed, steps) if k not in nodes]
    near = [k for k in free if abs(k - node) <= NEAR]
    offered = near if near and rng.random() < SHARE_NEAR else free
    return _replace(nodes, node, offered[rng.integers(len(offered))])


def neighbours(nodes: Nodes, steps: int, fixed: int, rng: np.random.Generator) -> list[Nodes]:
    """All relocations of one free step by at most 3, and two far jumps of each."""
    free = [k for k in range(fixed, steps) if k not in nodes]
    moved = []
    for node in nodes[fixed:]:
        far = [k for k in free if abs(k - node) > NEAR]
        jumps = rng.choice(far, min(FAR_JUMPS, len(far)), replace=False).tolist() if far else []
        moved += [_replace(nodes, node, k) for k in (*(k for k in free if abs(k - node) <= NEAR), *jumps)]
    return moved


def _replace(nodes: Nodes, old: int, new: int) -> Nodes:
    return tuple(sorted((*(node for node in nodes if node != old), new)))
