"""A folder as a store: one file for each document, and an index of them. Several processes may use it at once.

A file is named after its owner, its key and the sha256 of its bytes, so nothing else is believed under that name, and
an index that was lost can be made again. A document is written beside the former one and committed in the index before
that is removed: whoever is killed in between leaves either the one or the other, and a file without an entry, which
the next who opens the folder removes.
"""

import hashlib
import logging
import os
import re
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from trajflow.cache.files import PARTIAL, put_in_place, read_whole, remove, write_partial
from trajflow.cache.index import Index, Row
from trajflow.cache.mounts import check_local
from trajflow.cache.store import check_names
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
INDEX, DOCUMENTS, OPENING = "index.sqlite", "documents", "opening.lock"
NAME = re.compile(r"([0-9a-f]{64})\.([0-9a-z-]{1,64})\.([0-9a-f]{64})\.safetensors")
# No document takes so long to be written: what is older was left by a process that died.
LEFT_SECONDS = 3600.0
OPENING_SECONDS = 60.0
# Of a document, where only its file tells.
LARGEST = 4 * 2**30
DEFAULT_BYTES = 8 * 2**30
DEFAULT_DAYS = 30.0


class Trouble(NamedTuple):
    """What is wrong with a file, in words; `row` is its entry in the index, None where it has none or may be well."""

    path: Path
    said: str
    row: Row | None


class FolderStore:
    """Documents in a folder, which is made where it is missing: at most `capacity` bytes, and of owners that were used
    in the last `keep_seconds`.

    Raises CacheError where there can be no such folder, as on a network drive.
    """

    def __init__(
        self,
        folder: Path,
        capacity: int = DEFAULT_BYTES,
        keep_seconds: float = DEFAULT_DAYS * 86_400,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.capacity = capacity
        self.keep_seconds = keep_seconds
        self._documents = folder / DOCUMENTS
        self._clock = clock
        self._uses: dict[tuple[str, str], float] = {}
        self._uses_lock = threading.Lock()
        check_local(folder)
        try:
            self._documents.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not stat.S_ISDIR(self._documents.lstat().st_mode):
                raise CacheError(f"{self._documents} is a link. Choose another folder.")
            with FileLock(folder / OPENING, timeout=OPENING_SECONDS):
                self._index = Index(folder / INDEX, self._named)
        except (OSError, Timeout) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CacheError(f"Sessions cannot be kept in {folder}: {said}. Choose another folder.") from error
        self._closing = weakref.finalize(self, self._index.close)
        self.sweep()

    def put(self, owner: str, key: str, document: bytes) -> None:
        """See `Store`."""
        check_names(owner, key)
        if len(document) > self.capacity:
            raise CacheError(f"{len(document):,} bytes do not fit into the {self.capacity:,} of {self.folder}.")
        row = Row(owner, key, len(document), hashlib.sha256(document).hexdigest())
        try:
            partial = write_partial(self._documents, document)
            try:
                with self._index.writing():
                    former = self._index.find(owner, key)
                    put_in_place(partial, self._path(row))
                    self._index.put(row, self._clock())
                    self._note_uses()
                    gone = self._exceeding(row)
            finally:
                remove(partial)
        except OSError as error:
            raise CacheError(f"Nothing more is kept in {self.folder}: {error.strerror or error}.") from error
        if former is not None and former.sha256 != row.sha256:
            gone.append(former)
        self._unlink(gone)

    def get(self, owner: str, key: str) -> bytes | None:
        """See `Store`."""
        check_names(owner, key)
        row = self._index.find(owner, key)
        while row is not None:
            try:
                document = read_whole(self._path(row), row.size, row.sha256)
            except (OSError, ValueError) as error:
                former, row = row, self._index.find(owner, key)
                if row is not None and row == former and self._is_unreadable(row):
                    self._lose(row, error)
                    return None
                # It was replaced or deleted meanwhile.
                continue
            with self._uses_lock:
                self._uses[owner, key] = self._clock()
            return document
        return None

    def delete(self, owner: str, key: str) -> None:
        """See `Store`."""
        check_names(owner, key)
        row = self._index.find(owner, key)
        self._take_out([] if row is None else [row])

    def keys(self, owner: str) -> tuple[str, ...]:
        """See `Store`."""
        check_names(owner)
        return tuple(row.key for row in self._index.of(owner))

    def drop(self, owner: str) -> None:
        """See `Store`."""
        check_names(owner)
        self._take_out(self._index.of(owner))

    @property
    def nbytes(self) -> int:
        """Bytes of all documents."""
        return self._index.nbytes()

    def owners(self) -> list[tuple[str, float, int, int]]:
        """Every owner with the time of the last use (unix seconds), the number of documents and their bytes."""
        return self._index.owners()

    def documents(self) -> list[Row]:
        """Every document, by owner: a record of it, not its bytes."""
        return self._index.all()

    def peek(self, row: Row) -> bytes | None:
        """The bytes of one of these, or of what was put in its place since; None where they are not what was put, or it
        was removed. No use, and nothing is changed."""
        current: Row | None = row
        while current is not None:
            try:
                return read_whole(self._path(current), current.size, current.sha256)
            except (OSError, ValueError):
                former, current = current, self._index.find(row.owner, row.key)
                if current == former:
                    return None
        return None

    def sweep(self) -> int:
        """Remove what was not used for too long, what is too much, and files that dead processes left; how many
        documents that were."""
        with self._index.writing():
            self._note_uses()
            self._remove_left()
            gone = [row for row in self._index.idle(self._clock() - self.keep_seconds) if self._index.remove(row)]
            gone += self._exceeding()
        self._unlink(gone)
        return len(gone)

    def check(self) -> Iterator[Trouble]:
        """Read every file; yield those that are not what was put, and those that nobody has put here.

        Others may put and remove meanwhile: a file with a document's name and no entry is on its way in or out, or left
        for `sweep`.
        """
        rows = {self._path(row): row for row in self._index.all()}
        for path, row in rows.items():
            try:
                read_whole(path, row.size, row.sha256)
            except (OSError, ValueError) as error:
                if self._is_unreadable(row):
                    yield Trouble(path, _said(error), row if _is_damage(error) else None)
        for path in sorted(self._documents.iterdir()):
            if path not in rows and path.suffix != PARTIAL and NAME.fullmatch(path.name) is None:
                yield Trouble(path, "it is none of the documents", None)

    def remove(self, trouble: Trouble) -> None:
        """Take out a document that is not what was put; what nobody has put here stays where it is."""
        if trouble.row is not None:
            self._take_out([trouble.row])

    def close(self) -> None:
        """See `Store`."""
        with suppress(CacheError), self._index.writing():
            self._note_uses()
        self._closing()

    def _path(self, row: Row) -> Path:
        return self._documents / f"{row.owner}.{row.key}.{row.sha256}.safetensors"

    def _lose(self, row: Row, error: Exception) -> None:
        """Say that a document cannot be had, and take it out unless it may be there again."""
        logger.warning(
            "A document in %s %s: %s.", self.folder, "is lost" if _is_damage(error) else "cannot be read", _said(error)
        )
        if _is_damage(error):
            self._take_out([row])

    def _take_out(self, rows: list[Row]) -> None:
        if not rows:
            return
        try:
            gone = self._removed(rows)
        except CacheError:
            # A full disk does not even take that something is gone. Its file goes first then, and makes room.
            for row in rows:
                remove(self._path(row))
            gone = self._removed(rows)
        self._unlink(gone)

    def _removed(self, rows: list[Row]) -> list[Row]:
        """Take documents out of the index; those that were there."""
        with self._index.writing():
            return [row for row in rows if self._index.remove(row)]

    def _is_unreadable(self, row: Row) -> bool:
        """Whether a document of the index cannot be read, while nobody puts or removes any."""
        with self._index.writing():
            if self._index.find(row.owner, row.key) != row:
                return False
            try:
                read_whole(self._path(row), row.size, row.sha256)
            except (OSError, ValueError):
                return True
            return False

    def _unlink(self, rows: list[Row]) -> None:
        """Remove the files of documents that are out of the index, unless the same ones were put again meanwhile.

        What cannot be removed now is a file without an entry.
        """
        if rows:
            with suppress(CacheError), self._index.writing():
                for row in rows:
                    if self._index.find(row.owner, row.key) != row:
                        remove(self._path(row))

    def _note_uses(self) -> None:
        """Enter the uses since the last time; within `writing`."""
        with self._uses_lock:
            uses, self._uses = self._uses, {}
        for (owner, key), used in uses.items():
            self._index.touch(owner, key, used)

    def _exceeding(self, newest: Row | None = None) -> list[Row]:
        """Take out the least recently used documents until the rest fits; within `writing`."""
        left, gone = self._index.nbytes() - self.capacity, []
        for row in self._index.unused() if left > 0 else []:
            if left > 0 and row != newest and self._index.remove(row):
                left -= row.size
                gone.append(row)
        return gone

    def _remove_left(self) -> None:
        """Remove the files that dead processes left; within `writing`."""
        # Nobody gives a file its name meanwhile, so one without an entry was never committed.
        known = {self._path(row) for row in self._index.all()}
        for path in self._documents.iterdir():
            if path.suffix == PARTIAL:
                with suppress(FileNotFoundError):
                    if path.lstat().st_mtime < self._clock() - LEFT_SECONDS:
                        remove(path)
            elif path not in known and _named(path) is not None:
                remove(path)

    def _named(self) -> Iterator[tuple[Row, float]]:
        """The documents that the names of the files tell of, the older first, with the times they were written."""
        rows = [
            (row, found.st_mtime)
            for path in self._documents.iterdir()
            if (row := _named(path)) is not None
            and stat.S_ISREG((found := path.lstat()).st_mode)
            and row.size <= LARGEST
        ]
        yield from sorted(rows, key=lambda each: each[1])


def _named(path: Path) -> Row | None:
    """The document whose file has that name, None for any other file."""
    found = NAME.fullmatch(path.name)
    if found is None:
        return None
    owner, key, sha256 = found.groups()
    try:
        return Row(owner, key, os.lstat(path).st_size, sha256)
    except FileNotFoundError:
        return None


def _is_damage(error: Exception) -> bool:
    """Whether what `read_whole` raised will not pass."""
    return isinstance(error, ValueError)


def _said(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
