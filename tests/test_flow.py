import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from trajflow.base import Schedule, Trajectory
from trajflow.flow import clean_estimate, euler_step, even_nodes, latents_at, recompute_path

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
