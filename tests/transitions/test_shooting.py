from collections.abc import Callable
from dataclasses import replace

import pytest

from trajflow.field import Field, even_nodes
from trajflow.transitions import shooting
from trajflow.transitions.prediction import Prediction
from trajflow.transitions.shooting import Shot, shoot

STEPS, END = 28, 8
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"


@pytest.fixture
def try_gap(mixture, run_plan, make_grid_plan) -> Callable[..., tuple[Shot, Field]]:
    """The first gap of a run, shot with so many spare evaluations."""

    def shot(spare: int, end: int = END, target: str = TARGET) -> tuple[Shot, Field]:
        plan = make_grid_plan(mixture, STEPS)
        sources = (run_plan(mixture, plan, SOURCE).trajectory,)
        noise = mixture.noise(0, mixture.latent_shape(8, 8))
        field = Field(mixture, mixture.encode(target, "", 1.0), plan.schedule, noise, STEPS)
        prediction = Prediction.of(sources).learn(0, field.evaluate(noise, 0))
        return shoot(prediction, field, sources, noise, None, end, spare), field

    return shot


def inconsistency(shot: Shot, mixture) -> float:
    """|v - v^| at the end of the planned path, asked of the closed form and not of the shot."""
    prediction = shot.prediction
    fresh = mixture.velocity(shot.rollout.end, prediction.sigmas[END], TARGET)
    return float((fresh - prediction.mixture(END) - shot.theta).norm() / fresh.norm())


def test_iterations_drive_the_terminal_velocity_to_consistency(try_gap, mixture, monkeypatch) -> None:
    for name in ("TOLERANCE", "WORTH_TRYING_AGAIN", "SMOOTHNESS", "MANIFOLD"):
        monkeypatch.setattr(shooting, name, 0.0)
    errors = [inconsistency(try_gap(spare)[0], mixture) for spare in (0, 1, 2)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < 0.5 * errors[1]


@pytest.mark.parametrize("spare", [0, 1, 5])
def test_every_rollout_is_counted_and_none_exceeds_what_may_be_spent(try_gap, spare: int) -> None:
    shot, field = try_gap(spare)
    assert field.nfe == 1 + shot.iterations
    assert 1 <= shot.iterations <= min(1 + spare, shooting.MOST_ITERATIONS)


def test_a_second_look_leaves_a_secant(try_gap, monkeypatch) -> None:
    monkeypatch.setattr(shooting, "WORTH_TRYING_AGAIN", 0.0)
    assert not try_gap(0)[0].prediction.jacobian.secants
    assert try_gap(1)[0].prediction.jacobian.secants


def test_the_same_prompt_stops_at_once_with_nothing_to_correct(try_gap) -> None:
    shot, field = try_gap(5, target=SOURCE)
    assert shot.displacement is None
    assert shot.iterations == 1
    assert not shot.theta.any()
    assert field.nfe == 2


def test_the_terms_hold_the_path_back(try_gap, monkeypatch) -> None:
    """Smoothness draws theta to its warm start, the manifold term the end of the path to the cached one."""
    monkeypatch.setattr(shooting, "SMOOTHNESS", 0.0)
    monkeypatch.setattr(shooting, "MANIFOLD", 0.0)
    free = try_gap(0)[0]
    start = free.prediction.paid[0][1].float() - free.prediction.cached[0, 0]
    monkeypatch.setattr(shooting, "SMOOTHNESS", 10.0)
    smooth = try_gap(0)[0]
    assert (smooth.theta - start).norm() < 0.3 * (free.theta - start).norm()
    monkeypatch.setattr(shooting, "SMOOTHNESS", 0.0)
    monkeypatch.setattr(shooting, "MANIFOLD", 10.0)
    held = try_gap(0)[0]
    sigmas, x = free.prediction.sigmas, free.rollout.end * 0
    cached = sum((sigmas[k + 1] - sigmas[k]) * free.prediction.cached[0, k] for k in range(END))
    noise_end = free.rollout.end - sum(
        (sigmas[k + 1] - sigmas[k]) * velocity for k, velocity in enumerate(free.rollout.velocities)
    )
    path = noise_end + cached + x
    assert (held.rollout.end - path).norm() < (free.rollout.end - path).norm()


def test_a_budget_beyond_the_nodes_pays_for_iterations(mixture, run_plan, make_grid_plan, monkeypatch) -> None:
    monkeypatch.setattr(shooting, "WORTH_TRYING_AGAIN", 1e-3)
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    plan = make_grid_plan(mixture, STEPS, "shooting", nodes=even_nodes(STEPS, 4))
    assert run_plan(mixture, plan, TARGET, (source,)).cost.nfe == 4
    assert 4 < run_plan(mixture, replace(plan, budget=8), TARGET, (source,)).cost.nfe <= 8
