import math

import pytest
import torch
from torch import Tensor

from trajflow.base import Schedule, Trajectory
from trajflow.metrics.path import manifold_distance, path_diagnostics, relative_distance, sensitivity, smoothness

STEPS = 6
SHAPE = (1, 2, 3, 3)
GRID = Schedule(torch.linspace(1, 0, STEPS + 1), torch.linspace(1000, 100, STEPS))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def run(velocities: Tensor, kinds: tuple = ("computed",) * STEPS) -> Trajectory:
    return Trajectory("a prompt", GRID, noise(*SHAPE), velocities, kinds)


def test_a_path_of_constant_velocity_is_smooth_and_a_parabola_has_its_curvature() -> None:
    k = torch.arange(STEPS).view(-1, 1, 1, 1, 1)
    direction = noise(*SHAPE, seed=1)
    assert smoothness((3 + 2 * k) * direction) == pytest.approx(0, abs=1e-10)
    assert smoothness(k**2 * direction) == pytest.approx(4 * float(direction.square().mean()), rel=1e-5)
    assert smoothness(noise(2, *SHAPE)) == 0


def test_the_distance_to_an_affine_span_is_the_length_of_the_orthogonal_part() -> None:
    axes = torch.eye(5)
    points = torch.stack([axes[0], axes[0] + 2 * axes[1], axes[0] - axes[2]])
    x = axes[0] + 7 * axes[1] - 2 * axes[2] + 3 * axes[3] - 4 * axes[4]
    assert manifold_distance(x, points) == pytest.approx(5 / float(x.norm()))
    assert manifold_distance(x, points[:1]) == pytest.approx(float((x - axes[0]).norm() / x.norm()))
    assert manifold_distance(x, torch.cat([points, points])) == pytest.approx(5 / float(x.norm()))
    assert manifold_distance(points[1], points) == pytest.approx(0, abs=1e-12)


def test_sensitivity_is_the_growth_of_the_first_departure() -> None:
    other = noise(5, 4)
    assert sensitivity(other, other) == 1
    apart = torch.tensor([0.0, 0.0, 1.0, 2.0, 6.0]).view(-1, 1) * torch.tensor([[3.0, 0, 4.0, 0]])
    assert sensitivity(other + apart, other) == pytest.approx(6, rel=1e-5)


def test_against_the_baseline_the_errors_are_relative_distances_of_the_paths() -> None:
    source, baseline = run(noise(STEPS, *SHAPE, seed=1)), run(noise(STEPS, *SHAPE, seed=2))
    shift = torch.zeros(STEPS, *SHAPE)
    shift[2] = 1.5
    kinds = ("cached", "computed", *["coasted"] * (STEPS - 2))
    found = path_diagnostics(run(baseline.velocities + shift, kinds), (source,), baseline)
    # One velocity off by 1.5 in every number moves every later x by 1.5 / N in every number.
    path, moved = baseline.noise.clone(), []
    for k in range(STEPS):
        path = path - baseline.velocities[k] / STEPS
        moved.append(path)
    length = math.sqrt(sum(float(x.square().sum()) for x in moved))
    offset = 1.5 / STEPS * math.sqrt(baseline.noise.numel())
    assert found["trajectory_error"] == pytest.approx(2 * offset / length, rel=1e-4)
    assert found["terminal_error"] == pytest.approx(offset / float(moved[-1].norm()), rel=1e-4)
    assert found["switch_step"] == 1
    angle = math.degrees(
        math.acos(torch.cosine_similarity(source.velocities[1].flatten(), baseline.velocities[1].flatten(), dim=0))
    )
    assert found["switch_angle"] == pytest.approx(angle, abs=1e-3)
    assert set(found) == {
        *("trajectory_error", "terminal_error", "smoothness", "manifold_final", "manifold_mean"),
        *("sensitivity", "switch_angle", "switch_step"),
    }


def test_the_baseline_itself_has_no_error_and_a_mixture_of_the_sources_stays_on_their_manifold() -> None:
    sources = [run(noise(STEPS, *SHAPE, seed=seed)) for seed in range(3)]
    same = path_diagnostics(sources[0], sources, sources[0])
    assert same["trajectory_error"] == same["terminal_error"] == same["manifold_final"] == same["switch_angle"] == 0
    assert same["sensitivity"] == 1
    weights = torch.tensor([0.5, 0.8, -0.3]).view(-1, 1, 1, 1, 1, 1)
    mixed = run((weights * torch.stack([source.velocities for source in sources])).sum(dim=0))
    found = path_diagnostics(mixed, sources)
    assert found["manifold_mean"] < 1e-6
    assert found["terminal_error_to_source"] == pytest.approx(
        relative_distance(_end(mixed), _end(sources[0])), rel=1e-4
    )


def test_what_is_not_known_is_left_out() -> None:
    assert set(path_diagnostics(run(noise(STEPS, *SHAPE)))) == {"smoothness"}
    coasted = run(noise(STEPS, *SHAPE), ("cached",) * STEPS)
    found = path_diagnostics(coasted, (run(noise(STEPS, *SHAPE, seed=3)),))
    assert "switch_angle" not in found
    assert "trajectory_error" not in found
    assert "trajectory_error_to_source" in found


def _end(trajectory: Trajectory) -> Tensor:
    x = trajectory.noise
    for velocity in trajectory.velocities:
        x = x - velocity / STEPS
    return x
