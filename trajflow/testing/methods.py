"""What every method promises, as functions that raise AssertionError where one does not keep it.

`check_method` runs those that its family has to keep, on the closed-form Gaussian mixture: seconds, and no weights.
"""

from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from trajflow.base import Cost, NodeSchedule, SamplingPlan, StepKind, Trajectory
from trajflow.field import Field, even_nodes
from trajflow.methods import Method
from trajflow.policies.budcache import BudCache
from trajflow.sampler import collect, sample
from trajflow.testing.mixture import GaussianMixture
from trajflow.transitions.direct import Direct

STEPS = 12
BUDGETS = (1, 3, STEPS - 1, STEPS)
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"
# Steps of a solver, and of the run it should come near to: its error falls by more than half between the two.
FEW, MANY, FINE = 16, 64, 1024


@dataclass(frozen=True)
class Made:
    """A run without a session around it."""

    latents: Tensor
    trajectory: Trajectory
    cost: Cost


def check_method(method: Method) -> None:
    """Every check of the method's family.

    >>> from trajflow.methods import METHODS
    >>> check_method(METHODS["difference"])
    """
    check_budget(method)
    check_repeatable(method)
    if method.family == "shorter":
        check_convergence(method)
    else:
        check_full_budget(method)
    if method.family in ("switch", "transport"):
        check_same_prompt(method)
        check_sources_untouched(method)


def check_budget(method: Method) -> None:
    """It evaluates no more often than its plan allows, at least once, says of each step what it was, calls no more of
    them computed than were, and what it makes is finite."""
    for budget in BUDGETS if method.family != "full" else (STEPS,):
        made = make(method, budget)
        assert 1 <= made.cost.nfe <= budget, f"{method.name} spent {made.cost.nfe} of {budget} evaluations"
        kinds = made.trajectory.kinds
        assert set(kinds) <= set(get_args(StepKind)), f"{method.name} calls steps {', '.join(sorted(set(kinds)))}"
        called = kinds.count("computed")
        assert called <= made.cost.nfe, f"{method.name} calls {called} steps computed with {made.cost.nfe} evaluations"
        assert bool(made.latents.isfinite().all()), f"{method.name} made NaN or infinity with {budget} evaluations"


def check_repeatable(method: Method) -> None:
    """The same run twice is the same to the bit, also when another one is under way."""
    budget = STEPS if method.family == "full" else 3
    alone = make(method, budget)
    assert torch.equal(make(method, budget).latents, alone.latents), f"{method.name} makes other pictures each time"
    streams = [_stream(method, budget, prompt, seed)[0] for prompt, seed in ((TARGET, 0), ("red cabin", 1))]
    *_, (last, _) = zip(*streams, strict=True)
    assert torch.equal(last.latents, alone.latents), f"two runs of {method.name} at once disturb each other"


def check_full_budget(method: Method) -> None:
    """With as many evaluations as steps it is the from-scratch run, bit for bit."""
    made, true = make(method, STEPS), from_scratch(TARGET)
    assert torch.equal(made.latents, true.latents), f"{method.name} with all {STEPS} evaluations is not the true run"
    assert made.trajectory.is_true, f"{method.name} does not count the steps it computes as computed"


def check_same_prompt(method: Method) -> None:
    """Carried over to the very prompt it comes from, a path stays what it is, bit for bit."""
    true = from_scratch(TARGET)
    for budget in BUDGETS:
        made = make(method, budget, source=true.trajectory)
        assert torch.equal(made.latents, true.latents), f"{method.name} changes a picture that is right already"


def check_sources_untouched(method: Method) -> None:
    """What is cached is only read."""
    source = from_scratch(SOURCE).trajectory
    before = source.velocities.clone()
    make(method, 5, source=source)
    assert torch.equal(source.velocities, before), f"{method.name} writes to its source"


def check_convergence(method: Method) -> None:
    """On finer grids it comes nearer to the exact path."""
    # Two runs of first order, extrapolated to steps of no length (Richardson).
    exact = 2 * from_scratch(TARGET, FINE).latents - from_scratch(TARGET, FINE // 2).latents
    few, many = (float((make(method, steps).latents - exact).norm()) for steps in (FEW, MANY))
    assert many < few / 2, f"{method.name} errs by {few:.3g} with {FEW} steps, and still by {many:.3g} with {MANY}"


def make(method: Method, budget: int, source: Trajectory | None = None) -> Made:
    """A run of the method with at most that many evaluations; of the default source, if it needs one."""
    running, field = _stream(method, budget, TARGET, 0, source)
    steps, trajectory = collect(running)
    return Made(steps[-1].latents, trajectory, field.cost)


def from_scratch(prompt: str, steps: int = STEPS) -> Made:
    """All steps computed, by Euler."""
    field = _field(prompt, 0, steps)
    plan = SamplingPlan.computing_all("baseline", field.schedule)
    taken, trajectory = collect(sample(Direct(), (), plan, field, prompt))
    return Made(taken[-1].latents, trajectory, field.cost)


def _stream(method: Method, budget: int, prompt: str, seed: int, source: Trajectory | None = None):
    is_shorter = method.family == "shorter"
    field = _field(prompt, seed, budget if is_shorter else STEPS, budget)
    sources = () if method.family in ("full", "shorter", "reuse") else (source or from_scratch(SOURCE).trajectory,)
    return sample(method.transition, sources, _plan(method, field, budget), field, prompt), field


def _plan(method: Method, field: Field, budget: int) -> SamplingPlan:
    grid = field.schedule
    nodes = even_nodes(grid.steps, budget)
    if method.family == "reuse":
        return SamplingPlan.reusing(method.name, grid, BudCache(nodes, "velocity"), nodes)
    if method.family == "switch":
        start = grid.steps - budget
        rest = tuple(range(start, grid.steps))
        plan = SamplingPlan.switching(method.name, grid, start, 0.8)
        # Only what reuses steps after the switch looks at the policy.
        return replace(plan, policy=BudCache(rest, "velocity"))
    if method.family == "transport":
        shares = (0.5,) * budget
        return SamplingPlan.transporting(method.name, grid, NodeSchedule(nodes, shares, shares), similarity=0.8)
    return SamplingPlan.computing_all(method.name, grid)


def _field(prompt: str, seed: int, steps: int, budget: int | None = None) -> Field:
    model = GaussianMixture()
    shape = model.latent_shape(model.defaults.height, model.defaults.width)
    asked = model.encode(prompt, "", model.defaults.guidance)
    return Field(model, asked, model.schedule(steps, shape), model.noise(seed, shape), budget or steps)
