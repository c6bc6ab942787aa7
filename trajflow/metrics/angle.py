"""The angle between two velocities, as one number per evaluated step: arccos(a . b / (|a| |b|))."""

import math

import torch
from torch import Tensor


def angle_degrees(a: Tensor, b: Tensor) -> float:
    """Degrees in [0, 180] between two tensors of one shape, flattened and compared in float64 on the CPU.

    The tensors may lie on different devices and have different dtypes. Equal tensors give exactly 0, two zero vectors
    among them; a zero vector has no direction, and against anything else its angle is defined as 90.
    """
    assert a.shape == b.shape, f"velocities of shapes {tuple(a.shape)} and {tuple(b.shape)}"
    # float64 on the CPU, because a source may be kept there and MPS has no float64.
    p, q = (tensor.detach().cpu().double().flatten() for tensor in (a, b))
    if torch.equal(p, q):
        return 0.0
    lengths = p.norm() * q.norm()
    if lengths == 0:
        return 90.0
    cosine = (p.dot(q) / lengths).item()
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
