"""What is learned on a GPU meets no tensor of the CPU in one sum. Its tensors have no numbers here: only devices and
shapes are kept, and where a number is asked for at last, everything before it has gone well."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from trajflow.base import Schedule
from trajflow.learning.placing import _displacement
from trajflow.policies.aligned import Aligned, logits_of

STEPS = 6


@pytest.fixture
def gpu():
    with FakeTensorMode():
        yield torch.device("cuda")


def test_displacements_stay_where_the_velocities_are(gpu):
    velocities = torch.empty(2, STEPS, 1, 4, 8, 8, device=gpu)
    assert _displacement(velocities, 1, [1 - k / STEPS for k in range(STEPS + 1)]).device.type == "cuda"


def test_an_aligned_grid_is_found_whatever_holds_the_sigmas(gpu):
    sigmas = torch.empty(STEPS + 1, device=gpu)
    assert logits_of(sigmas, (0, 3)).device.type == "cpu"
    with pytest.raises(DataDependentOutputException):
        Aligned((0, 3), (0.1, 0.2, 0.3), "velocity").grid(Schedule(sigmas, torch.empty(STEPS, device=gpu)))
