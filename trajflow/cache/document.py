"""A finished run as a document: its tensors and pictures in one safetensors, all that is said of it as JSON in the
header, and the sha256 of both; never a pickle. The same bytes wait on the disk, serve a restart, and travel.

What is read is not trusted: a document that is cut, damaged, of another version or contradicts itself is a CacheError.
It contradicts itself when shapes do not fit, numbers are not finite, or its grid is not the one its fingerprint names.
"""

import hashlib
import json
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trajflow.base import Schedule, Trajectory
from trajflow.cache.entry import Entry, on_cpu, sigmas_sha256
from trajflow.errors import CacheError

# 1 were the files of runs that waited for their own process, which nobody read again.
FORMAT = "2"
LONGEST_HEADER = 16 * 2**20
LARGEST_SIDE = 16_384


def write_document(entry: Entry) -> bytes:
    """The document of an entry. Raises CacheError for one that could not be read again."""
    # Pydantic takes a moment to load, and most sessions keep nothing.
    from trajflow.cache.form import EntryForm

    entry = on_cpu(entry)
    try:
        words = EntryForm.of(entry).model_dump_json()
        tensors = _tensors(entry)
        return save(tensors, {"format": FORMAT, "entry": words, "sha256": checksum(tensors, words)})
    except (ValueError, TypeError, SafetensorError) as error:
        raise CacheError(f"The run cannot be written down: {_reason(error)}.") from error


def read_document(document: bytes) -> Entry:
    """The entry of a document. Raises CacheError unless it is what `write_document` makes."""
    try:
        about = _header(document)
        tensors = load(document)
        if checksum(tensors, about["entry"]) != about["sha256"]:
            raise ValueError("its checksum is another one")
        return _entry(about["entry"], tensors)
    # Whatever a damaged header leads to.
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError, RecursionError) as error:
        raise CacheError(f"This is not a run that can be read: {_reason(error)}.") from error


def checksum(tensors: dict[str, Tensor], words: str) -> str:
    """The sha256 (hex) of all that a document holds: its words, and name, dtype, shape and bytes of every tensor."""
    made = hashlib.sha256(words.encode())
    for name, tensor in sorted(tensors.items()):
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.flatten().view(torch.uint8).numpy().data)
    return made.hexdigest()


def _header(document: bytes) -> dict[str, str]:
    """The words of the header. Raises ValueError, LookupError or TypeError for a strange one."""
    length = int.from_bytes(document[:8], "little")
    if not 0 < length <= min(LONGEST_HEADER, len(document) - 8):
        raise ValueError("it is cut, or no safetensors")
    about = json.loads(document[8 : 8 + length])["__metadata__"]
    if about["format"] != FORMAT:
        raise ValueError(f"it is of format {about['format'][:20]!r}, and this version reads {FORMAT!r}")
    return about


def _tensors(entry: Entry) -> dict[str, Tensor]:
    result, trajectory = entry.result, entry.trajectory
    grid = result.plan.sampling.schedule
    # A path is on the grid of its fingerprint, which may be another one than the plan's.
    tensors = {"plan.sigmas": grid.sigmas, "plan.timesteps": grid.timesteps, "image": _pixels(result.image)}
    tensors["vector"] = torch.from_numpy(entry.vector.copy())
    if result.baseline is not None:
        tensors["baseline"] = _pixels(result.baseline)
    if entry.prefix is not None:
        tensors["prefix"] = entry.prefix
    if trajectory is not None:
        grid = trajectory.schedule
        tensors |= {"noise": trajectory.noise, "velocities": trajectory.velocities}
        tensors |= {"sigmas": grid.sigmas, "timesteps": grid.timesteps}
        if trajectory.negative is not None:
            tensors["negative"] = trajectory.negative
    # Copies: tensors that share memory cannot be saved together.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _entry(words: str, tensors: dict[str, Tensor]) -> Entry:
    from trajflow.cache.form import EntryForm

    form = EntryForm.model_validate_json(words)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds what is not a number")
    plan = form.plan.plan(_grid(tensors["plan.sigmas"], tensors["plan.timesteps"]))
    baseline = _picture(tensors["baseline"]) if "baseline" in tensors else None
    result = form.result.result(form.key, plan, _picture(tensors["image"]), baseline)
    vector, known = tensors["vector"].numpy(), form.known
    vector.setflags(write=False)
    trajectory, prefix = None, tensors.get("prefix")
    if form.path_kinds is not None:
        noise, velocities = tensors["noise"], tensors["velocities"]
        grid = _grid(tensors["sigmas"], tensors["timesteps"])
        _check(tuple(noise.shape) == known.shape and velocities.is_floating_point(), "the noise has another shape")
        _check(velocities.shape == (known.steps, *known.shape), "the velocities have another shape")
        _check(len(form.path_kinds) == grid.steps == known.steps, "the path has another number of steps")
        _check(sigmas_sha256(grid.sigmas) == known.sigmas_sha256, "the grid is not that of the fingerprint")
        negative = tensors.get("negative")
        _check(negative is None or negative.shape == noise.shape, "the negative branch has another shape")
        words, is_exact = form.path_prompt or "", form.is_start_exact
        trajectory = Trajectory(words, grid, noise, velocities, form.path_kinds, negative, is_exact)
    if prefix is not None:
        is_fit = prefix.is_floating_point() and prefix.shape[1:] == known.shape and len(prefix) <= known.steps
        _check(is_fit, "the first velocities have another shape")
    return Entry(form.key, known, result, trajectory, vector, form.created, prefix)


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


def _grid(sigmas: Tensor, timesteps: Tensor) -> Schedule:
    _check(sigmas.dim() == timesteps.dim() == 1 and len(sigmas) == len(timesteps) + 1, "a grid has another shape")
    return Schedule(sigmas, timesteps)


def _pixels(image: Image.Image) -> Tensor:
    """[H, W, 3] uint8."""
    return torch.from_numpy(np.array(image.convert("RGB")))


def _picture(pixels: Tensor) -> Image.Image:
    is_fit = pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.shape[2] == 3
    _check(is_fit and min(pixels.shape) > 0 and max(pixels.shape) <= LARGEST_SIDE, "a picture has another shape")
    return Image.fromarray(pixels.numpy())


def _reason(error: Exception) -> str:
    """In a few words, without what was given: that may hold a prompt."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        wrong: Any = error.errors(include_input=False)[0]
        return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
    return str(error) or type(error).__name__
