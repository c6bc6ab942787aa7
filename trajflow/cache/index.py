"""The index of a folder of documents, in SQLite: whose they are, how large, and when they were used.

It is in WAL mode, so several processes read and write at once, and a change that was committed outlives a crash. The
version is SQLite's `user_version`; opening an older index brings it to this one, step by step, in one transaction. An
index that cannot be read is put aside: the names of the files tell all but the times, and a new one is made from them.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
BUSY_SECONDS = 30.0


class Row(NamedTuple):
    """A document: its owner and key, its bytes and their sha256 (hex)."""

    owner: str
    key: str
    size: int
    sha256: str


def _begin(connection: sqlite3.Connection) -> None:
    """From nothing: owners, and their documents. Times are unix seconds."""
    connection.execute("CREATE TABLE owners (owner TEXT PRIMARY KEY, used REAL NOT NULL) WITHOUT ROWID")
    connection.execute(
        "CREATE TABLE documents (owner TEXT NOT NULL REFERENCES owners ON DELETE CASCADE, key TEXT NOT NULL, "
        "size INTEGER NOT NULL, sha256 TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID"
    )


TABLES = {"owners", "documents"}
# What brings an index from version n to n + 1, by n.
STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_begin,)


class Index:
    """The open index at a path, which is made where there is none. Raises CacheError where it cannot be.

    `found` are the documents to begin with where an index is new: they are asked for only then.
    """

    def __init__(self, path: Path, found: Callable[[], Iterator[tuple[Row, float]]]) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            try:
                self._connection = _opened(path)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                # The disk, or another process, and not the index.
                if isinstance(error, sqlite3.OperationalError):
                    raise
                _put_aside(path, error)
                self._connection = _opened(path)
            try:
                self._bring_up(found)
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise CacheError(f"The index {path} cannot be used: {error}.") from error

    def _bring_up(self, found: Callable[[], Iterator[tuple[Row, float]]]) -> None:
        """Every step that the index lacks."""
        with self.writing() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(STEPS):
                raise CacheError(
                    f"{self.path.parent} was written by a later version of trajflow (its index has version {version}, "
                    f"this one knows {len(STEPS)}). Use that version, or another folder."
                )
            for step in STEPS[version:]:
                step(connection)
            if version == 0:
                for row, used in found():
                    self.put(row, used)
            connection.execute(f"PRAGMA user_version = {len(STEPS)}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside, also of other processes. Raises CacheError where it fails."""
        with self._lock, _told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def find(self, owner: str, key: str) -> Row | None:
        """A document."""
        rows = self._rows("WHERE owner = ? AND key = ?", owner, key)
        return rows[0] if rows else None

    def of(self, owner: str) -> list[Row]:
        """The documents of an owner."""
        return self._rows("WHERE owner = ?", owner)

    def all(self) -> list[Row]:
        """Every document, by owner."""
        return self._rows("ORDER BY owner, key")

    def unused(self) -> list[Row]:
        """Every document, the least recently used owner's first, and of each owner the least recently used first."""
        return self._rows("JOIN owners USING (owner) ORDER BY owners.used, owner, documents.used")

    def idle(self, before: float) -> list[Row]:
        """The documents of owners that were not used since `before`."""
        return self._rows("JOIN owners USING (owner) WHERE owners.used < ?", before)

    def owners(self) -> list[tuple[str, float, int, int]]:
        """Every owner with the time of the last use, the number of documents and their bytes, last used first."""
        with self._lock, _told(self.path):
            return self._connection.execute(
                "SELECT owner, owners.used, count(*), sum(size) FROM owners JOIN documents USING (owner) "
                "GROUP BY owner ORDER BY owners.used DESC"
            ).fetchall()

    def nbytes(self) -> int:
        """Bytes of all documents."""
        with self._lock, _told(self.path):
            return self._connection.execute("SELECT coalesce(sum(size), 0) FROM documents").fetchone()[0]

    def put(self, row: Row, used: float) -> None:
        """Enter a document, in place of the former one; within `writing`."""
        connection = self._connection
        connection.execute(
            "INSERT INTO owners VALUES (?, ?) ON CONFLICT DO UPDATE SET used = max(used, excluded.used)",
            (row.owner, used),
        )
        connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", (*row, used))

    def touch(self, owner: str, key: str, used: float) -> None:
        """Note a use; within `writing`."""
        connection = self._connection
        connection.execute("UPDATE owners SET used = max(used, ?) WHERE owner = ?", (used, owner))
        connection.execute("UPDATE documents SET used = ? WHERE owner = ? AND key = ?", (used, owner, key))

    def remove(self, row: Row) -> bool:
        """Take out a document, unless it was replaced meanwhile; within `writing`. Whether it was there."""
        connection = self._connection
        gone = connection.execute("DELETE FROM documents WHERE owner = ? AND key = ? AND sha256 = ?", row[:2] + row[3:])
        connection.execute(
            "DELETE FROM owners WHERE owner = ? AND owner NOT IN (SELECT owner FROM documents)", (row.owner,)
        )
        return gone.rowcount > 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _rows(self, condition: str, *values: str | float) -> list[Row]:
        query = f"SELECT owner, key, size, sha256 FROM documents {condition}"
        with self._lock, _told(self.path):
            return [Row(*row) for row in self._connection.execute(query, values)]


def _opened(path: Path) -> sqlite3.Connection:
    """The file, open, and found to be sound as far as a quick check sees. Raises sqlite3.Error and OSError."""
    # Made here, so that nobody else may read it, and never through a link.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for setting in (
            "trusted_schema = OFF",
            "journal_mode = WAL",
            # A commit is on the disk when it returns.
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {setting}")
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if said != "ok" or (tables != TABLES if version else tables):
            raise sqlite3.DatabaseError(said if said != "ok" else "its tables are others")
    except BaseException:
        connection.close()
        raise
    return connection


def _put_aside(path: Path, error: Exception) -> None:
    """Rename an index that cannot be read, with what belongs to it. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged")
    logger.warning("The index %s is damaged (%s). It is kept as %s and made anew.", path, error, aside.name)
    os.replace(path, aside)
    for beside in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(path.with_name(path.name + beside), aside.with_name(aside.name + beside))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of SQLite as ours."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise CacheError(f"The index {path} cannot be used: {error}.") from error
