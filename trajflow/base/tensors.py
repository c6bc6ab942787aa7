"""Comparing and describing records that hold tensors."""

import torch
from torch import Tensor


def same_tensor(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers in the same shape, on whatever devices."""
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.cpu(), b.cpu())


def describe_tensor(tensor: Tensor) -> str:
    """A tensor in a word, as in `float32[1, 16, 24, 24]`."""
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
