"""Where to evaluate and how to coast, learned on runs that are known in full.

Nodes are searched twice. First without the network: with the fresh velocities taken from the true path, the error of a
transport is a quadrature, a few milliseconds for all cases together (`Forced`), so that hundreds of sets can be tried.
The best few of them, some steps apart, are then run. The shares of slope and correction are fitted in order, each on
runs already moved by the earlier ones, as Trajectory-Consistent Calibration does for its priors (arXiv:2605.24870).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trajflow.base import Conditioning, Model, NodeSchedule, SamplingPlan, Schedule, Trajectory
from trajflow.calibration import CORRECTION
from trajflow.field import Field, euler_step, recompute_path
from trajflow.sampler import collect, sample
from trajflow.search import search_nodes
from trajflow.transitions.basis import Basis, BasisState, arrive, fit_weights

SHORTLIST = 4
APART = 3
STEEPEST = 3.0
SMALLEST = 1e-9


@dataclass(frozen=True)
class Case:
    """A request whose from-scratch run is known: `sources` and `truth` share noise and grid."""

    sources: tuple[Trajectory, ...]
    truth: Trajectory
    conditioning: Conditioning

    @property
    def grid(self) -> Schedule:
        """The grid of all its runs."""
        return self.truth.schedule

    def field(self, model: Model) -> Field:
        """A new field for it."""
        return Field(model, self.conditioning, self.grid, self.truth.noise, self.grid.steps)


def make_plan(case: Case, node_schedule: NodeSchedule) -> SamplingPlan:
    """A transport of the case on those nodes."""
    return SamplingPlan.transporting("basis", case.grid, replace(node_schedule, forecasters=()))


def run_case(model: Model, case: Case, node_schedule: NodeSchedule) -> Tensor:
    """The final latents of a transport on those nodes."""
    run = sample(Basis(), case.sources, make_plan(case, node_schedule), case.field(model), case.truth.prompt)
    steps, _ = collect(run)
    return steps[-1].latents


def log_error(x: Tensor, truth: Tensor) -> float:
    """log10 of the mean squared error of latents."""
    return float((x.float() - truth.float()).square().mean().clamp_min(SMALLEST).log10())


class QuadratureSurrogate:
    """Transports of many cases in which every node finds the true velocity; nothing is evaluated.

    Holds for all cases [P] cached velocities [P, S, N, ...] and their running displacement [P, S, N + 1, ...].
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.sigmas = cases[0].grid.sigmas.tolist()
        self._cached = torch.stack([torch.stack([s.velocities.float() for s in case.sources]) for case in cases])
        self._true = torch.stack([case.truth.velocities.float() for case in cases])
        self._carried, self._path = (
            _displacement(self._cached, 2, self.sigmas),
            _displacement(self._true, 1, self.sigmas),
        )
        self._weights: dict[int, Tensor] = {}

    def loss(self, nodes: tuple[int, ...], correction: float = CORRECTION) -> float:
        """Mean log10 of the mean squared error at the end, over all cases."""
        error = self._error(nodes, correction)
        return float(error.square().flatten(1).mean(1).clamp_min(SMALLEST).log10().mean())

    def _error(self, nodes: tuple[int, ...], correction: float) -> Tensor:
        sigmas, last = self.sigmas, len(self.sigmas) - 1
        error, used, pending = (torch.zeros_like(self._true[:, 0]) for _ in range(3))
        for number, (j, end) in enumerate(zip(nodes, (*nodes[1:], last), strict=True)):
            here = self._left(j, j)
            if number and j > nodes[number - 1] + 1:
                i = nodes[number - 1]
                there = self._left(i, j)
                parts = [
                    (sigmas[k + 1] - sigmas[k], (sigmas[k] - sigmas[i]) / (sigmas[j] - sigmas[i]))
                    for k in range(i + 1, j)
                ]
                crossed = (sigmas[i + 1] - sigmas[i]) * self._true[:, i] + self._mixed(j, self._carried, i + 1, j)
                crossed = (
                    crossed + sum(h for h, _ in parts) * there + sum(h * part for h, part in parts) * (here - there)
                )
                pending = correction * (crossed - used)
            used = (sigmas[j + 1] - sigmas[j]) * self._true[:, j]
            if end > j + 1:
                used = used + self._mixed(j, self._carried, j + 1, end) + (sigmas[end] - sigmas[j + 1]) * here
                # A correction is made in the next gap; where none follows, it never is.
                error, pending = error + pending, torch.zeros_like(pending)
            error = error + used - (self._path[:, end] - self._path[:, j])
        return error

    def _weighted(self, j: int) -> Tensor:
        """Weights fitted at node j, [P, S, ...]."""
        if j not in self._weights:
            fitted = [fit_weights(v, cached) for v, cached in zip(self._true[:, j], self._cached[:, :, j], strict=True)]
            self._weights[j] = torch.stack(fitted)
        return self._weights[j]

    def _mixed(self, j: int, running: Tensor, first: int, last: int) -> Tensor:
        """Displacement of the mixture of node j from step `first` to `last`."""
        return (self._weighted(j) * (running[:, :, last] - running[:, :, first])).sum(1)

    def _left(self, i: int, j: int) -> Tensor:
        """D_i against the mixture of node j."""
        return self._true[:, i] - (self._weighted(j) * self._cached[:, :, i]).sum(1)


def _displacement(velocities: Tensor, axis: int, sigmas: Sequence[float]) -> Tensor:
    """x_k - x_0 for k = 0..N along `axis`, of velocities with N steps there."""
    h = torch.tensor(sigmas, device=velocities.device).diff()
    shape = [1] * velocities.ndim
    shape[axis] = -1
    steps = (h.view(shape) * velocities).cumsum(axis)
    return torch.cat([torch.zeros_like(steps.narrow(axis, 0, 1)), steps], axis)


def place(
    model: Model,
    cases: Sequence[Case],
    count: int,
    *,
    verify: int,
    seed: int = 0,
    forced: QuadratureSurrogate | None = None,
) -> tuple[tuple[int, ...], int]:
    """The `count` steps to evaluate, and how many sets were tried; the first `verify` cases are really run."""
    forced = forced or QuadratureSurrogate(cases)
    steps = len(forced.sigmas) - 1
    tried: dict[tuple[int, ...], float] = {}

    def objective(nodes: tuple[int, ...]) -> float:
        tried[nodes] = forced.loss(nodes) + 10.0
        return tried[nodes]

    search_nodes(steps, count, objective, seed=seed)
    short: list[tuple[int, ...]] = []
    for nodes in sorted(tried, key=lambda each: tried[each]):
        if all(sum(abs(a - b) for a, b in zip(nodes, other, strict=True)) >= APART for other in short):
            short.append(nodes)
        if len(short) == SHORTLIST:
            break

    def really(nodes: tuple[int, ...]) -> float:
        node_schedule = NodeSchedule(nodes, (0.0,) * count, (CORRECTION,) * count)
        runs = [(run_case(model, case, node_schedule), _end(case)) for case in cases[:verify]]
        return sum(log_error(x, truth) for x, truth in runs) / len(runs)

    return min(short, key=really), len(tried)


def _end(case: Case) -> Tensor:
    *_, x = recompute_path(case.truth)
    return x


def fit_shares(
    model: Model, cases: Sequence[Case], nodes: tuple[int, ...], on_node: Callable[[], object] = lambda: None
) -> NodeSchedule:
    """The node schedule whose slopes and corrections bring the cases nearest to their true paths, gap by gap."""
    count, sigmas = len(nodes), cases[0].grid.sigmas
    paths = [list(recompute_path(case.truth)) for case in cases]
    walks: list[tuple[BasisState, Tensor, Field]] = []
    for case in cases:
        field = case.field(model)
        plan = make_plan(case, NodeSchedule(nodes, corrections=(1.0,) * count))
        state, _, x = Basis().begin(case.sources, plan, field)
        walks.append((state, x, field))
    slopes, corrections = [], []
    for number, (j, end) in enumerate(zip(nodes, (*nodes[1:], len(sigmas) - 1), strict=True)):
        closes_gap = number > 0 and j > nodes[number - 1] + 1
        arrived = []
        for state, x, field in walks:
            fresh = field.evaluate(x, j)
            arrived.append((arrive(j, x, fresh, state), x, fresh, field))
        missing = [
            (state.pending, path[j].float() - x.float()) for (state, x, _, _), path in zip(arrived, paths, strict=True)
        ]
        correction = _share(missing) if closes_gap else 0.0
        corrections.append(correction)
        gaps = []
        for state, x, fresh, field in arrived:
            pending = correction * state.pending if closes_gap else state.pending
            state = replace(state, pending=pending, origin=x.float() + pending)
            x = euler_step(x, fresh, sigmas[j], sigmas[j + 1])
            held, led = _coast(state, j, end)
            gaps.append((state, x.float() + held + (pending if end > j + 1 else 0.0), led, field, x))
        slope = 0.0
        if end > j + 1:
            slope = _share(
                [(led, path[end].float() - held) for (_, held, led, _, _), path in zip(gaps, paths, strict=True)]
            )
        slopes.append(slope)
        walks = [
            (state, (held + slope * led).to(x.dtype) if end > j + 1 else x, field)
            for state, held, led, field, x in gaps
        ]
        on_node()
    return NodeSchedule(nodes, tuple(slopes), tuple(corrections))


def _coast(state: BasisState, j: int, end: int) -> tuple[Tensor, Tensor]:
    """Displacements over the gap j + 1..end - 1: with D held, and what following the whole slope adds."""
    held = led = torch.zeros_like(state.origin)
    for k in range(j + 1, end):
        h = state.sigmas[k + 1] - state.sigmas[k]
        flat, steep = (
            replace(
                state, node_schedule=replace(state.node_schedule, slopes=(slope,) * len(state.node_schedule.nodes))
            ).coast(k)
            for slope in (0.0, 1.0)
        )
        held, led = held + h * flat, led + h * (steep - flat)
    return held, led


def _share(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The c that minimises the sum over pairs of |r - c d|^2 / |r|^2, within +-`STEEPEST`, rounded."""
    above = below = 0.0
    for direction, wanted in pairs:
        size = float(wanted.square().sum()) + SMALLEST
        above += float((direction * wanted).sum()) / size
        below += float(direction.square().sum()) / size
    return round(max(-STEEPEST, min(STEEPEST, above / below)), 3) if below > 0 else 0.0
