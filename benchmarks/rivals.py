"""Rivals that the session does not offer, each run by the one sampling loop and counted by the run's own field.

Solvers on any grid; image-to-image and its honest variant, x_k rebuilt as (1 - sigma_k) z + sigma_k e from the last
picture's latents z and a noise e; FlowEdit (arXiv:2412.08629), which pays for the source prompt's velocity too; and
blends whose share of the new velocity follows another curve than the session's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trajflow.base import (
    Conditioning,
    Cost,
    Model,
    SamplingPlan,
    Schedule,
    StepKind,
    Trajectory,
    Transition,
    VelocityField,
)
from trajflow.field import Field
from trajflow.methods import METHODS
from trajflow.sampler import collect, sample

FLOWEDIT_SHARE = 33 / 50  # the part of the grid that FlowEdit's authors run on Stable Diffusion 3


@dataclass(frozen=True)
class Made:
    """Final latents, [1, C, H, W], and what they took."""

    latents: Tensor
    cost: Cost


def subset(schedule: Schedule, nodes: Sequence[int]) -> Schedule:
    """The grid that visits only these steps of `schedule`, rising, and then sigma = 0."""
    chosen = list(nodes)
    return Schedule(torch.cat([schedule.sigmas[chosen], schedule.sigmas[-1:]]), schedule.timesteps[chosen])


def solve(solver: str, field: Field) -> Tensor:
    """Final latents of a from-scratch run by the method `solver` over the field's whole grid."""
    return run(METHODS[solver].transition, SamplingPlan.computing_all(solver, field.schedule), field)


def run(transition: Transition, plan: SamplingPlan, field: Field, sources: tuple[Trajectory, ...] = ()) -> Tensor:
    """Final latents of a run of any transition."""
    steps, _ = collect(sample(transition, sources, plan, field, ""))
    return steps[-1].latents


def from_scratch(model: Model, asked: Conditioning, noise: Tensor, solver: str, schedule: Schedule) -> Made:
    """A run of `solver` from the noise on a grid of its own."""
    field = Field(model, asked, schedule, noise, schedule.steps)
    return Made(solve(solver, field), field.cost)


def from_picture(
    model: Model, asked: Conditioning, clean: Tensor, noise: Tensor, schedule: Schedule, count: int
) -> Made:
    """The last `count` steps of `schedule`, from the latents `clean` of another picture with noise put back."""
    start = schedule.steps - count
    sigma = schedule.sigmas[start].to(clean.dtype)
    field = Field(model, asked, schedule, noise, count)
    plan = SamplingPlan.switching("resume", schedule, start)
    return Made(run(StartFrom((1 - sigma) * clean + sigma * noise), plan, field), field.cost)


class StartFrom:
    """Every step from the plan's start step on is computed, beginning at given latents."""

    def __init__(self, latents: Tensor) -> None:
        self._latents = latents

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[None, int, Tensor]:
        """The given latents at the start step."""
        return None, plan.start_step, self._latents

    def velocity(self, k: int, x: Tensor, state: None, field: VelocityField) -> tuple[Tensor, StepKind, None]:
        """v(x_k, sigma_k, c)."""
        return field.evaluate(x, k), "computed", None


def flowedit(
    model: Model, old: Conditioning, new: Conditioning, clean: Tensor, seed: int, schedule: Callable[[int], Schedule],
    budget: int,
) -> Made:  # fmt: skip
    """FlowEdit within `budget` evaluations, two a step, on the last two thirds of a grid of matching length.

    clean: the old picture's latents. schedule: the model's grid of a given number of steps. Both prompts keep the
    session's guidance. A budget below 2 is one step that costs 2.
    """
    steps = max(1, budget // 2)
    grid = schedule(max(steps, round(steps / FLOWEDIT_SHARE)))
    start = grid.steps - steps
    source, target = (Field(model, asked, grid, clean, steps) for asked in (old, new))
    plan = SamplingPlan.switching("resume", grid, start)
    latents = run(FlowEdit(clean, seed, source), plan, target)
    return Made(latents, Cost(source.nfe + target.nfe, source.rows + target.rows))


class FlowEdit:
    """dz/dsigma = v(z + y - x, sigma, new) - v(y, sigma, old), y = (1 - sigma) x + sigma e with a fresh e each step.

    x: the old picture's latents, where z begins. The run's own field answers for the new prompt, `source` for the old.
    """

    def __init__(self, clean: Tensor, seed: int, source: Field) -> None:
        self._clean = clean
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._source = source

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[None, int, Tensor]:
        """The old picture's latents at the start step."""
        return None, plan.start_step, self._clean

    def velocity(self, k: int, x: Tensor, state: None, field: VelocityField) -> tuple[Tensor, StepKind, None]:
        """The difference of the two velocities; two evaluations."""
        sigma = field.schedule.sigmas[k].to(x.dtype)
        fresh = torch.randn(x.shape, generator=self._generator).to(x)
        noised = (1 - sigma) * self._clean + sigma * fresh
        return field.evaluate(x + noised - self._clean, k) - self._source.evaluate(noised, k), "computed", None


# Share of the new velocity by progress through the fade, 0..1.
CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "cosine": lambda progress: (1 - math.cos(math.pi * progress)) / 2,
    "logistic": lambda progress: 1 / (1 + math.exp(-10 * (progress - 0.5))),
}


class Fade:
    """Cached up to the start step, then v_old + alpha (v_new - v_old), alpha by one of `CURVES` over `span` steps."""

    def __init__(self, curve: str, span: int) -> None:
        self._curve = CURVES[curve]
        self._span = span

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[tuple[SamplingPlan, Trajectory], int, Tensor]:
        """Start at step 0 on the cached path."""
        return (plan, sources[0]), 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: tuple[SamplingPlan, Trajectory], field: VelocityField
    ) -> tuple[Tensor, StepKind, tuple[SamplingPlan, Trajectory]]:
        """The cached velocity, the blend, then the new velocity."""
        plan, source = state
        old, past = source.velocities[k], k - plan.start_step
        if past < 0:
            return old, "cached", state
        new = field.evaluate(x, k)
        share = self._curve(past / self._span) if past < self._span else 1.0
        return (new if share == 1.0 else old + share * (new - old)), "computed", state


def fade(
    model: Model, asked: Conditioning, source: Trajectory, curve: str, span: int, budget: int
) -> Made:  # fmt: skip
    """A switch at the last `budget` steps of the source's grid, softened over `span` of them."""
    grid = source.schedule
    start = grid.steps - budget
    field = Field(model, asked, grid, source.noise, budget)
    plan = SamplingPlan.switching("blend", grid, start)
    return Made(run(Fade(curve, span), plan, field, (source,)), field.cost)
