"""Damaged files, a disk that is full, and two processes in one folder: a miss, never a wrong picture."""

import os
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trajflow.bench.faults.victim import KEYS, OWNER
from trajflow.cache import Entry
from trajflow.cache.document import read_document, write_document
from trajflow.cache.folder_store import FolderStore
from trajflow.errors import CacheError

KEY = "0" * 32
Harm = Callable[[Path, random.Random], None]


@dataclass(frozen=True)
class Harmed:
    """How often something was harmed, how often that was a miss, and what must not be: wrong answers and crashes."""

    count: int
    misses: int
    wrong: int
    crashes: int

    @property
    def is_clean(self) -> bool:
        """A miss, or the very document."""
        return not (self.wrong or self.crashes)


def cut(path: Path, chance: random.Random) -> None:
    """Less of it than there was."""
    os.truncate(path, chance.randrange(path.stat().st_size))


def flip(path: Path, chance: random.Random) -> None:
    """One bit is another one."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def spoil_header(path: Path, chance: random.Random) -> None:
    """A header of another length, of nonsense, or of none."""
    data = path.read_bytes()
    length = chance.choice([0, 2, 2**40, 2**63 + 1, chance.randrange(len(data))])
    words = chance.choice([b"", b"{", b"[" * 5000, b'{"__metadata__":[]}', chance.randbytes(64)])
    path.write_bytes(length.to_bytes(8, "little") + words + data[8 + len(words) :])


def link(path: Path, chance: random.Random) -> None:
    """A link to somewhere else in its place, to the very document now and then."""
    target = path.with_name("elsewhere")
    target.unlink(missing_ok=True)
    path.rename(target)
    path.symlink_to(chance.choice([str(target), "/etc/passwd", "/dev/zero", str(path), "nowhere"]))


HARMS: dict[str, Harm] = {"bad header": spoil_header, "truncation": cut, "bit flip": flip, "symlink": link}


def harmed(folder: Path, entry: Entry, harm: Harm, count: int) -> Harmed:
    """Put a run, harm its file and ask for it, so many times over."""
    chance, misses, wrong, crashes = random.Random(0), 0, 0, 0
    document = write_document(entry)
    store = FolderStore(folder)
    for _ in range(count):
        store.put(OWNER, KEY, document)
        [path] = (each for each in folder.rglob("*.safetensors") if not each.is_symlink())
        harm(path, chance)
        try:
            found = store.get(OWNER, KEY)
        except CacheError:
            found = None
        # Whatever else it is, a visitor would have met it.
        except Exception:
            crashes += 1
            continue
        misses += found is None
        wrong += found is not None and found != document
        store.delete(OWNER, KEY)
        path.unlink(missing_ok=True)
    store.close()
    return Harmed(count, misses, wrong, crashes)


def harmed_documents(entry: Entry, count: int) -> Harmed:
    """The same without the store's checksum in between: what reads a document believes only a whole one."""
    chance, misses, wrong, crashes = random.Random(0), 0, 0, 0
    document = write_document(entry)
    for _ in range(count):
        data = bytearray(document)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            read = read_document(bytes(data[: chance.choice([len(data), chance.randrange(len(data))])]))
        except CacheError:
            misses += 1
        except Exception:
            crashes += 1
        else:
            wrong += read.result.image.tobytes() != entry.result.image.tobytes()
    return Harmed(count, misses, wrong, crashes)


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may grow beyond `most` bytes: the system refuses the rest, as on a disk without room.

    Only for the main thread, where signals are set.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def full_disks(folder: Path, entry: Entry, count: int) -> Harmed:
    """Put a run where there is room for a part of it: the former one stays, and no part of the new one does."""
    chance, misses, wrong, crashes = random.Random(0), 0, 0, 0
    document = write_document(entry)
    former = document[:-1] + bytes([document[-1] ^ 1])
    store = FolderStore(folder)
    store.put(OWNER, KEY, former)
    for _ in range(count):
        with full_disk(chance.randrange(len(document))):
            try:
                store.put(OWNER, KEY, document)
            except CacheError:
                misses += 1
            except Exception:
                crashes += 1
        wrong += store.get(OWNER, KEY) != former or len(list(folder.rglob("*.partial"))) > 0
    store.close()
    return Harmed(count, misses, wrong, crashes)


def two_processes(folder: Path, seconds: float) -> Harmed:
    """Two processes put the same keys in one folder while a third one asks for them."""
    import time

    from trajflow.bench.faults.kills import victim

    count = misses = wrong = crashes = 0
    with victim("save", folder) as one, victim("save", folder) as other:
        for process in (one, other):
            assert process.process.stdin is not None
            process.process.stdin.write("\n")
            process.process.stdin.flush()
            process.wait("kept")
        store, until = FolderStore(folder), time.monotonic() + seconds
        while time.monotonic() < until:
            for number in range(KEYS):
                count += 1
                try:
                    document = store.get(OWNER, f"{number:032x}")
                except Exception:
                    crashes += 1
                    continue
                misses += document is None
                words = document.split() if document is not None else []
                wrong += len(set(zip(words[::2], words[1::2], strict=False))) > 1
        for process in (one, other):
            crashes += process.process.poll() is not None
        torn = len(list(store.check()))
        store.close()
    return Harmed(count, misses, wrong + torn, crashes)
