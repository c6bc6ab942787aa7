"""Schedules for sources that are far, with coefficients of `transitions/lead.py`.

The coefficients are estimated in order, each gap's on runs that all the earlier ones have made. With y what the gap
lacks on the way from where the run is to where the from-scratch run is at its end e,

    y = (x_e - x^_j+1 - sum_k h_k M_k) / (sigma_e - sigma_j+1),

those of every channel minimise sum |y - sum_r a_r R_r|^2 / |D_j| over all cases and places, with a ridge toward a_r = 1
for D_j and 0 for the rest, which is the transport that holds D. An error made before is so undone as far as the terms
tell of it, as for the priors of `learning/priors.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trajflow.base import Model, NodeSchedule
from trajflow.calibration import CORRECTION
from trajflow.field import euler_step, recompute_path
from trajflow.learning.placing import Case, log_error, make_plan, run_case
from trajflow.transitions.basis import Basis, BasisState, arrive, fit_weights
from trajflow.transitions.lead import combine

# |D_0| / |v_0| from which sources are far. Edits of one attribute lie above 0.17, other wordings of one picture below
# 0.07, on the calibration pairs of the bundled model; what is learned on one kind does harm to the other.
FAR = 0.1
FEWEST = 12
RIDGE = 1e-4
NEAREST = 1e-3  # of |v_j|, below which a case counts no more for being nearer


def place_far(
    model: Model, cases: Sequence[Case], near: NodeSchedule, also: Sequence[tuple[int, ...]] = ()
) -> NodeSchedule:
    """`near` with a schedule for far sources, where one of its own nodes or of `also` does better on those of `cases`
    that have them; as it is, where there are too few."""
    far = [case for case in cases if distance(case) > FAR]
    if len(far) < FEWEST:
        return near
    ends = [list(recompute_path(case.truth))[-1] for case in far]

    def error(latents: Sequence[Tensor]) -> float:
        return sum(log_error(x, end) for x, end in zip(latents, ends, strict=True)) / len(far)

    count = len(near.nodes)
    held = NodeSchedule((), (0.0,) * count, (0.0, *(CORRECTION,) * (count - 1)))
    candidates = [
        fit_leads(model, far, replace(held, nodes=nodes))
        for nodes in dict.fromkeys((near.nodes, *also))
        if len(nodes) == count
    ]
    best, latents = min(candidates, key=lambda each: error(each[1].split(1)))
    usual = error([run_case(model, case, near) for case in far])
    return replace(near, far=best, far_from=FAR) if error(latents.split(1)) < usual else near


def distance(case: Case) -> float:
    """|D_0| / |v_0| against the mixture of its sources."""
    fresh = case.truth.velocities[0].float()
    cached = torch.stack([source.velocities[0].float() for source in case.sources])
    return float((fresh - (fit_weights(fresh, cached) * cached).sum(0)).norm() / fresh.norm())


def fit_leads(
    model: Model, cases: Sequence[Case], schedule: NodeSchedule, on_node: Callable[[], object] = lambda: None
) -> tuple[NodeSchedule, Tensor]:
    """The schedule with its coefficients, and the final latents [P, ...] of the runs they were estimated on."""
    nodes, sigmas = schedule.nodes, cases[0].grid.sigmas.tolist()
    paths = [list(recompute_path(case.truth)) for case in cases]
    # Until they are known there is a place for them: what a node finds missing is then left to them in full.
    open_schedule = replace(schedule, leads=((),) * len(nodes), far=None)
    fields = [case.field(model) for case in cases]
    states, latents = [], []
    for case, field in zip(cases, fields, strict=True):
        state, _, x = Basis().begin(case.sources, make_plan(case, open_schedule), field)
        states.append(state)
        latents.append(x)
    leads: list[tuple[tuple[float, ...], ...]] = []
    for j, end in zip(nodes, (*nodes[1:], len(sigmas) - 1), strict=True):
        fresh = [field.evaluate(x, j) for field, x in zip(fields, latents, strict=True)]
        states = [arrive(j, x, v, state) for x, v, state in zip(latents, fresh, states, strict=True)]
        grid = cases[0].grid.sigmas
        latents = [euler_step(x, v, grid[j], grid[j + 1]) for x, v in zip(latents, fresh, strict=True)]
        on_node()
        if end == j + 1:
            leads.append(())
            continue
        length = sigmas[end] - sigmas[j + 1]
        carried = [x.float() + _mixed(state, j + 1, end) for x, state in zip(latents, states, strict=True)]
        given = [state.terms() for state in states]
        wanted = [(path[end].float() - x) / length for path, x in zip(paths, carried, strict=True)]
        weights = [_weight(state, v) for state, v in zip(states, fresh, strict=True)]
        lead = _fit([each for each in given if each is not None], wanted, weights)
        leads.append(lead)
        latents = [
            (x + length * combine(lead, each)).to(v.dtype)
            for x, each, v in zip(carried, given, fresh, strict=True)
            if each is not None
        ]
    return replace(schedule, leads=tuple(leads)), torch.cat(latents)


def _mixed(state: BasisState, first: int, last: int) -> Tensor:
    """Displacement of the mixture from step `first` to `last`."""
    zero = torch.zeros_like(state.origin)
    return sum(((state.sigmas[k + 1] - state.sigmas[k]) * state.mixture(k) for k in range(first, last)), zero)


def _weight(state: BasisState, fresh: Tensor) -> float:
    """|D_j|^(-1/2), bounded."""
    distance = float(state.difference(state.fresh[-1]).norm())
    return max(distance, NEAREST * float(fresh.float().norm()), 1e-12) ** -0.5


def _fit(given: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Coefficients [R][C] for terms [R, 1, C, ...] each, rounded."""
    columns = torch.cat([weight * each.double().flatten(3) for weight, each in zip(weights, given, strict=True)], 3)
    target = torch.cat([weight * each.double().flatten(2) for weight, each in zip(weights, wanted, strict=True)], 2)
    basis = columns[:, 0].permute(1, 2, 0)
    held = torch.zeros(basis.shape[-1], dtype=torch.float64, device=basis.device)
    held[0] = 1.0
    products = basis.mT @ basis
    missing = (basis.mT @ (target[0] - basis @ held)[..., None])[..., 0]
    ridge = RIDGE * torch.diag_embed(products.diagonal(dim1=1, dim2=2).clamp_min(1e-12))
    solution = held + torch.linalg.solve(products + ridge, missing)
    return tuple(tuple(round(float(c), 5) for c in row) for row in solution.T)
