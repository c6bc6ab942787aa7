"""What a store of trajectories does: it keeps documents, by owner and key, beyond the life of a process.

A document is bytes. `cache/document.py` makes one of a finished run with all that goes with it, and reads it back with
every check, so that a store need not know what it holds; a session's notes are documents beside its runs. The owner is
whose they are, by default a session: nobody is given a document without naming its owner.
"""

import hashlib
import re
from typing import Protocol, runtime_checkable

from trajflow.errors import CacheError

OWNER = re.compile(r"[0-9a-f]{64}")
KEY = re.compile(r"[0-9a-z-]{1,64}")


@runtime_checkable
class Store(Protocol):
    """Documents of many owners. Any thread of any process may call, also several at once; whole documents only.

    Every method raises CacheError when the store cannot be asked, or is given an owner or a key that cannot be. When
    there is no room, the least recently used documents of the least recently used owners go first.
    """

    def put(self, owner: str, key: str, document: bytes) -> None:
        """Keep a document in place of the former one of that key; once this returns, no crash takes it back.

        Raises CacheError when it cannot be kept: the former one stays.
        """

    def get(self, owner: str, key: str) -> bytes | None:
        """The document as it was put, or None: there is none, or what is there is not what was put, which the log says.

        Counts as a use.
        """

    def delete(self, owner: str, key: str) -> None:
        """Remove a document; nothing happens where there is none."""

    def keys(self, owner: str) -> tuple[str, ...]:
        """The keys of an owner's documents, in no order."""

    def drop(self, owner: str) -> None:
        """Remove everything of an owner."""

    @property
    def nbytes(self) -> int:
        """Bytes of all documents."""

    def close(self) -> None:
        """Let go of what is open; what was kept stays kept."""


def owner_of(secret: str) -> str:
    """Whom a store knows by a session's secret: who reads the store cannot open the session.

    >>> owner_of("a secret")[:8]
    '984ca516'
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def check_names(owner: str, key: str = "all") -> None:
    """Raises CacheError for an owner that `owner_of` did not make, or a key of anything but digits, a-z and hyphens."""
    if not OWNER.fullmatch(owner) or not KEY.fullmatch(key):
        raise CacheError("A document is kept under its owner, 64 hexadecimal digits, and a key of 1 to 64 of 0-9a-z-.")
