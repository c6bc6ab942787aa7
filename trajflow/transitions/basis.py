"""Transport of the difference against a mixture of cached paths: only what the mixture cannot explain is learned.

All sources share the run's noise. At a node j (a step that is evaluated) the sources are mixed to come nearest to the
fresh velocity, M_k = sum_i w_i V_i,k, and the rest is D_j = v(x_j, sigma_j, c) - M_j. Between nodes the
run coasts on v_k = M_k + D^_k with D^ held, or led on along the line through the last two differences,

    D^(sigma) = D_j + slope (sigma - sigma_j) (D_j - D_i) / (sigma_j - sigma_i),    nodes i < j <= k,

summed over the fine grid, so that evaluating every step is the from-scratch run itself. After a refit, D_i is taken
anew against the new mixture. When the next node has been evaluated, D is known at both ends of the gap just crossed:
the displacement that interpolating it would have given, minus the one taken, is the gap's error to second order
(predict, evaluate, correct: Hairer, Norsett, Wanner, Solving ODEs I, III.8). `correction` times that is added to the
velocities of the next gap. With one source M is its velocity: difference transport. A source that equals the fresh
velocity at step 0, bit for bit or as near as an evaluation of one row comes, gets weight exactly 1. Source: ours.

All runs of one seed share the noise, so the first evaluation can be compared with every one of theirs for nothing.
Where there are many, orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad, 1993) chooses among them, on the
differences to the nearest run: the next run taken is the one whose part outside the span of those taken points most
along what they leave unexplained.

With fresh velocity v and cached velocities V_1..V_S of the same step, the weights are the w, sum w = 1, that minimise

    |v - sum_i w_i V_i|^2 + ridge sum_{i != a} (w_i - w_ref,i)^2

globally (w_ref: all weight on the nearest source a), then in a sliding 3 x 3 window of latent pixels (w_ref: the global
weights, a: the source that weighs most in them). The ridge is in units of the mean squared difference of the sources to
a, whose own weight is what the others leave of 1.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from trajflow.base import Forecast, NodeDiagnostics, NodeSchedule, SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.forecast import MOST_MIXED, choose_nodes, forecast_run
from trajflow.transitions.lead import combine, terms

# Share of |v_0| within which two first velocities are one prompt's.
SAME = 1e-4
GLOBAL_RIDGE = 1e-3
LOCAL_RIDGE = 0.1
WINDOW = 3
SMALLEST = 1e-12  # keeps the ridge a normal number when all sources are equal


@dataclass(frozen=True)
class BasisState:
    """What is known on the way.

    `cached` [S, N, *x.shape] are the velocities of the sources that are mixed, chosen at the first node; until then
    [S, 1, *x.shape], the first ones of all. `weights` of the newest node broadcast over [S, *x.shape]; `fresh` are the
    evaluated velocities of the last three nodes; `origin` is the corrected x at the newest node, `pending` the part of
    it that x still lacks, and `lead` what learned coefficients make of the gap after it, all float32.
    """

    sources: tuple[Trajectory, ...]
    cached: Tensor
    sigmas: tuple[float, ...]
    weights: Tensor
    node_schedule: NodeSchedule
    plan: SamplingPlan
    origin: Tensor
    pending: Tensor
    fresh: tuple[tuple[int, Tensor], ...] = ()
    diagnostics: tuple[NodeDiagnostics, ...] = ()
    exact: int | None = None
    lead: Tensor | None = None

    @property
    def forecast(self) -> Forecast | None:
        """What the nodes so far let expect."""
        return forecast_run(self.node_schedule, self.diagnostics, self.plan.adjustment)

    @property
    def raw_forecast(self) -> Forecast | None:
        """The same without what the session has learned to add."""
        return forecast_run(self.node_schedule, self.diagnostics)

    def mixture(self, k: int) -> Tensor:
        """M_k = sum_i w_i V_i,k, [*x.shape] float32."""
        return (self.weights * self.cached[:, k].float()).sum(dim=0)

    def difference(self, node: tuple[int, Tensor]) -> Tensor:
        """D at a node, against the mixture of now."""
        k, velocity = node
        return velocity.float() - self.mixture(k)

    def coast(self, k: int) -> Tensor:
        """M_k + D^_k, [*x.shape] float32, without the correction."""
        if self.lead is not None:
            return self.mixture(k) + self.lead
        slope = self.node_schedule.slope_after(self.fresh[-1][0])
        looked_at = self.fresh[-2:] if slope else self.fresh[-1:]
        measured = tuple((self.sigmas[j], self.difference((j, velocity))) for j, velocity in looked_at)
        return self.mixture(k) + extrapolate(measured, self.sigmas[k], slope)

    def next_node(self) -> int:
        """Where the gap after the newest node ends; N after the last."""
        j = self.fresh[-1][0]
        return next((node for node in self.node_schedule.nodes if node > j), len(self.sigmas) - 1)

    def terms(self) -> Tensor | None:
        """What learned coefficients of the gap after the newest node would multiply; None where there is no gap."""
        j, end = self.fresh[-1][0], self.next_node()
        if end == j + 1:
            return None
        h = [self.sigmas[k + 1] - self.sigmas[k] for k in range(j + 1, end)]
        over = sum(step * self.mixture(k) for step, k in zip(h, range(j + 1, end), strict=True)) / sum(h)
        differences = tuple(self.difference(node) for node in self.fresh)
        noise = self.sources[0].noise
        return terms(self.fresh, differences, noise, over - self.mixture(j), self.pending, self.sigmas, end)


class Basis:
    """Transport against a mixture of all sources, refitted at every node."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[BasisState, int, Tensor]:
        """Start at step 0, from the noise shared with the sources; step 0 is the first node."""
        cached = torch.stack([source.velocities[:1] for source in sources])
        weights = torch.full((len(sources), *[1] * field.noise.ndim), 1 / len(sources), device=cached.device)
        start = field.noise.float()
        sigmas = tuple(field.schedule.sigmas.tolist())
        return (
            BasisState(sources, cached, sigmas, weights, plan.node_schedule, plan, start, torch.zeros_like(start)),
            0,
            field.noise,
        )

    def velocity(
        self, k: int, x: Tensor, state: BasisState, field: VelocityField
    ) -> tuple[Tensor, StepKind, BasisState]:
        """The fresh velocity at a node, the transported one between nodes."""
        if k in state.node_schedule.nodes:
            fresh = field.evaluate(x, k)
            if k == 0 and not field.is_start_exact:
                fresh = settle(fresh, state.cached[:, 0])
            return fresh, "computed", arrive(k, x, fresh, state)
        if state.exact is not None:
            return state.cached[state.exact, k], "coasted", state
        velocity = state.coast(k)
        if state.lead is None:
            first, last = state.fresh[-1][0] + 1, state.next_node()
            velocity = velocity + state.pending / (state.sigmas[last] - state.sigmas[first])
        return velocity.to(x.dtype), "coasted", state


def arrive(k: int, x: Tensor, fresh: Tensor, state: BasisState) -> BasisState:
    """The state after the evaluation at node k: weights refitted, the gap corrected, the rest of the way chosen."""
    if not state.fresh:
        chosen = choose_sources(fresh, state.cached[:, k])
        state = replace(state, cached=torch.stack([state.sources[i].velocities for i in chosen]))
    cached = state.cached[:, k]
    equal = [i for i in range(len(cached)) if torch.equal(cached[i], fresh)]
    exact = equal[0] if equal and (k == 0 or state.exact in equal) else None
    known, size = fresh.float(), fresh.float().norm()
    innovation = float((known - state.coast(k)).norm() / size) if state.fresh else 0.0
    weights = fit_weights(fresh, cached)
    refitted = replace(state, weights=weights, fresh=(*state.fresh, (k, fresh))[-3:], exact=exact)
    unexplained = float(refitted.difference((k, fresh)).norm() / size)
    nearest = float((cached.float() - known).flatten(1).norm(dim=1).min() / size)
    diagnostics = (*state.diagnostics, NodeDiagnostics(k, unexplained, nearest, innovation))
    pending = _correction(x, state.origin, refitted)
    node_schedule = choose_nodes(state.plan, state.node_schedule, diagnostics)
    arrived = replace(refitted, diagnostics=diagnostics, node_schedule=node_schedule, pending=pending)
    coefficients = node_schedule.lead_after(k)
    given = arrived.terms() if coefficients else None
    lead = None if given is None else combine(coefficients, given)
    return replace(arrived, origin=x.float() if node_schedule.leads else x.float() + pending, lead=lead)


def _correction(x: Tensor, origin: Tensor, state: BasisState) -> Tensor:
    """What x lacks at the newest node, float32: after a gap its own correction, else what was still pending.

    `origin` is the corrected x at the node before; `state` holds both nodes and the weights of the newest.
    """
    # What is missing is a term like others where coefficients were learned, and they hold its share.
    share = 1.0 if state.node_schedule.leads else state.node_schedule.correction_at(state.fresh[-1][0])
    if len(state.fresh) < 2 or state.fresh[-1][0] == state.fresh[-2][0] + 1:
        return state.pending
    if share == 0.0 or state.exact is not None:
        return torch.zeros_like(origin)
    (i, before), (j, _) = state.fresh[-2:]
    sigmas = state.sigmas
    first, last = (state.difference(node) for node in state.fresh[-2:])
    crossed = origin + (sigmas[i + 1] - sigmas[i]) * before.float()
    for k in range(i + 1, j):
        part = (sigmas[k] - sigmas[i]) / (sigmas[j] - sigmas[i])
        crossed = crossed + (sigmas[k + 1] - sigmas[k]) * (state.mixture(k) + first + part * (last - first))
    return share * (crossed - x.float())


def extrapolate(measured: tuple[tuple[float, Tensor], ...], sigma: float, slope: float) -> Tensor:
    """D^ at sigma from the (sigma, D) measured last; slope 0 holds the newest, 1 follows the line through two."""
    sigma_j, newest = measured[-1]
    if slope == 0.0 or len(measured) < 2:
        return newest
    sigma_i, before = measured[-2]
    return newest + slope * (sigma - sigma_j) / (sigma_j - sigma_i) * (newest - before)


def choose_sources(fresh: Tensor, cached: Tensor, most: int = MOST_MIXED) -> tuple[int, ...]:
    """Up to `most` indices into `cached` [S, *fresh.shape], in the order taken; all, in their own order, if so few."""
    if len(cached) <= most:
        return tuple(range(len(cached)))
    target, runs = fresh.float().flatten(), cached.float().flatten(1)
    first = int((runs - target).norm(dim=1).argmin())
    chosen = [first]
    outside, left = runs - runs[first], target - runs[first]
    sizes = outside.norm(dim=1)
    while len(chosen) < most:
        norms = outside.norm(dim=1)
        # What lies in the span already, but for rounding, has no direction of its own.
        is_new = norms > 1e-3 * sizes.clamp_min(1e-12)
        is_new[chosen] = False
        if not is_new.any():
            break
        scores = torch.where(is_new, (outside @ left).abs() / norms.clamp_min(1e-12), torch.zeros_like(norms))
        best = int(scores.argmax())
        direction = outside[best] / norms[best]
        outside = outside - torch.outer(outside @ direction, direction)
        left = left - (left @ direction) * direction
        chosen.append(best)
    return tuple(chosen)


def settle(fresh: Tensor, cached: Tensor) -> Tensor:
    """`fresh`, evaluated with a negative branch taken over, or the nearest of `cached` [S, *fresh.shape] where only the
    last bits differ: it is the same prompt's."""
    distances = (cached.float() - fresh.float()).flatten(1).norm(dim=1)
    nearest = int(distances.argmin())
    return cached[nearest] if distances[nearest] <= SAME * fresh.float().norm() else fresh


def fit_weights(fresh: Tensor, cached: Tensor) -> Tensor:
    """Weights that broadcast over `cached` [S, *fresh.shape]: per latent pixel of [1, C, H, W] latents, else global."""
    target, basis = fresh.float(), cached.float()
    weights = fit_global(target, basis)
    if target.ndim == 4 and len(basis) > 1:
        return fit_local(target, basis, weights)
    return weights.view(-1, *[1] * target.ndim)


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
