"""Trajectories by what is in them: a name that both sides make alike, and the document that a store keeps."""

import hashlib
import json
from dataclasses import replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trajflow.base import Schedule, Trajectory
from trajflow.errors import CacheError

FORMAT = "1"


def tensors_of(path: Trajectory) -> dict[str, Tensor]:
    """Its tensors by name, on the CPU."""
    grid = path.schedule
    named = {"sigmas": grid.sigmas, "timesteps": grid.timesteps, "noise": path.noise, "velocities": path.velocities}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}


def digest(path: Trajectory) -> str:
    """The sha256 (hex) of all that it holds: equal paths have equal names, wherever they lie."""
    made = hashlib.sha256(json.dumps([path.prompt, path.kinds]).encode())
    for name, tensor in sorted(tensors_of(path).items()):
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return made.hexdigest()


def write(path: Trajectory) -> bytes:
    """The trajectory as a document: safetensors, with words and kinds in the header."""
    return save(tensors_of(path), {"format": FORMAT, "path": json.dumps([path.prompt, path.kinds])})


def read(document: bytes, name: str) -> Trajectory:
    """The trajectory of that digest. Raises CacheError for a document that is not it."""
    try:
        header = json.loads(document[8 : 8 + int.from_bytes(document[:8], "little")])["__metadata__"]
        prompt, kinds = json.loads(header["path"])
        tensors = load(document)
        grid = Schedule(tensors["sigmas"], tensors["timesteps"])
        path = Trajectory(prompt, grid, tensors["noise"], tensors["velocities"], tuple(kinds))
        is_it = header["format"] == FORMAT and digest(path) == name
    # Whatever a damaged header leads to.
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise CacheError(f"A shared run is damaged: {error}.") from error
    if not is_it:
        raise CacheError("A shared run is not the one that was asked for.")
    return path


def moved(path: Trajectory, device: torch.device) -> Trajectory:
    """The trajectory with its tensors on `device`."""
    grid = replace(path.schedule, sigmas=path.schedule.sigmas.to(device), timesteps=path.schedule.timesteps.to(device))
    negative = None if path.negative is None else path.negative.to(device)
    noise, velocities = path.noise.to(device), path.velocities.to(device)
    return replace(path, schedule=grid, noise=noise, velocities=velocities, negative=negative)
