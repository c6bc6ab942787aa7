"""The disk as a place of one session: each entry a file of its own, which goes with it.

The files hold what `cache/document.py` writes: one that others have cut, damaged or put in its place is a `CacheError`.
What a list of runs shows, the picture and the words, stays in memory. For what outlives a session see `cache/store.py`.
"""

import hashlib
import weakref
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from trajflow.cache.document import read_document, write_document
from trajflow.cache.entry import Entry, with_tensors
from trajflow.cache.files import put_in_place, read_whole, remove, write_partial
from trajflow.cache.folder import OwnFolder
from trajflow.errors import CacheError

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
        document = write_document(entry)
        path = self._folder.path / f"{next(self._numbers)}.safetensors"
        try:
            put_in_place(write_partial(self._folder.path, document), path)
        except OSError as error:
            raise CacheError(f"The run cannot be kept in {path.parent}: {error}.") from error
        file = _File(path, len(document), hashlib.sha256(document).hexdigest(), self._folder)
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
        weakref.finalize(self, remove, self.path)

    def read(self) -> Entry:
        """The entry. Raises CacheError unless it is the one that was written."""
        try:
            return read_document(read_whole(self.path, self.size, self.sha256))
        except (OSError, ValueError, CacheError) as error:
            raise CacheError(f"A run can no longer be read from {self.path}: {error}.") from error


class _Read:
    """A field of an entry that is read from the disk whenever somebody asks for it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, entry: "SpilledEntry | None", owner: type) -> Any:
        return self if entry is None else getattr(entry.in_memory(), self._name)


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

    def in_memory(self) -> Entry:
        """As of any entry. Raises CacheError when its file is gone or damaged."""
        read = self.file.read()
        return replace(self.light, trajectory=read.trajectory, prefix=read.prefix)
