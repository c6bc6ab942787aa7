"""A store on disk: the tensors of an entry in one safetensors file, with JSON in its header; never a pickle.

A file appears under its name only when all of it is on the disk (temporary name, fsync, rename, fsync of the folder),
so none is ever torn. Read back, tensors are mapped from the file: they take memory only while they are used. What a
list of runs shows, the picture and the words, stays in memory.
"""

import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trajflow.cache.device_transfer import on_cpu
from trajflow.cache.entry import Entry
from trajflow.cache.store import check_size
from trajflow.errors import CacheError


class DiskStore:
    """A store in a `folder` of its own, which is made where it is missing. `capacity` in bytes, by `Entry.nbytes`.

    Raises CacheError where the folder cannot be written to.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self.capacity = capacity
        self._folder = folder
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheError(f"Runs cannot be kept in {folder}: {error.strerror}. Choose another folder.") from error

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def nbytes(self) -> int:
        """Bytes held now; at most `capacity`."""
        return sum(entry.nbytes for entry in self._entries.values())

    def put(self, entry: Entry) -> tuple[str, ...]:
        """Keep an entry; see `Store.put`. Raises CacheError also where the file cannot be written."""
        size = entry.nbytes
        check_size(size, self.capacity)
        written = self._write(on_cpu(entry))
        self._entries.pop(entry.key, None)
        evicted = []
        while self.nbytes + size > self.capacity:
            oldest = next(iter(self._entries))
            self.delete(oldest)
            evicted.append(oldest)
        self._entries[entry.key] = written
        return tuple(evicted)

    def get(self, key: str) -> Entry | None:
        """The entry, or None; counts as a use."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def peek(self, key: str) -> Entry | None:
        """The entry, or None, without counting as a use."""
        return self._entries.get(key)

    def delete(self, key: str) -> None:
        """Forget an entry and its file; nothing happens when it is not there."""
        if self._entries.pop(key, None) is not None:
            self._path(key).unlink(missing_ok=True)

    def spill(self) -> tuple[str, ...]:
        """Nothing: there is nowhere to go; see `Store.spill`."""
        return ()

    def _path(self, key: str) -> Path:
        # A key may be any text; a file's name may not.
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"

    def _write(self, entry: Entry) -> Entry:
        """The entry with its tensors mapped from the file that now holds them."""
        path = self._path(entry.key)
        try:
            write_whole(path, _tensors(entry), {"entry": json.dumps(_words(entry))})
            return _mapped(entry, load_file(path))
        except (OSError, SafetensorError) as error:
            raise CacheError(f"The run cannot be kept in {self._folder}: {error}.") from error


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


def _tensors(entry: Entry) -> dict[str, Tensor]:
    tensors = {} if entry.prefix is None else {"prefix": entry.prefix}
    if entry.trajectory is not None:
        grid = entry.trajectory.schedule
        tensors |= {"noise": entry.trajectory.noise, "velocities": entry.trajectory.velocities}
        tensors |= {"sigmas": grid.sigmas, "timesteps": grid.timesteps}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _words(entry: Entry) -> dict[str, object]:
    """What a person who finds the file can tell from it."""
    kinds = [] if entry.trajectory is None else list(entry.trajectory.kinds)
    return {"key": entry.key, "prompt": entry.prompt, "fingerprint": entry.cache_key.digest(), "kinds": kinds}


def _mapped(entry: Entry, tensors: dict[str, Tensor]) -> Entry:
    if entry.trajectory is None:
        return replace(entry, prefix=tensors.get("prefix"))
    grid = replace(entry.trajectory.schedule, sigmas=tensors["sigmas"], timesteps=tensors["timesteps"])
    trajectory = replace(entry.trajectory, schedule=grid, noise=tensors["noise"], velocities=tensors["velocities"])
    return replace(entry, trajectory=trajectory, prefix=tensors.get("prefix"))


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
