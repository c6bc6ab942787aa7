"""Reduced-basis transport: several cached trajectories of the same noise, mixed, come nearer than any one of them.

At a node, with fresh velocity v and cached velocities V_1..V_S, find weights w, sum w = 1, that minimise

    |v - sum_i w_i V_i|^2 + ridge |w - w_ref|^2

globally (w_ref: all weight on the nearest source), then in a sliding 3 x 3 window of latent pixels (w_ref: the global
weights). The run coasts against the mixture path, which is linear in the sources: v_k = sum_i w_i V_i,k + D^_k. After a
refit, earlier differences are taken anew against the new mixture before extrapolating. A source that equals the fresh
velocity bit for bit at step 0 gets weight exactly 1. Source: ours.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from trajflow.base import Plan, StepKind, Trajectory, VelocityField
from trajflow.transitions.nodes import correct_nodes, damping_for, extrapolate

GLOBAL_RIDGE = 1e-3
LOCAL_RIDGE = 0.1
WINDOW = 3
SMALLEST = 1e-12  # keeps the ridge a normal number when all sources are equal


def fit_global(fresh: Tensor, cached: Tensor) -> Tensor:
    """Weights [S] for `fresh` of any shape from `cached` [S, *fresh.shape]; the nearest source is the reference."""
    distances = (cached - fresh).flatten(1).norm(dim=1)
    nearest = int(distances.argmin())
    others = [i for i in range(len(cached)) if i != nearest]
    weights = torch.zeros(len(cached), dtype=fresh.dtype, device=fresh.device)
    weights[nearest] = 1.0
    if not others or distances[nearest] == 0:
        return weights
    directions = (cached[others] - cached[nearest]).flatten(1)
    gram = directions @ directions.T
    ridge = GLOBAL_RIDGE * gram.diagonal().mean().clamp_min(SMALLEST)
    moment = directions @ (fresh - cached[nearest]).flatten()
    share = torch.linalg.solve(gram + ridge * torch.eye(len(others), dtype=gram.dtype, device=gram.device), moment)
    weights[others] = share
    weights[nearest] = 1.0 - share.sum()
    return weights


def fit_local(fresh: Tensor, cached: Tensor, reference: Tensor) -> Tensor:
    """Weights [S, 1, 1, H, W] per latent pixel, ridged toward the global `reference` [S]; fresh [1, C, H, W]."""
    anchor = int(reference.argmax())
    others = [i for i in range(len(cached)) if i != anchor]
    directions = (cached[others] - cached[anchor])[:, 0]
    residual = (fresh - torch.einsum("s,sbchw->bchw", reference, cached))[0]
    count, height, width = len(others), *fresh.shape[-2:]
    products = torch.einsum("schw,tchw->sthw", directions, directions).reshape(1, count * count, height, width)
    moments = torch.einsum("schw,chw->shw", directions, residual)[None]
    gram = _windowed(products).reshape(count, count, height, width).permute(2, 3, 0, 1)
    moment = _windowed(moments)[0].permute(1, 2, 0)
    scale = gram.diagonal(dim1=-2, dim2=-1).mean().clamp_min(SMALLEST)
    identity = torch.eye(count, dtype=gram.dtype, device=gram.device)
    shift = torch.linalg.solve(gram + LOCAL_RIDGE * scale * identity, moment).permute(2, 0, 1)
    weights = reference.view(-1, 1, 1, 1, 1).repeat(1, 1, 1, height, width)
    weights[others] += shift[:, None, None]
    weights[anchor] -= shift.sum(dim=0)
    return weights


def _windowed(maps: Tensor) -> Tensor:
    return avg_pool2d(maps, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)


@dataclass(frozen=True)
class BasisState:
    """Weights of the newest node, broadcastable over [S, *x.shape], and the fresh velocities of the last two nodes."""

    cached: Tensor
    weights: Tensor
    nodes: tuple[int, ...]
    plan: Plan
    fresh: tuple[tuple[int, Tensor], ...] = ()
    exact: int | None = None

    def mixture(self, k: int) -> Tensor:
        """sum_i w_i V_i,k, [*x.shape] float32."""
        return (self.weights * self.cached[:, k].float()).sum(dim=0)


class Basis:
    """Transport against a mixture of all sources, refitted at every node."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: Plan, field: VelocityField
    ) -> tuple[BasisState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources."""
        cached = torch.stack([source.velocities for source in sources])
        weights = torch.full((len(sources), *[1] * field.noise.ndim), 1 / len(sources), device=cached.device)
        return BasisState(cached, weights, plan.nodes, plan), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: BasisState, field: VelocityField
    ) -> tuple[Tensor, StepKind, BasisState]:
        """The fresh velocity at a node, the transported one between nodes."""
        if k in state.nodes:
            fresh = field.evaluate(x, k)
            return fresh, "computed", self._refit(k, fresh, state)
        if state.exact is not None:
            return state.cached[state.exact, k], "coasted", state
        sigmas = field.schedule.sigmas
        measured = tuple((float(sigmas[j]), velocity.float() - state.mixture(j)) for j, velocity in state.fresh)
        predicted = extrapolate(measured, float(sigmas[k]), damping_for(state.plan, state.nodes))
        return (state.mixture(k) + predicted).to(x.dtype), "coasted", state

    def _refit(self, k: int, fresh: Tensor, state: BasisState) -> BasisState:
        cached = state.cached[:, k]
        equal = [i for i in range(len(cached)) if torch.equal(cached[i], fresh)]
        exact = equal[0] if equal and (k == 0 or state.exact in equal) else None
        target, basis = fresh.float(), cached.float()
        weights = fit_global(target, basis)
        nodes = state.nodes
        if k == 0:
            nearest = (basis - target).flatten(1).norm(dim=1).min()
            nodes = correct_nodes(state.plan, float(nearest / target.norm()))
        if target.ndim == 4 and len(cached) > 1:
            weights = fit_local(target, basis, weights)
        else:
            weights = weights.view(-1, *[1] * target.ndim)
        return replace(state, nodes=nodes, weights=weights, fresh=(*state.fresh, (k, fresh))[-2:], exact=exact)
