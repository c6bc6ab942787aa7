"""What every transition promises, run over every transition."""

import math
from collections.abc import Callable

import pytest
import torch

from trajflow.base import SamplingPlan, Trajectory
from trajflow.field import even_nodes, recompute_path
from trajflow.methods import METHODS

STEPS = 12
TARGET, OTHERS = "snowy mountain dusk", ("mountain dusk", "snowy mountain", "mountain")

# Name of the case: the transition, and how many cached runs it is given.
CASES = {
    "resume": ("resume", 1),
    "blend": ("blend", 1),
    "basis-1": ("difference", 1),
    "basis-3": ("basis", 3),
    "shooting-1": ("shooting", 1),
    "shooting-3": ("shooting", 3),
    "multiple-shooting-1": ("multiple-shooting", 1),
    "multiple-shooting-3": ("multiple-shooting", 3),
    "mpc-1": ("mpc", 1),
    "mpc-3": ("mpc", 3),
    "shooting-mpc-1": ("shooting-mpc", 1),
    "shooting-mpc-3": ("shooting-mpc", 3),
    "published": ("published", 1),
    "kalman": ("kalman", 1),
    "uncertainty-blend": ("uncertainty-blend", 1),
    "flow-blend": ("flow-blend", 1),
    "derivative-blend": ("derivative-blend", 1),
}
# These may evaluate at a state that the run, corrected by what it learnt, passes by: not every evaluation is a step.
PLANNING = ("shooting", "multiple-shooting", "shooting-mpc")
SWITCHING = ("resume", "blend", "published", "kalman", "uncertainty-blend", "flow-blend", "derivative-blend")
each_case = pytest.mark.parametrize("case", CASES)
BUDGETS = (1, 2, 3, 7, STEPS - 1, STEPS)


def case_plan(
    make_grid_plan: Callable[..., SamplingPlan], model, case: str, budget: int, steps: int = STEPS
) -> SamplingPlan:
    """Resume-like transitions spend the budget at the end, transports at even nodes, with the extrapolation in use."""
    method, _ = CASES[case]
    if method in SWITCHING:
        return make_grid_plan(model, steps, method, start=steps - budget)
    return make_grid_plan(model, steps, method, nodes=even_nodes(steps, budget), slope=0.5, correction=0.5)


def truth(run_plan, make_grid_plan, model, prompt: str, steps: int = STEPS, **options):
    return run_plan(model, make_grid_plan(model, steps), prompt, **options)


@pytest.fixture(scope="module")
def related(run_plan, make_grid_plan, shared_mixture) -> tuple[Trajectory, ...]:
    """True runs of related prompts; that nobody writes to them is a test of its own."""
    return tuple(truth(run_plan, make_grid_plan, shared_mixture, prompt).trajectory for prompt in OTHERS)


@pytest.fixture
def cached(related) -> Callable[[str], tuple[Trajectory, ...]]:
    """The sources of a case."""
    return lambda case: related[: CASES[case][1]]


def test_every_transition_has_a_case() -> None:
    """But for those that know no sources: `test_solvers.py` has the solvers, `tests/policies` what reuses steps."""
    carried = {name for name, method in METHODS.items() if method.family in ("switch", "transport")}
    assert {method for method, _ in CASES.values()} == carried - {"auto", "resume-budcache"}


@pytest.fixture(scope="module")
def full(run_plan, make_grid_plan, shared_mixture):
    """The target's own run."""
    return truth(run_plan, make_grid_plan, shared_mixture, TARGET)


@each_case
def test_the_same_prompt_gives_the_same_image_with_any_budget(
    mixture, run_plan, make_grid_plan, cached, full, case: str
) -> None:
    sources = (full.trajectory, *cached(case))[: CASES[case][1]]
    for budget in BUDGETS:
        run = run_plan(mixture, case_plan(make_grid_plan, mixture, case, budget), TARGET, sources)
        assert torch.equal(run.latents, full.latents), budget
        assert run.cost.nfe <= budget if CASES[case][0] in PLANNING else run.cost.nfe == budget


def test_the_basis_finds_the_same_prompt_wherever_it_stands_among_the_sources(
    mixture, run_plan, make_grid_plan, cached, full
) -> None:
    near, far, _ = cached("basis-3")
    for sources in ((near, full.trajectory, far), (near, far, full.trajectory)):
        run = run_plan(mixture, case_plan(make_grid_plan, mixture, "basis-3", 3), TARGET, sources)
        assert torch.equal(run.latents, full.latents)


@each_case
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_full_budget_is_the_baseline_bit_for_bit(
    mixture, run_plan, make_grid_plan, cached, case: str, guidance: float
) -> None:
    """The sources are of another guidance or not: what is cached must not leak into a fully computed run."""
    full = truth(run_plan, make_grid_plan, mixture, TARGET, guidance=guidance)
    plan = case_plan(make_grid_plan, mixture, case, STEPS)
    run = run_plan(mixture, plan, TARGET, cached(case), guidance=guidance)
    assert torch.equal(run.latents, full.latents)
    assert torch.equal(run.trajectory.velocities, full.trajectory.velocities)
    assert run.trajectory.is_true
    assert run.cost == full.cost


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def network(request, make_pipeline, adapt, run_plan, make_grid_plan):
    """A real network with its dtype, and its true runs of 3 steps."""
    model = adapt(make_pipeline(dtype=request.param))
    runs = {
        prompt: truth(run_plan, make_grid_plan, model, prompt, 3, seed=2, guidance=3.0) for prompt in (TARGET, *OTHERS)
    }
    return model, request.param, runs


@each_case
def test_on_a_real_network_same_prompt_and_full_budget_are_exact(network, run_plan, make_grid_plan, case: str) -> None:
    (model, dtype, runs), steps, asked = network, 3, {"seed": 2, "guidance": 3.0}
    others, full = [runs[prompt].trajectory for prompt in OTHERS[: CASES[case][1]]], runs[TARGET]
    assert not torch.equal(full.trajectory.velocities, others[0].velocities)
    same = run_plan(
        model,
        case_plan(make_grid_plan, model, case, 2, steps),
        TARGET,
        (full.trajectory, *others)[: CASES[case][1]],
        **asked,
    )
    assert torch.equal(same.latents, full.latents)
    whole = run_plan(model, case_plan(make_grid_plan, model, case, steps, steps), TARGET, tuple(others), **asked)
    assert torch.equal(whole.latents, full.latents)
    partial = run_plan(model, case_plan(make_grid_plan, model, case, 2, steps), TARGET, tuple(others), **asked)
    assert partial.trajectory.velocities.dtype == partial.latents.dtype == dtype
    assert torch.equal(list(recompute_path(partial.trajectory))[-1], partial.latents)


@each_case
def test_what_is_spent_coasted_and_recorded_is_what_was_planned(
    mixture, run_plan, make_grid_plan, cached, case: str
) -> None:
    for budget in BUDGETS:
        _check_spending(mixture, run_plan, make_grid_plan, cached(case), case, budget)


def _check_spending(mixture, run_plan, make_grid_plan, sources, case: str, budget: int) -> None:
    plan = case_plan(make_grid_plan, mixture, case, budget)
    run = run_plan(mixture, plan, TARGET, sources)
    kinds, velocities = run.trajectory.kinds, run.trajectory.velocities
    computed = [k for k, kind in enumerate(kinds) if kind == "computed"]
    assert run.cost.nfe == run.cost.rows <= budget == plan.budget
    assert kinds.count("computed") + kinds.count("coasted") + kinds.count("cached") == STEPS
    if CASES[case][0] in PLANNING:
        assert 1 <= len(computed) <= run.cost.nfe
        assert computed[0] == 0
    else:
        assert run.cost.nfe == budget
        assert computed == list(plan.nodes)
    assert len(kinds) == len(velocities) == len(run.steps) == STEPS
    assert [step.kind for step in run.steps] == list(kinds)
    assert run.steps[-1].nfe == run.cost.nfe
    assert torch.isfinite(velocities).all()
    assert torch.isfinite(run.latents).all()


@each_case
def test_the_latents_are_recomputed_from_the_recorded_velocities_bit_for_bit(
    mixture, run_plan, make_grid_plan, cached, case: str
) -> None:
    run = run_plan(mixture, case_plan(make_grid_plan, mixture, case, 4), TARGET, cached(case))
    noise, *path = recompute_path(run.trajectory)
    assert torch.equal(noise, mixture.noise(0, tuple(noise.shape)))
    assert all(torch.equal(x, step.latents) for x, step in zip(path, run.steps, strict=True))


@each_case
def test_a_run_is_decided_by_its_seed(mixture, run_plan, make_grid_plan, case: str) -> None:
    def run(seed: int) -> torch.Tensor:
        sources = tuple(
            truth(run_plan, make_grid_plan, mixture, prompt, seed=seed).trajectory
            for prompt in OTHERS[: CASES[case][1]]
        )
        return run_plan(mixture, case_plan(make_grid_plan, mixture, case, 4), TARGET, sources, seed=seed).latents

    torch.manual_seed(0)
    first = run(1)
    torch.manual_seed(99)
    assert torch.equal(run(1), first)
    assert not torch.allclose(run(2), first)


@each_case
def test_the_sources_are_untouched(mixture, run_plan, make_grid_plan, cached, case: str) -> None:
    sources = cached(case)
    before = [(source.noise.clone(), source.velocities.clone(), source.schedule.sigmas.clone()) for source in sources]
    for budget in (3, STEPS):
        run_plan(mixture, case_plan(make_grid_plan, mixture, case, budget), TARGET, sources)
    for source, (noise, velocities, sigmas) in zip(sources, before, strict=True):
        assert torch.equal(source.noise, noise)
        assert torch.equal(source.velocities, velocities)
        assert torch.equal(source.schedule.sigmas, sigmas)


@each_case
def test_two_runs_at_once_do_not_disturb_each_other(mixture, run_plan, make_grid_plan, cached, case: str) -> None:
    """A transition object is shared by all sessions: its state is in what it returns."""
    from trajflow.field import Field
    from trajflow.sampler import sample

    plan, sources = case_plan(make_grid_plan, mixture, case, 4), cached(case)
    alone = run_plan(mixture, plan, TARGET, sources).latents
    shape = tuple(alone.shape)

    def stream(prompt: str, seed: int):
        field = Field(mixture, mixture.encode(prompt, "", 1.0), plan.schedule, mixture.noise(seed, shape), plan.budget)
        return sample(METHODS[plan.method].transition, sources, plan, field, prompt)

    *_, (last, _) = zip(stream(TARGET, 0), stream("red cabin", 0), strict=True)
    assert torch.equal(last.latents, alone)


def latent_errors(run_plan, make_grid_plan, model, case: str, budgets: tuple[int, ...], seed: int, **options):
    """Relative distance of the final latents to the 56-step baseline's, by budget, nodes evenly spaced."""
    method, count = CASES[case]
    sources = tuple(
        truth(run_plan, make_grid_plan, model, prompt, 56, seed=seed).trajectory for prompt in OTHERS[:count]
    )
    full = truth(run_plan, make_grid_plan, model, TARGET, 56, seed=seed).latents
    errors = []
    for budget in budgets:
        plan = make_grid_plan(model, 56, method, nodes=even_nodes(56, budget), **options)
        run = run_plan(model, plan, TARGET, sources, seed=seed)
        errors.append(((run.latents - full).norm() / full.norm()).item())
    return errors


def slope(budgets: tuple[int, ...], errors: list[float]) -> float:
    """Least-squares slope of log error over log budget."""
    x = torch.tensor([math.log(budget) for budget in budgets])
    y = torch.tensor([math.log(error) for error in errors])
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


@pytest.mark.parametrize("case", ["basis-1", "basis-3", "shooting-1", "multiple-shooting-1", "mpc-1", "shooting-mpc-1"])
@pytest.mark.parametrize("followed", [0.0, 0.5])
def test_the_error_falls_at_least_like_one_over_the_budget(
    mixture, run_plan, make_grid_plan, case: str, followed: float
) -> None:
    """Holding a smooth D is a first-order quadrature, so the error against the exact 56-step run is O(1 / budget)."""
    budgets = (4, 7, 14, 28)
    errors = latent_errors(run_plan, make_grid_plan, mixture, case, budgets, 0, slope=followed)
    assert errors == sorted(errors, reverse=True)
    assert slope(budgets, errors) < -1.0, errors


@pytest.mark.parametrize("case", ["basis-1", "basis-3"])
def test_corrected_gaps_make_the_error_fall_like_one_over_the_budget_squared(
    mixture, run_plan, make_grid_plan, case: str
) -> None:
    """Predict, evaluate, correct: a second-order quadrature, up to the last gap, which has no end to correct it by."""
    budgets = (7, 14, 28)
    corrected = latent_errors(run_plan, make_grid_plan, mixture, case, budgets, 0, correction=1.0)
    assert slope(budgets, corrected) < -2.0, corrected
    assert slope(budgets, latent_errors(run_plan, make_grid_plan, mixture, case, budgets, 0)) > -1.6


@pytest.mark.parametrize("seed", [0, 1])
def test_following_the_slope_beats_holding_when_nodes_are_many(mixture, run_plan, make_grid_plan, seed: int) -> None:
    [held], [followed] = (
        latent_errors(run_plan, make_grid_plan, mixture, "basis-1", (28,), seed, slope=share) for share in (0.0, 0.5)
    )
    assert followed < 0.9 * held


@pytest.mark.parametrize("seed", [0, 1])
def test_with_the_affine_combination_among_the_sources_the_basis_beats_the_difference(
    mixture, run_plan, make_grid_plan, seed: int
) -> None:
    budgets = (4, 7)
    alone = latent_errors(run_plan, make_grid_plan, mixture, "basis-1", budgets, seed)
    mixed = latent_errors(run_plan, make_grid_plan, mixture, "basis-3", budgets, seed)
    assert all(b < a / 2 for a, b in zip(alone, mixed, strict=True)), (alone, mixed)


@pytest.mark.parametrize("case", ["basis-1", "shooting-1", "multiple-shooting-1", "mpc-1", "shooting-mpc-1"])
def test_a_mixture_moved_as_a_whole_is_carried_exactly_by_one_evaluation(
    mixture, run_plan, make_grid_plan, cached, case: str
) -> None:
    """x^B = x^A + (1 - sigma) shift, so D is constant: the transport has no error but rounding."""
    prompt = f"{OTHERS[0]} SHIFTED"
    full = truth(run_plan, make_grid_plan, mixture, prompt)
    assert (full.latents - truth(run_plan, make_grid_plan, mixture, OTHERS[0]).latents).norm() > 0.5
    run = run_plan(mixture, case_plan(make_grid_plan, mixture, case, 1), prompt, cached(case))
    assert (run.latents - full.latents).norm() < 1e-5 * full.latents.norm()
