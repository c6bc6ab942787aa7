import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from trajflow.base import Schedule, Trajectory
from trajflow.field import angle_degrees, clean_estimate, euler_step, even_nodes, latents_at, recompute_path

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def walk(dtype: torch.dtype, steps: int = 9) -> tuple[Schedule, torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """The stock scheduler's path through random velocities: grid, noise, velocities, x_1..x_N."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(5)
    noise, *velocities = torch.randn(steps + 1, 1, 4, 6, 6, generator=generator).to(dtype)
    x, path = noise, []
    for timestep, velocity in zip(scheduler.timesteps, velocities, strict=True):
        x = scheduler.step(velocity, timestep, x, return_dict=False)[0]
        path.append(x)
    return Schedule(scheduler.sigmas, scheduler.timesteps), noise, torch.stack(velocities), path


@pytest.mark.parametrize("dtype", DTYPES)
def test_euler_step_is_the_schedulers_step_bit_for_bit(dtype: torch.dtype) -> None:
    schedule, x, velocities, path = walk(dtype)
    for k, expected in enumerate(path):
        x = euler_step(x, velocities[k], schedule.sigmas[k], schedule.sigmas[k + 1])
        assert x.dtype == dtype
        assert torch.equal(x, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_path_is_recomputed_from_noise_and_velocities_bit_for_bit(dtype: torch.dtype) -> None:
    schedule, noise, velocities, path = walk(dtype)
    trajectory = Trajectory("a prompt", schedule, noise, velocities, ("computed",) * schedule.steps)
    recomputed = list(recompute_path(trajectory))
    assert len(recomputed) == schedule.steps + 1
    assert all(torch.equal(a, b) for a, b in zip(recomputed, [noise, *path], strict=True))
    for k in (0, 1, 5, schedule.steps):
        assert torch.equal(latents_at(trajectory, k), [noise, *path][k])
        assert len(list(recompute_path(trajectory, k))) == k + 1


def test_the_clean_estimate_of_a_straight_path_is_its_end() -> None:
    noise, image = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor(0.7)
    x = (1 - sigma) * image + sigma * noise
    torch.testing.assert_close(clean_estimate(x, noise - image, sigma), image)


@pytest.mark.parametrize("steps", [1, 2, 7, 28, 50])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 28])
def test_even_nodes_are_distinct_begin_at_the_start_and_spread(steps: int, count: int) -> None:
    for start in {0, steps // 2}:
        nodes = even_nodes(steps, count, start)
        assert len(nodes) == len(set(nodes)) == min(count, steps - start)
        assert nodes[0] == start
        assert nodes[-1] < steps
        gaps = torch.tensor([*nodes, steps]).diff()
        assert gaps.max() - gaps.min() <= 1


def test_even_nodes_of_every_step_is_every_step() -> None:
    assert even_nodes(28, 28) == tuple(range(28))
    assert even_nodes(28, 7) == (0, 4, 8, 12, 16, 20, 24)


@pytest.mark.parametrize(
    ("other", "degrees"),
    [((1.0, 0.0), 0.0), ((1.0, 1.0), 45.0), ((0.0, 2.0), 90.0), ((-1.0, math.sqrt(3)), 120.0), ((-3.0, 0.0), 180.0)],
)
def test_known_angles(other, degrees):
    assert angle_degrees(torch.tensor([1.0, 0.0]), torch.tensor(other)) == pytest.approx(degrees, abs=1e-5)


def test_a_small_angle_is_not_lost_in_float32():
    tilt = 1e-4
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(tilt), math.sin(tilt)])
    assert angle_degrees(a, b) == pytest.approx(math.degrees(tilt), rel=1e-3)


def test_equal_tensors_give_exactly_zero():
    v = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert angle_degrees(v, v.clone()) == 0.0
    assert angle_degrees(torch.zeros(4), torch.zeros(4)) == 0.0


def test_length_and_shape_of_the_field_do_not_matter():
    v = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert angle_degrees(v, 7 * v) == pytest.approx(0.0, abs=1e-4)
    assert angle_degrees(v, -v) == pytest.approx(180.0, abs=1e-4)


def test_a_zero_vector_stands_at_ninety_degrees():
    assert angle_degrees(torch.zeros(3), torch.ones(3)) == 90.0


def test_dtypes_may_differ():
    v = torch.tensor([1.0, 2.0, 4.0])
    assert angle_degrees(v.bfloat16(), v) == 0.0
