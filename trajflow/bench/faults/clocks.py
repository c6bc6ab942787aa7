"""A disk that takes its time, and a clock that jumps: others go on meanwhile, and what is kept stays what it is."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from trajflow.base import Model
from trajflow.bench.faults.victim import OWNER
from trajflow.cache.document import write_document
from trajflow.cache.folder_store import FolderStore
from trajflow.session import Session

PROMPT, AFTER = "a mountain at dusk", "a mountain at dawn"
DAY = 86_400.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Slowed:
    """`seconds` that a document took to be kept, and the pictures that somebody else made meanwhile, with those of them
    that are not what they are undisturbed."""

    seconds: float
    pictures: int
    wrong: int


@contextmanager
def slow_disk(seconds: float, others: threading.Event) -> Iterator[None]:
    """Whatever is to be on the disk for certain takes so long, and until `others` were served. Raises TimeoutError
    where nobody is, as the disk is waited for."""
    flush = os.fsync

    def wait(number: int) -> None:
        time.sleep(seconds)
        if not others.wait(PATIENCE_SECONDS):
            raise TimeoutError("Nobody was served while the disk was slow.")
        flush(number)

    with mock.patch("os.fsync", wait):
        yield


@contextmanager
def clock_off(seconds: float) -> Iterator[None]:
    """The wall clock shows another time; the one that only counts seconds goes on, as with a real jump."""
    now = time.time

    def shown() -> float:
        return now() + seconds

    with mock.patch("time.time", shown):
        yield


def slowed(model: Model, folder: Path, seconds: float, steps: int, side: int) -> Slowed:
    """Keep a run on a slow disk in one thread, make pictures in another."""
    asked: dict[str, Any] = {"seed": 7, "steps": steps, "width": side, "height": side}
    session = Session(model)
    session.generate(PROMPT, **asked)
    expected = Session(model).generate(AFTER, **asked).image.tobytes()
    document, store = write_document(session.entries()[0]), FolderStore(folder)
    took: list[float] = []

    def keep() -> None:
        began = time.monotonic()
        store.put(OWNER, "0" * 32, document)
        took.append(time.monotonic() - began)

    pictures = wrong = 0
    served = threading.Event()
    with slow_disk(seconds, served):
        thread = threading.Thread(target=keep)
        thread.start()
        while thread.is_alive():
            wrong += Session(model).generate(AFTER, **asked).image.tobytes() != expected
            pictures += 1
            served.set()
        thread.join()
    store.close()
    return Slowed(took[0], pictures, wrong)


def jumps(model: Model, folder: Path, steps: int, side: int) -> tuple[int, int]:
    """(Jumps, harm): make, keep and ask again while the clock goes back and forth by hours and days."""
    asked: dict[str, Any] = {"seed": 7, "steps": steps, "width": side, "height": side}
    session, store = Session(model), FolderStore(folder)
    ahead = [0.0, 3600.0, -3600.0, DAY, -DAY, 7 * DAY, -7 * DAY, 0.0]
    harm = 0
    kept: dict[str, bytes] = {}
    for number, seconds in enumerate(ahead):
        with clock_off(seconds):
            result = session.generate(f"{PROMPT} {number}", **asked)
            document = kept[result.key] = write_document(session.entries()[0])
            store.put(OWNER, result.key, document)
            store.sweep()
            harm += [entry.key for entry in session.entries()] != list(reversed(kept))
            harm += sum(store.get(OWNER, key) != document for key, document in kept.items())
            harm += not session.generate(f"{PROMPT} {number}", **asked).from_store
            harm += any(took < 0 for took in result.seconds.values())
    store.close()
    return len(ahead), harm
