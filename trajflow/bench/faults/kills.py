"""kill -9 while runs are saved and while they are made: what was committed is there, whole, afterwards."""

import hashlib
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trajflow.base import Model
from trajflow.bench.faults.victim import KEYS, OWNER
from trajflow.cache.document import read_document
from trajflow.cache.folder_store import FolderStore
from trajflow.errors import CacheError, TrajflowError
from trajflow.session import Session

SEED = 0
PATIENCE_SECONDS = 120.0
# No bars and notices of libraries that load.
QUIET = {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}


@dataclass(frozen=True)
class Killed:
    """What was found after so many kills: documents that were committed, those of them that are gone, files that are
    not what was written, and runs that a restarted session does not answer with, bit for bit."""

    kills: int
    committed: int
    lost: int
    torn: int
    unserved: int = 0

    @property
    def is_clean(self) -> bool:
        """Nothing is missing, and something was at stake."""
        return self.committed > 0 and not (self.lost or self.torn or self.unserved)


class Victim:
    """A process whose children are killed; `lines` are what they say."""

    def __init__(self, kind: str, folder: Path, name: str, steps: int) -> None:
        command = [sys.executable, "-m", "trajflow.bench.faults.victim", kind, str(folder), name, str(steps)]
        # A group of its own, so that its children end with it.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **QUIET},
        )
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait("ready")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put("over")

    def end(self) -> None:
        """End it, and every child of it."""
        # Until it is waited for, its group is there, also of one that was killed before.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            # What was not taken any more is lost with its reader.
            with suppress(BrokenPipeError):
                pipe.close()

    def line(self) -> str:
        """The next line. Raises TrajflowError when there is none."""
        try:
            line = self.lines.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            raise TrajflowError(f"The process that was to be killed said nothing for {PATIENCE_SECONDS:g} s.") from None
        if line == "over":
            raise TrajflowError("The process that was to be killed has ended by itself.")
        return line

    def wait(self, beginning: str) -> list[str]:
        """The lines up to the first one that begins so."""
        lines = [self.line()]
        while not lines[-1].startswith(beginning):
            lines.append(self.line())
        return lines

    def rest(self) -> Iterator[str]:
        """What it still says."""
        while (line := self.lines.get(timeout=PATIENCE_SECONDS)) != "over":
            yield line

    def die(self, after: float, first: str) -> Iterator[tuple[str, str]]:
        """Start a child and kill it `after` so many seconds from its first such line: keys and checksums it kept."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        # Who forks and who is forked speak at once: either may be heard first.
        lines = self.wait("child")
        child = int(lines[-1].split()[1])
        if not any(line.startswith(first) for line in lines):
            lines += self.wait(first)
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        lines += self.wait("ended")
        yield from _kept(lines)


@contextmanager
def victim(kind: str, folder: Path, name: str = "-", steps: int = 0) -> Iterator[Victim]:
    """A process with children to be killed; it ends with the block."""
    made = Victim(kind, folder, name, steps)
    try:
        yield made
    finally:
        made.end()


def kills_while_saving(folder: Path, count: int) -> Killed:
    """Kill a process that puts documents over and over; look after each kill, as a restart would."""
    chance, lost, torn, committed = random.Random(SEED), 0, 0, 0
    last: dict[str, str] = {}
    with victim("save", folder) as process:
        for _ in range(count):
            kept = list(process.die(chance.uniform(0, 0.05), "kept"))
            committed += len(kept)
            last.update(kept)
            store = FolderStore(folder)
            torn += len(list(store.check()))
            for number in range(KEYS):
                key = f"{number:032x}"
                document = store.get(OWNER, key)
                if document is None:
                    lost += key in last
                elif key in last and hashlib.sha256(document).hexdigest() != last[key]:
                    # The next one had been committed when the child died before it could say so.
                    words = document.split()
                    torn += len(set(zip(words[::2], words[1::2], strict=False))) != 1
                    last[key] = hashlib.sha256(document).hexdigest()
            store.close()
    return Killed(count, committed, lost, torn)


def kills_while_running(model: Model, name: str, folder: Path, count: int, steps: int) -> Killed:
    """Kill a process that makes pictures and keeps each; at the end a new session answers with all that were kept."""
    chance = random.Random(SEED)
    kept: dict[str, str] = {}
    one = 0.0
    for number in range(count):
        with victim("run", folder, name, steps) as process:
            lines, began = process.wait("begun"), time.monotonic()
            if number == 0:
                lines += process.wait("kept")
                one = time.monotonic() - began
            time.sleep(chance.uniform(0, 2 * one))
            os.killpg(process.process.pid, signal.SIGKILL)
            lines += process.rest()
        kept.update(_kept(lines))
    store = FolderStore(folder)
    torn, lost, unserved = len(list(store.check())), 0, 0
    for key, sha256 in kept.items():
        document = store.get(OWNER, key)
        if document is None or hashlib.sha256(document).hexdigest() != sha256:
            lost += 1
            continue
        unserved += not _is_served(model, document)
    store.close()
    return Killed(count, len(kept), lost, torn, unserved)


def _kept(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Keys and checksums of what was kept."""
    for line in lines:
        if line.startswith("kept "):
            _, key, sha256 = line.split()
            yield key, sha256


def _is_served(model: Model, document: bytes) -> bool:
    """Whether a session that takes the run over answers its request from it, with the very picture."""
    try:
        entry = read_document(document)
    except CacheError:
        return False
    session, asked = Session(model), entry.result.request
    session.adopt(entry)
    answer = session.generate(asked.prompt, seed=asked.seed, steps=asked.steps, strategy="auto")
    return answer.from_store and answer.image.tobytes() == entry.result.image.tobytes()
