"""Files that are whole or not there, and that are believed only when they are what was written.

A file appears under its name only when all of it is on the disk: temporary name, fsync, rename, fsync of the folder. It
is read as a whole, for a mapped one that others cut would end the process, and never through a link.
"""

import errno
import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

PARTIAL = ".partial"


def write_partial(folder: Path, document: bytes) -> Path:
    """The document under a temporary name, on the disk. Raises OSError, with nothing left."""
    path = folder / f"{secrets.token_hex(16)}{PARTIAL}"
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        remove(path)
        raise
    return path


def put_in_place(partial: Path, path: Path) -> None:
    """Give a partial file its name. Raises OSError, with no temporary file left."""
    try:
        os.replace(partial, path)
    except OSError:
        remove(partial)
        raise
    flush_names(path.parent)


def read_whole(path: Path, size: int, sha256: str) -> bytes:
    """The file's bytes. Raises ValueError where it is not what was written, OSError where nobody can tell now."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        raise ValueError("it is gone, or has become a link") from error
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        os.close(number)
        raise ValueError("it has been replaced or cut")
    with os.fdopen(number, "rb") as file:
        document = file.read(size + 1)
    if hashlib.sha256(document).hexdigest() != sha256:
        raise ValueError("its checksum is another one")
    return document


def remove(path: Path) -> None:
    """Remove a file or a link; what cannot be removed stays."""
    with suppress(OSError):
        path.unlink()


def flush_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
