"""A few directions of latent space in which a control problem is small enough to solve.

An orthonormal basis B [r, n] of the span of given tensors, in float64 on the CPU: coordinates are c = B x, and x = B'
c is the tensor of given coordinates. Directions that add nothing are left out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

DEPENDENT = 1e-6  # share of a direction's length below which it is taken for a combination of the others


def span(directions: Sequence[Tensor]) -> np.ndarray:
    """Orthonormal rows [r, n] spanning the tensors, in their order (modified Gram-Schmidt, twice); r = 0 for none."""
    rows: list[np.ndarray] = []
    for direction in directions:
        vector = _flat(direction)
        length = np.linalg.norm(vector)
        for _ in range(2):
            for row in rows:
                vector = vector - row * (row @ vector)
        left = np.linalg.norm(vector)
        if left > DEPENDENT * length:
            rows.append(vector / left)
    return np.array(rows) if rows else np.zeros((0, 0))


def coordinates(basis: np.ndarray, x: Tensor) -> np.ndarray:
    """c = B x, [r] float64."""
    return basis @ _flat(x)


def lift(basis: np.ndarray, c: np.ndarray, like: Tensor) -> Tensor:
    """B' c as a float32 tensor of the shape and device of `like`."""
    return torch.from_numpy(c @ basis).to(torch.float32).view(like.shape).to(like.device)


def beside(basis: np.ndarray, x: Tensor) -> Tensor:
    """The part of x outside the span, float32."""
    if len(basis) == 0:
        return x.float()
    return x.float() - lift(basis, coordinates(basis, x), x)


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().flatten().numpy()
