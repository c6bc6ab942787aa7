"""The flow: conventions, the Euler step, recomputing a path from its velocities, the angle between two. Pure functions.

sigma = 1 is noise and sigma = 0 the image. A grid has N steps k = 0..N-1 with sigma_0 > ... > sigma_N = 0, the step
sizes are h_k = sigma_{k+1} - sigma_k < 0, and x_{k+1} = x_k + h_k v(x_k, sigma_k, c) (arXiv:2209.03003).
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from trajflow.base import Trajectory


def euler_step(x: Tensor, velocity: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """One step of the flow, in the arithmetic of diffusers' FlowMatchEulerDiscreteScheduler.

    x and velocity: same shape, the model's dtype; sigmas: 0-d float32. x is raised to float32, the product keeps the
    velocity's dtype, and the sum returns to it: reordering or fusing any of this changes the last bits.
    """
    dt = sigma_next - sigma
    return (x.to(torch.float32) + dt * velocity).to(velocity.dtype)


def clean_estimate(x: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The image latents that a straight path from x would reach: x - sigma v."""
    return x - sigma.to(x.dtype) * velocity


def recompute_path(trajectory: Trajectory, until: int | None = None) -> Iterator[Tensor]:
    """Yield x_0, x_1, ... x_until (default N) from the stored noise and velocities, bit for bit as recorded."""
    sigmas, x = trajectory.schedule.sigmas, trajectory.noise
    yield x
    for k in range(len(trajectory.velocities) if until is None else until):
        x = euler_step(x, trajectory.velocities[k], sigmas[k], sigmas[k + 1])
        yield x


def latents_at(trajectory: Trajectory, k: int) -> Tensor:
    """x_k of a stored trajectory, 0 <= k <= N."""
    *_, x = recompute_path(trajectory, k)
    return x


def angle_degrees(a: Tensor, b: Tensor) -> float:
    """arccos(a . b / (|a| |b|)): degrees in [0, 180] between two tensors of one shape, flattened, in float64.

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


def even_nodes(steps: int, count: int, start: int = 0) -> tuple[int, ...]:
    """`count` distinct steps of start..steps-1, evenly spaced, the first one included."""
    span = steps - start
    count = min(count, span)
    return tuple(start + (i * span) // count for i in range(count))
