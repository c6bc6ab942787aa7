import pytest
import torch

from trajflow.field import Field, recompute_path
from trajflow.transitions.prediction import DAMPING, Prediction, displaced, roll

STEPS = 8


@pytest.fixture
def field(mixture, make_grid_plan) -> Field:
    schedule = make_grid_plan(mixture, STEPS).schedule
    shape = mixture.latent_shape(8, 8)
    return Field(mixture, mixture.encode("snowy mountain", "", 1.0), schedule, mixture.noise(0, shape), STEPS)


@pytest.fixture
def source(run_plan, make_grid_plan, mixture):
    return run_plan(mixture, make_grid_plan(mixture, STEPS), "mountain").trajectory


def test_carried_velocities_lie_on_the_damped_line_through_the_last_two_differences(field, source) -> None:
    flat = torch.ones_like(source.noise)
    prediction = Prediction.of((source,))
    sigmas = source.schedule.sigmas
    for k in (1, 3):
        prediction = prediction.learn(k, source.velocities[k] + sigmas[k] * flat)
    for k in (3, 5, 7):
        expected = source.velocities[k] + (sigmas[3] + DAMPING * (sigmas[k] - sigmas[3])) * flat
        torch.testing.assert_close(prediction.velocity(k), expected)


def test_a_bridge_meets_both_its_ends_and_is_straight_in_sigma(field, source) -> None:
    flat = torch.ones_like(source.noise)
    prediction = Prediction.of((source,)).learn(2, source.velocities[2] + 3 * flat)
    sigmas = source.schedule.sigmas
    for k in (2, 4, 6):
        share = (sigmas[k] - sigmas[2]) / (sigmas[6] - sigmas[2])
        torch.testing.assert_close(prediction.velocity(k, 6, -flat), source.velocities[k] + (3 - 4 * share) * flat)


def test_a_second_payment_at_a_step_replaces_the_first(source) -> None:
    prediction = Prediction.of((source,)).learn(0, source.velocities[0] + 1).learn(0, source.velocities[0] + 2)
    assert len(prediction.paid) == 1
    torch.testing.assert_close(prediction.difference(0), torch.full_like(source.noise, 2.0))


def test_rolling_out_the_sources_own_velocities_is_its_path_bit_for_bit(field, source) -> None:
    prediction = Prediction.of((source,)).learn(0, source.velocities[0])
    path = roll(prediction, field, field.noise, None, STEPS)
    assert torch.equal(path.end, list(recompute_path(source))[-1])
    assert path.displacement is None
    assert field.nfe == 0


def test_a_displaced_path_draws_near_the_one_evaluated(field, source) -> None:
    prediction = Prediction.of((source,)).learn(0, source.velocities[0])
    straight = roll(prediction, field, field.noise, None, 5).end
    aside = 0.1 * torch.ones_like(straight)
    path = roll(prediction, field, field.noise + aside, aside, 5)
    assert path.displacement is not None
    torch.testing.assert_close(path.end - straight, path.displacement, atol=1e-5, rtol=1e-4)
    assert float(path.displacement.norm()) < float(aside.norm())


def test_equal_states_are_not_displaced() -> None:
    x = torch.ones(3)
    assert displaced(x, x.clone()) is None
    assert torch.equal(displaced(x + 1, x), x)
