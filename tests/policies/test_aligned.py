import pytest
import torch

from trajflow.base import Schedule
from trajflow.policies.aligned import Aligned, align, logits_of

MASK = (0, 3, 4, 8)


@pytest.fixture
def schedule() -> Schedule:
    even = torch.linspace(1, 0.1, 10, dtype=torch.float64)
    sigmas = torch.cat([3 * even / (1 + 2 * even), torch.zeros(1)]).float()
    return Schedule(sigmas, sigmas[:-1] * 1000)


def test_the_grids_own_logits_leave_it_as_it_is(schedule: Schedule) -> None:
    moved = align(schedule, MASK, logits_of(schedule.sigmas, MASK))
    assert torch.allclose(moved.sigmas, schedule.sigmas, atol=1e-6)
    assert torch.allclose(moved.timesteps, schedule.timesteps, atol=1e-3)


def test_computed_steps_go_where_the_logits_say_and_the_others_keep_their_place(schedule: Schedule) -> None:
    logits = torch.tensor([0.3, -0.2, 0.8, 0.1, 0.0], dtype=torch.float64)
    moved = align(schedule, MASK, logits).sigmas
    shares = logits.exp()
    ends = torch.tensor([shares[i:].sum() for i in range(5)])
    ends = (ends - ends[-1]) / (ends[0] - ends[-1]) * schedule.sigmas[0]
    assert torch.allclose(moved[[*MASK, 10]], ends.float(), atol=1e-6)
    before = (schedule.sigmas[1] - schedule.sigmas[0]) / (schedule.sigmas[3] - schedule.sigmas[0])
    assert torch.isclose((moved[1] - moved[0]) / (moved[3] - moved[0]), before, atol=1e-5)
    assert (moved.diff() < 0).all()


def test_a_policy_runs_on_its_own_grid_and_tells_the_network_its_sigmas(schedule: Schedule) -> None:
    moved = Aligned(MASK, (0.0,) * 5, "stack").grid(schedule)
    assert torch.allclose(moved.timesteps, moved.sigmas[:-1] * 1000, rtol=1e-4)
    assert (moved.sigmas[0], moved.sigmas[-1]) == (schedule.sigmas[0], schedule.sigmas[-1])


def test_sigmas_that_fall_together_are_refused(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="distinct"):
        align(schedule, MASK, torch.tensor([0.0, 0.0, -200.0, 0.0, 0.0], dtype=torch.float64))
