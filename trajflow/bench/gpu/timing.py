"""Seconds of work on a device, and how fast the device multiplies matrices."""

import statistics
import time
from collections.abc import Callable

import torch

WARM_UPS = 2


def wait(device: torch.device) -> None:
    """Until the device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """One call, the device's part included."""
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median of the calls after some to warm up."""
    for _ in range(WARM_UPS):
        work()
    return statistics.median(seconds_of(work, device) for _ in range(repeats))


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int, repeats: int) -> float:
    """Floating-point operations a second of a dense product of two [size, size] matrices, 2 size^3 each."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / median_seconds(lambda: left @ right, device, repeats)
