"""Folders that belong to one owner each, and are found out when their owner has died.

An owner holds a lock on a file in its folder for as long as it lives; the system takes the lock back from a process
that dies, however it dies. So a folder whose lock is free has no owner.
"""

import logging
import shutil
import tempfile
import weakref
from pathlib import Path

from filelock import FileLock, Timeout

from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
PREFIX = "session-"
LOCK = "owner.lock"


class OwnFolder:
    """A new folder in `parent`, which is made where it is missing. It goes with this object, or with the next owner.

    Folders that dead processes have left in `parent` are removed. Raises CacheError where there can be no folder.
    """

    def __init__(self, parent: Path) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            sweep(parent)
            self.path, lock = _claimed(parent)
        except OSError as error:
            raise CacheError(f"Runs cannot be kept in {parent}: {error.strerror}. Choose another folder.") from error
        weakref.finalize(self, _remove, self.path, lock)


def sweep(parent: Path) -> None:
    """Remove the folders in `parent` whose owners have died; what cannot be removed stays."""
    for lock_path in parent.glob(f"{PREFIX}*/{LOCK}"):
        lock = FileLock(lock_path)
        try:
            lock.acquire(blocking=False)
        # Its owner lives, or has just removed it, or is somebody whose files we may not touch.
        except (Timeout, OSError, RuntimeError):
            continue
        _remove(lock_path.parent, lock)
        logger.info("the runs that a dead process left in %s are removed", lock_path.parent)


def _claimed(parent: Path) -> tuple[Path, FileLock]:
    """A new folder with the lock that makes it ours."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = FileLock(path / LOCK)
        try:
            lock.acquire(blocking=False)
        # Somebody sweeps: between the two lines the folder looked like that of a dead process.
        except (Timeout, FileNotFoundError):
            continue
        return path, lock


def _remove(path: Path, lock: FileLock) -> None:
    shutil.rmtree(path, ignore_errors=True)
    lock.release()
