"""A process to be killed: `python -m trajflow.bench.faults.victim save|run FOLDER MODEL`.

It says in a line what it has kept, each time only after the store said so. What saves forks a child for every line on
its standard input, so that many can be killed in little time; what runs a network is the process itself, because a
forked one has lost the threads of its libraries.
"""

import hashlib
import os
import sys
from pathlib import Path

from trajflow.bench.load.prompts import prompt
from trajflow.cache.document import write_document
from trajflow.cache.folder_store import FolderStore
from trajflow.cache.store import owner_of
from trajflow.session import Session

OWNER = owner_of("the victim")
# A document of a few hundred kilobytes, as runs are.
DOCUMENT_BYTES = 300_000
KEYS = 12


def say(line: str) -> None:
    """A whole line at once: the reader must not see half of one."""
    os.write(1, f"{line}\n".encode())


def save(folder: Path, turn: int) -> None:
    """Put documents over and over, a few keys in turn."""
    store = FolderStore(folder)
    for number in range(10**9):
        key = f"{number % KEYS:032x}"
        document = f"{turn} {number} ".encode() * (DOCUMENT_BYTES // 16)
        store.put(OWNER, key, document)
        say(f"kept {key} {hashlib.sha256(document).hexdigest()}")


def run(folder: Path, turn: int, session: Session, steps: int) -> None:
    """Make pictures, and put each one's run when it is finished."""
    store = FolderStore(folder)
    for number in range(10**9):
        say("begun")
        result = session.generate(prompt(100 * turn + number), seed=turn, steps=steps, strategy="baseline")
        [entry] = (entry for entry in session.entries() if entry.key == result.key)
        document = write_document(entry)
        store.put(OWNER, entry.key, document)
        say(f"kept {entry.key} {hashlib.sha256(document).hexdigest()}")


def main(kind: str, folder: Path, name: str, steps: int) -> None:
    """Make pictures, or fork a child that saves for every line that comes in."""
    if kind == "run":
        from trajflow.models.registry import load

        session = Session(load(name))
        say("ready")
        run(folder, os.getpid() % 1000, session, steps)
    say("ready")
    for turn, _ in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            save(folder, turn)
        say(f"child {child}")
        os.waitpid(child, 0)
        say("ended")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
