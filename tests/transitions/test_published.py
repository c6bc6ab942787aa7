"""The published system: where it leaves the cached path, how it fades, what the control does, and what it says."""

import math

import pytest
import torch

import trajflow
from trajflow.field import Field, euler_step, recompute_path
from trajflow.transitions.horizon import CONTROL_HORIZON, PREDICTION_HORIZON
from trajflow.transitions.published import Published

STEPS, START = 28, 15
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"
# Two ways to say the same, 0.948 apart, and the pair of the published figures, 0.746.
NEAR = ("a beautiful mountain landscape", "mountain landscape that is beautiful")
SUNSET = ("A beautiful mountain landscape", "A mountain landscape at sunset")


@pytest.fixture
def source(mixture, run_plan, make_grid_plan):
    return run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory


@pytest.fixture
def switched(mixture, make_grid_plan, source):
    """The states of a run that is resumed at START with every step evaluated, as [(k, x, state after step k)]."""
    plan = make_grid_plan(mixture, STEPS, "published", start=START, similarity=0.93)
    noise = mixture.noise(0, mixture.latent_shape(8, 8))
    field = Field(mixture, mixture.encode(TARGET, "", 1.0), plan.schedule, noise, plan.budget)
    state, _, x = Published().begin((source,), plan, field)
    states = []
    for k in range(STEPS):
        velocity, _, state = Published().velocity(k, x, state, field)
        states.append((k, x, state, velocity))
        x = euler_step(x, velocity, plan.schedule.sigmas[k], plan.schedule.sigmas[k + 1])
    return states


@pytest.mark.parametrize(
    ("similarity", "shares"),
    [
        (0.96, (0.00669, 0.15887, 0.84113, 0.99331)),
        (0.93, (0.00669, 0.04743, 0.26894, 0.73106, 0.95257, 0.99331)),
        (0.80, (0.00669, 0.02298, 0.07586, 0.22270, 0.5, 0.77730, 0.92414, 0.97702, 0.99331)),
    ],
)
def test_the_new_velocity_fades_in_from_the_switch_as_published(
    mixture, make_grid_plan, source, similarity: float, shares: tuple[float, ...]
) -> None:
    """By hand: 1 / (1 + e^5) at the switch, 1 / (1 + e^-5) after 3, 5 or 8 steps."""
    plan = make_grid_plan(mixture, STEPS, "published", start=START, similarity=similarity)
    noise = mixture.noise(0, mixture.latent_shape(8, 8))
    field = Field(mixture, mixture.encode(TARGET, "", 1.0), plan.schedule, noise, plan.budget)
    state, _, _ = Published().begin((source,), plan, field)
    assert [state.mpc.alpha(START + i) for i in range(len(shares))] == pytest.approx(shares, abs=1e-5)


def test_the_cached_path_is_followed_up_to_the_switch_and_left_there(switched, source) -> None:
    path = list(recompute_path(source))
    for k, x, _, velocity in switched[:START]:
        assert torch.equal(x, path[k])
        assert torch.equal(velocity, source.velocities[k])
    assert torch.equal(switched[START][1], path[START])
    assert not torch.equal(switched[START][3], source.velocities[START])


def test_the_first_step_is_the_blend_and_a_control_against_its_lag(switched, source) -> None:
    k, _, state, velocity = switched[START]
    fresh, old = state.mpc.prediction.paid[-1][1], source.velocities[k]
    change = fresh - old
    taken = float(((velocity - old) * change).sum() / change.square().sum())
    alpha = 1 / (1 + math.exp(5))
    assert 0.5 < taken < 2, "the control makes up for what the fade leaves out, and for some of what is to come"
    assert alpha < 0.01
    assert (velocity - old - taken * change).norm() < 1e-4 * change.norm(), "there is no other direction to go in yet"
    assert len(state.mpc.control) == CONTROL_HORIZON == 2
    assert PREDICTION_HORIZON == 5


def test_the_control_brings_the_run_to_the_path_without_a_fade(mixture, run_plan, make_grid_plan, source) -> None:
    ended = {
        method: run_plan(mixture, make_grid_plan(mixture, STEPS, method, start=START), TARGET, (source,)).latents
        for method in ("published", "blend", "resume")
    }
    lag = {name: float((latents - ended["resume"]).norm()) for name, latents in ended.items()}
    assert 0 < lag["published"] < 0.5 * lag["blend"]


def test_with_a_budget_the_rest_is_coasted_under_control(mixture, run_plan, make_grid_plan, source) -> None:
    plan = make_grid_plan(mixture, STEPS, "published", start=START, nodes=(15, 18, 23))
    run = run_plan(mixture, plan, TARGET, (source,))
    assert run.cost.nfe == 3
    kinds = run.trajectory.kinds
    assert kinds[:START] == ("cached",) * START
    assert [k for k, kind in enumerate(kinds) if kind == "computed"] == [15, 18, 23]
    assert kinds.count("coasted") == STEPS - START - 3
    assert torch.isfinite(run.latents).all()


def test_with_a_budget_the_same_prompt_stays_the_same_bits(mixture, run_plan, make_grid_plan, source) -> None:
    plan = make_grid_plan(mixture, STEPS, "published", start=START, nodes=(15, 18, 23))
    run = run_plan(mixture, plan, SOURCE, (source,))
    assert torch.equal(run.latents, list(recompute_path(source))[-1])


# Asked for in a session


@pytest.mark.parametrize(
    ("tiers", "start"),
    [("conservative", 11), ("published", 15), ("aggressive", 19), ({0.9: 0.5}, 10), ({0.96: 0.5}, 0)],
)
def test_the_tier_table_decides_where_the_cached_path_is_left(mixture, tiers, start: int) -> None:
    """A similarity of 0.948, 20 steps: 55, 75 and 95 % of them by the three tables."""
    session = trajflow.Session(mixture, tiers=tiers)
    session.generate(NEAR[0], steps=20)
    result = session.generate(NEAR[1], steps=20, strategy="published")
    assert (result.plan.sampling.start_step, result.cost.nfe) == (start, 20 - start)
    assert "(similarity 0.95)" in result.plan.reason
    assert (f"its first {start} steps are taken" if start else "nothing is resumed") in result.plan.reason


def test_a_budget_is_the_most_that_is_evaluated_after_the_tiers_switch(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate(NEAR[0], steps=20)
    for budget, spent in ((1, 1), (3, 3), (5, 5), (9, 5)):
        result = session.generate(NEAR[1], steps=20, strategy="published", budget=budget)
        assert (result.plan.sampling.start_step, result.cost.nfe) == (15, spent)
        assert (f"{spent} of the other 5" if spent < 5 else "the other 5") in result.plan.reason
        assert "close" in result.plan.reason
        assert "MPC fades to the new prompt over 5 steps" in result.plan.reason


def test_the_published_pair_resumes_nothing_under_the_published_table_and_says_so(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate(SUNSET[0])
    result = session.generate(SUNSET[1], strategy="published", compare=True)
    assert result.plan.match.similarity == pytest.approx(0.746, abs=0.005)
    assert (result.plan.sampling.start_step, result.cost.nfe) == (0, 8)
    assert result.metrics.identical
    for words in ("distant (similarity 0.75)", "nothing is resumed", "MPC has nothing to blend", "all 8 are computed"):
        assert words in result.plan.reason
