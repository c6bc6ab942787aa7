import pytest
import torch

from trajflow.transitions import kalman
from trajflow.transitions.kalman import kalman_gain

STEPS, START = 12, 6
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"


def test_the_gain_weighs_by_inverse_variance() -> None:
    assert kalman_gain(3.0, 1.0) == 0.75
    assert kalman_gain(1.0, 0.0) == 1.0
    assert kalman_gain(0.0, 1.0) == 0.0
    assert kalman_gain(0.0, 0.0) == 1.0


@pytest.fixture
def run_switch(mixture, run_plan, make_grid_plan):
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    return lambda transition: run_plan(
        mixture, make_grid_plan(mixture, STEPS, transition, start=START), TARGET, (source,)
    )


def test_without_measurement_noise_it_is_the_direct_switch(run_switch, monkeypatch) -> None:
    monkeypatch.setattr(kalman, "NOISE", 0.0)
    torch.testing.assert_close(run_switch("kalman").latents, run_switch("resume").latents)


def test_with_a_measurement_that_is_not_trusted_it_stays_on_the_cached_path(
    mixture, run_plan, make_grid_plan, run_switch, monkeypatch
) -> None:
    cached = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory.velocities
    assert not torch.allclose(run_switch("resume").trajectory.velocities, cached, atol=1e-2)
    monkeypatch.setattr(kalman, "NOISE", 1e12)
    torch.testing.assert_close(run_switch("kalman").trajectory.velocities, cached)


def test_the_first_fused_velocity_is_the_filter_worked_by_hand(mixture, run_plan, make_grid_plan, run_switch) -> None:
    cached = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory.velocities
    new = run_switch("resume").trajectory.velocities[START]
    difference = new - cached[START]
    process = float((cached[START] - cached[START - 1]).square().mean())
    noise = kalman.NOISE * float(difference.square().mean())
    expected = cached[START] + process / (process + noise) * difference
    torch.testing.assert_close(run_switch("kalman").trajectory.velocities[START], expected)
