"""The disk as a place: the tensors of an entry in one safetensors file, with JSON in its header; never a pickle.

A file appears under its name only when all of it is on the disk (temporary name, fsync, rename, fsync of the folder),
so none is ever torn. It is read as a whole, and believed only when its size and checksum are those that were written: a
file that others have cut, damaged or put in its place is a `CacheError`. What a list of runs shows, the picture and the
words, stays in memory.
"""

import hashlib
import json
import os
import stat
import weakref
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from trajflow.cache.device_transfer import on_cpu, with_tensors
from trajflow.cache.entry import Entry
from trajflow.cache.folder import OwnFolder
from trajflow.errors import CacheError

# The version of the file's header.
FORMAT = "1"
# What is known of an entry without its tensors.
TOLD = ("key", "cache_key", "result", "vector", "created", "digest", "computed", "is_true", "nbytes")


class Disk:
    """A place of `capacity` bytes in a folder of its own inside `parent`. Raises CacheError where there can be none."""

    name = "disk"

    def __init__(self, parent: Path, capacity: int) -> None:
        self.capacity = capacity
        self._folder = OwnFolder(parent)
        self._numbers = count()

    def take(self, entry: Entry) -> "SpilledEntry":
        """Write a file; only the words and the picture stay in memory. Raises CacheError when that fails."""
        entry = on_cpu(entry)
        tensors, words = _tensors(entry), _words(entry)
        sha256 = checksum(tensors, words)
        path = self._folder.path / f"{next(self._numbers)}.safetensors"
        try:
            write_whole(path, tensors, {"format": FORMAT, "entry": words, "sha256": sha256})
            file = _File(path, path.stat().st_size, sha256, self._folder)
        except (OSError, SafetensorError) as error:
            raise CacheError(f"The run cannot be kept in {path.parent}: {error}.") from error
        return SpilledEntry.of(entry, file)


@dataclass(frozen=True)
class _File:
    """A file as it was written, which goes with this object: whoever was given a list of runs may still read them.

    So does the folder, with the last one that refers to its `owner`.
    """

    path: Path
    size: int
    sha256: str
    owner: OwnFolder

    def __post_init__(self) -> None:
        weakref.finalize(self, _remove, self.path)

    def read(self) -> dict[str, Tensor]:
        """The tensors by name. Raises CacheError unless they are those that were written."""
        try:
            found = self.path.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size != self.size:
                raise ValueError("it has been replaced or cut")
            data = self.path.read_bytes()
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
            tensors = load(data)
            if not checksum(tensors, header["entry"]) == header["sha256"] == self.sha256:
                raise ValueError("its checksum is another one")
        # Whatever a damaged header leads to.
        except (OSError, SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
            raise CacheError(f"A run can no longer be read from {self.path}: {error}.") from error
        return tensors


class _Read:
    """A field of an entry that is read from the disk whenever somebody asks for it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, entry: "SpilledEntry | None", owner: type) -> Any:
        return self if entry is None else getattr(entry.read(), self._name)


class SpilledEntry(Entry):
    """An entry whose tensors are on the disk. Asking for them raises CacheError when its file is gone or damaged.

    A changed one (`dataclasses.replace`) is an ordinary entry.
    """

    trajectory = _Read()
    prefix = _Read()
    file: _File
    light: Entry

    def __new__(cls, *values: Any, **named: Any) -> Entry:  # type: ignore[misc]
        """An ordinary entry of these fields."""
        return Entry(*values, **named)

    @classmethod
    def of(cls, entry: Entry, file: _File) -> "SpilledEntry":
        """The entry without its tensors, which are in the file."""
        spilled = object.__new__(cls)
        about = {name: getattr(entry, name) for name in TOLD}
        # Tensors on the device "meta" have a shape and a dtype, and no numbers.
        light = with_tensors(entry, lambda tensor: tensor.to("meta"))
        spilled.__dict__.update(about, file=file, light=light)
        return spilled

    def read(self) -> Entry:
        """The entry in memory. Raises CacheError when its file is gone or damaged."""
        tensors, light = self.file.read(), self.light
        if light.trajectory is None:
            return replace(light, prefix=tensors.get("prefix"))
        grid = replace(light.trajectory.schedule, sigmas=tensors["sigmas"], timesteps=tensors["timesteps"])
        trajectory = replace(
            light.trajectory,
            schedule=grid,
            noise=tensors["noise"],
            velocities=tensors["velocities"],
            negative=tensors.get("negative"),
        )
        return replace(light, trajectory=trajectory, prefix=tensors.get("prefix"))


def in_memory(entry: Entry) -> Entry:
    """The entry with its tensors, read where they are on the disk. Raises CacheError where that fails."""
    return entry.read() if isinstance(entry, SpilledEntry) else entry


def write_whole(path: Path, tensors: dict[str, Tensor], words: dict[str, str]) -> None:
    """A safetensors file with `words` in its header, under its name only once all of it is on the disk.

    Raises OSError and SafetensorError, leaving what was there before.
    """
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, partial, words)
        _flush(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    _flush(path.parent)


def checksum(tensors: dict[str, Tensor], words: str) -> str:
    """The sha256 (hex) of all that a file holds: its words, and name, dtype, shape and bytes of every tensor."""
    made = hashlib.sha256(words.encode())
    for name, tensor in sorted(tensors.items()):
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        made.update(tensor.flatten().view(torch.uint8).numpy().data)
    return made.hexdigest()


def _tensors(entry: Entry) -> dict[str, Tensor]:
    tensors = {} if entry.prefix is None else {"prefix": entry.prefix}
    if entry.trajectory is not None:
        grid = entry.trajectory.schedule
        tensors |= {"noise": entry.trajectory.noise, "velocities": entry.trajectory.velocities}
        tensors |= {"sigmas": grid.sigmas, "timesteps": grid.timesteps}
        tensors |= {} if entry.trajectory.negative is None else {"negative": entry.trajectory.negative}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _words(entry: Entry) -> str:
    """What a person who finds the file can tell from it, as JSON."""
    kinds = [] if entry.trajectory is None else list(entry.trajectory.kinds)
    about = {"key": entry.key, "prompt": entry.prompt, "fingerprint": entry.cache_key.digest(), "kinds": kinds}
    return json.dumps(about)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
