import pytest
import torch

from trajflow.memory import Recording, device_copy, host_copy

SHAPE = (1, 4, 8, 8)
CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recording_is_the_stack_of_its_velocities(dtype) -> None:
    recording = Recording(5)
    velocities = [torch.randn(SHAPE).to(dtype) for _ in range(3)]
    for velocity in velocities:
        recording.add(velocity)
    assert torch.equal(recording.finish(), torch.stack(velocities))


def test_on_the_cpu_nothing_is_copied() -> None:
    tensor = torch.randn(SHAPE)
    assert host_copy(tensor) is tensor
    assert device_copy(tensor, CPU) is tensor


@pytest.mark.parametrize(("device", "is_awaited"), [("cpu", True), ("meta", True), ("cuda", False)])
def test_only_a_copy_to_a_gpu_is_not_waited_for(device, is_awaited) -> None:
    """What a copy to the CPU brings is read at once."""
    asked = []

    class Noted(torch.Tensor):
        def to(self, *place, non_blocking=False):
            asked.append(non_blocking)
            return self

    device_copy(torch.ones(2).as_subclass(Noted), torch.device(device))
    assert asked == [not is_awaited]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_copy_that_left_is_the_same_bit_for_bit() -> None:
    device = torch.device("cuda")
    recording = Recording(20)
    velocity = torch.randn((1, 16, 128, 128), device=device)
    for _ in range(20):
        velocity = torch.sin(velocity @ velocity.transpose(-1, -2)) + velocity
        recording.add(velocity)
    velocities = recording.finish()
    assert velocities.is_cuda
    host = host_copy(velocities)
    assert host.is_pinned()
    assert host is host_copy(velocities)
    assert torch.equal(host, velocities.cpu())
    again = device_copy(host, device)
    assert torch.equal(again, velocities)
    assert host_copy(again) is host
