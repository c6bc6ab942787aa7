"""Several processes train one model: each takes samples of its own, and gradients are averaged.

    torchrun --nproc-per-node 2 -m tools.world.train --stages coarse velocity

On two cores, two processes of one thread took 52 half-size samples a second, one of two threads 45, one of one 39.
"""

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors


def begin() -> None:
    """Join the processes that `torchrun` started, if it did."""
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("gloo")


def place() -> int:
    """The number of this process, 0 for the one that keeps checkpoints."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def agree(is_so: bool) -> bool:
    """What process 0 says, so that all stop after the same step."""
    said = torch.tensor(float(is_so))
    if processes() > 1:
        dist.broadcast(said, src=0)
    return bool(said)


def owner(number: int) -> int:
    """Which process does the work that is number `number` of a list that all share."""
    return number % processes()


def tell(tensors: Sequence[Tensor]) -> None:
    """Replace tensors, in place, by those of the processes that own them (`owner` of their place in the list)."""
    for process in range(processes() if processes() > 1 else 0):
        owned = list(tensors[process :: processes()])
        flat = _flatten_dense_tensors(owned)
        dist.broadcast(flat, src=process)
        if process != place():
            for tensor, told in zip(owned, _unflatten_dense_tensors(flat, owned), strict=True):
                tensor.copy_(told)


def average(gradients: Sequence[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in place."""
    if processes() == 1:
        return
    flat = _flatten_dense_tensors(list(gradients))
    dist.all_reduce(flat)
    flat /= processes()
    for gradient, mean in zip(gradients, _unflatten_dense_tensors(flat, list(gradients)), strict=True):
        gradient.copy_(mean)
