"""Where an entry's tensors are: bringing them to the CPU and to a device, equal bit for bit."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from trajflow.cache.entry import Entry
from trajflow.recording import device_copy, host_copy

CPU = torch.device("cpu")


def device_of(entry: Entry) -> torch.device:
    """Where the entry's tensors are; the CPU for one without any."""
    held = entry.trajectory.velocities if entry.trajectory is not None else entry.prefix
    return CPU if held is None else held.device


def on_cpu(entry: Entry) -> Entry:
    """The entry with its tensors on the CPU, in pinned memory where they come from a GPU."""
    return entry if device_of(entry) == CPU else with_tensors(entry, host_copy)


def on_device(entry: Entry, device: torch.device) -> Entry:
    """The entry with its tensors on `device`."""
    return entry if device_of(entry) == device else with_tensors(entry, lambda tensor: device_copy(tensor, device))


def with_tensors(entry: Entry, change: Callable[[Tensor], Tensor]) -> Entry:
    """The entry with `change` applied to the tensors of its trajectory, the grid's included, and to its prefix."""
    trajectory = entry.trajectory
    if trajectory is not None:
        grid = trajectory.schedule
        trajectory = replace(
            trajectory,
            schedule=replace(grid, sigmas=change(grid.sigmas), timesteps=change(grid.timesteps)),
            noise=change(trajectory.noise),
            velocities=change(trajectory.velocities),
            negative=None if trajectory.negative is None else change(trajectory.negative),
        )
    return replace(entry, trajectory=trajectory, prefix=None if entry.prefix is None else change(entry.prefix))
