"""The memory of a device: a recorded run is on the CPU too, and where the device is full, what was kept there leaves.

On a GPU a copy of each velocity leaves for the CPU as soon as it is recorded, to pinned memory on a stream of its own,
beside the network's next evaluation, so the run does not wait for it. Spilling a run from the GPU is then only letting
go of it: `host_copy` is there already, equal bit for bit.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from trajflow.errors import MemoryExhausted

Made = TypeVar("Made")
# Copies by the tensor that they are copies of, for as long as that one is used.
_HOST = WeakTensorKeyDictionary()


class Recording:
    """The velocities [*x.shape] of a run of so many steps, one after the other."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._velocities: list[Tensor] = []
        self._host: Tensor | None = None

    def add(self, velocity: Tensor) -> None:
        """Record the next velocity; nobody writes to it afterwards."""
        if velocity.is_cuda:
            if self._host is None:
                shape = (self._steps, *velocity.shape)
                self._host = torch.empty(shape, dtype=velocity.dtype, pin_memory=True)
            _leave(velocity, self._host[len(self._velocities)])
        self._velocities.append(velocity)

    def finish(self) -> Tensor:
        """All velocities, [N, *x.shape], on the device they were computed on."""
        velocities = torch.stack(self._velocities)
        if self._host is not None:
            _side_stream(velocities.device).synchronize()
            note_host_copy(velocities, self._host)
        return velocities


def host_copy(tensor: Tensor) -> Tensor:
    """`tensor` on the CPU: itself where it is there, the copy that left before where there is one, else a new one."""
    if not tensor.is_cuda:
        return tensor.cpu()
    known = _HOST.get(tensor)
    if known is None:
        known = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        known.copy_(tensor)
    return known


def device_copy(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on a device; from pinned memory to a GPU without waiting for it, the original kept as its host copy."""
    # A copy to the CPU that is not waited for may be read before it is there.
    moved = tensor.to(device, non_blocking=device.type == "cuda")
    if moved.is_cuda and tensor.is_pinned():
        note_host_copy(moved, tensor)
    return moved


def note_host_copy(tensor: Tensor, host: Tensor) -> None:
    """Remember that `host` holds the same numbers as `tensor`, for as long as `tensor` is used."""
    _HOST[tensor] = host


def _leave(velocity: Tensor, host: Tensor) -> None:
    """Queue the copy, behind what computes the velocity and beside what comes after."""
    side = _side_stream(velocity.device)
    side.wait_stream(torch.cuda.current_stream(velocity.device))
    with torch.cuda.stream(side):
        host.copy_(velocity, non_blocking=True)
    # Its memory must not be used again before the copy is done.
    velocity.record_stream(side)


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def nothing_to_give() -> None:
    """Relief where nothing is kept on the device."""


def retry_on_oom(work: Callable[[], Made], free_memory: Callable[[], None]) -> Made:
    """What `work` returns. Where the device runs out of memory, `free_memory` is called, the allocator's unused blocks
    are given back, and `work`, which must have left nothing behind, is called once more.

    Raises MemoryExhausted when that fails in the same way.
    """
    said = ""
    for is_last in (False, True):
        try:
            return work()
        except torch.OutOfMemoryError as error:
            said = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        # Out of the handler: as long as the error lives, its traceback holds the tensors of the work that failed.
        if not is_last:
            free_memory()
            torch.cuda.empty_cache()
    raise MemoryExhausted(
        f"The memory of the device does not suffice, even after cached runs have left it ({said}). Nothing of this run "
        "is kept. Ask for a smaller picture, or load the model with offload=True or tiling=True."
    )
