"""The contract of step policies, over all of them: as many evaluations as promised, finite, repeatable, and nothing
reused means the from-scratch run bit for bit."""

from dataclasses import replace

import pytest
import torch

from trajflow.base import SamplingPlan, StepPolicy
from trajflow.learning.known import run_known
from trajflow.learning.priors import estimate
from trajflow.policies.aligned import Aligned, logits_of
from trajflow.policies.always import Always
from trajflow.policies.budcache import BudCache, suffix_mask
from trajflow.policies.interval import Interval, interval_within

STEPS = 8
MASK = (0, 2, 5)
ALL = tuple(range(STEPS))
PROMPT = "a snowy forest"


@pytest.fixture(scope="module")
def known(model):
    return run_known(model, [("a red cabin", 5)], STEPS)


def make(name: str, mask: tuple[int, ...], model, known) -> StepPolicy:
    level = name.partition(" ")[2] or "stack"
    if name.startswith("interval"):
        return Interval(1 if mask == ALL else 3, level)
    if name.startswith("budcache"):
        return BudCache(mask, level)
    if name == "aligned":
        logits = logits_of(known.schedule.sigmas, mask)
        return Aligned(
            mask, tuple((logits if mask == ALL else logits + 0.1 * torch.arange(len(logits))).tolist()), level
        )
    form = {"velocity": "history", "stack": "scale", "blocks": "offset"}[level]
    return estimate(model, (known,), BudCache(mask, level), form)[0]


POLICIES = (
    *(
        f"{name} {level}"
        for name in ("interval", "budcache", "calibrated")
        for level in ("velocity", "stack", "blocks")
    ),
    "aligned",
)


def plan_of(policy: StepPolicy, known, budget: int) -> SamplingPlan:
    grid = policy.grid(known.schedule) if isinstance(policy, Aligned) else known.schedule
    return SamplingPlan.reusing("budcache", grid, policy, budget=budget)


@pytest.mark.parametrize("name", POLICIES)
def test_as_many_evaluations_as_promised_finite_and_repeatable(model, known, run_plan, name: str) -> None:
    policy = make(name, MASK, model, known)
    assert isinstance(policy, StepPolicy)
    promised = tuple(range(0, STEPS, 3)) if name.startswith("interval") else MASK
    runs = [run_plan(model, plan_of(policy, known, len(promised)), PROMPT, guidance=4.0) for _ in range(2)]
    kinds = runs[0].trajectory.kinds
    assert tuple(k for k, kind in enumerate(kinds) if kind == "computed") == promised
    assert set(kinds) == {"computed", "reused"}
    assert runs[0].cost.nfe == len(promised)
    assert runs[0].latents.isfinite().all()
    assert torch.equal(runs[0].latents, runs[1].latents)
    assert not runs[0].trajectory.is_true


@pytest.mark.parametrize("name", POLICIES)
def test_without_reuse_it_is_the_from_scratch_run_bit_for_bit(model, known, run_plan, name: str) -> None:
    full = SamplingPlan.computing_all("baseline", known.schedule)
    stock = run_plan(model, full, PROMPT, guidance=4.0)
    policy = make(name, ALL, model, known)
    plan = plan_of(policy, known, STEPS)
    # An aligned grid that moves nothing may still round; what it computes is compared on the model's own.
    ours = run_plan(model, replace(plan, schedule=known.schedule), PROMPT, guidance=4.0)
    assert torch.equal(ours.trajectory.velocities, stock.trajectory.velocities)
    assert ours.trajectory.is_true


def test_always_computes_everything() -> None:
    assert {Always().decide(k, ({},)) for k in range(5)} == {"compute"}
    assert Always().restore(3, ({"velocity": torch.ones(1)}, {})) == {"velocity": torch.ones(1)}


@pytest.mark.parametrize(("budget", "steps", "every"), [(1, 8, 8), (8, 8, 1), (5, 28, 6), (10, 28, 3), (14, 28, 2)])
def test_an_interval_stays_within_its_budget_and_wastes_nothing(budget: int, steps: int, every: int) -> None:
    assert interval_within(budget, steps) == every
    assert len(range(0, steps, every)) <= budget
    assert every == 1 or len(range(0, steps, every - 1)) > budget


def test_a_held_velocity_is_euler_on_the_computed_steps(mixture, run_plan) -> None:
    grid = mixture.schedule(STEPS, (1, 3, 8, 8))
    plan = SamplingPlan.reusing("budcache", grid, BudCache(MASK, "velocity"), MASK)
    held = run_plan(mixture, plan, "snowy dusk")
    x = mixture.noise(0, (1, 3, 8, 8))
    for first, end in zip(MASK, (*MASK[1:], STEPS), strict=True):
        velocity = mixture.velocity(x, float(grid.sigmas[first]), "snowy dusk")
        x = x + (grid.sigmas[end] - grid.sigmas[first]) * velocity
    assert torch.allclose(held.latents, x, atol=1e-5)


@pytest.mark.parametrize("steps", [8, 28, 50])
def test_a_mask_for_the_rest_of_a_grid_keeps_its_budget_and_its_shape(steps: int) -> None:
    mask = tuple(sorted({0, steps // 4, steps // 2, 3 * steps // 4}))
    for start in range(steps):
        for budget in range(1, steps - start + 1):
            rest = suffix_mask(mask, start, steps, budget)
            assert len(rest) == budget
            assert list(rest) == sorted(set(rest))
            assert rest[0] == start
            assert rest[-1] < steps
    assert suffix_mask(mask, 0, steps, len(mask)) == mask
