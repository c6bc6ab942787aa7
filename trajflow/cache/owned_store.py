"""One owner's part of a store: finished runs, and notes beside them.

A store that fails costs only what it would have kept: the work goes on, and the log says so once, and once more when
all is well again.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from trajflow.cache.document import read_document, write_document
from trajflow.cache.entry import Entry
from trajflow.cache.store import Store
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")
RUN = re.compile(r"[0-9a-f]{32}")
LONGEST_NOTE = 16 * 2**20


class OwnedStore:
    """What `owner` keeps in a store. Every method may be called from any thread; none raises when the store fails."""

    def __init__(self, store: Store, owner: str) -> None:
        self.owner = owner
        self.trouble = ""
        self._store = store
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept, as far as the store says."""
        return not self.keys()

    def keys(self) -> tuple[str, ...]:
        """The keys of every run and every note."""
        nothing: tuple[str, ...] = ()
        return self._asked(lambda: self._store.keys(self.owner), nothing)

    def put(self, entry: Entry) -> None:
        """Keep a run in place of the former one of its key."""

        def write() -> None:
            self._store.put(self.owner, entry.key, write_document(entry.in_memory()))

        self._asked(write, None, is_keeping=True)

    def entries(self) -> list[Entry]:
        """Every run that can be read, the first made first. A document that cannot stays, and the log says so."""
        found = [entry for key in self.keys() if RUN.fullmatch(key) and (entry := self._read(key)) is not None]
        return sorted(found, key=lambda entry: entry.created)

    def delete(self, key: str) -> None:
        """Remove a run."""
        self._asked(lambda: self._store.delete(self.owner, key), None)

    def clear(self) -> None:
        """Remove every run and every note."""
        self._asked(lambda: self._store.drop(self.owner), None)

    def write_note(self, name: str, note: Mapping[str, Any]) -> None:
        """Keep a note, plain JSON, in place of the former one of that name."""
        written = json.dumps(note).encode()
        self._asked(lambda: self._store.put(self.owner, f"note-{name}", written), None, is_keeping=True)

    def read_note(self, name: str) -> dict[str, Any]:
        """The note of that name, empty where there is none that can be read; its reader checks what it says."""
        written = self._asked(lambda: self._store.get(self.owner, f"note-{name}"), None)
        try:
            note = json.loads(written) if written and len(written) <= LONGEST_NOTE else {}
        except (ValueError, RecursionError):
            note = None
        if not isinstance(note, dict):
            logger.warning("The note %r of a session cannot be read. It is passed over.", name)
            return {}
        return note

    def _read(self, key: str) -> Entry | None:
        document = self._asked(lambda: self._store.get(self.owner, key), None)
        if document is None:
            return None
        try:
            entry = read_document(document)
            if entry.key != key:
                raise CacheError("It is the run of another key.")
        except CacheError as error:
            logger.warning("A run of a session is passed over. %s", error)
            return None
        return entry

    def _asked(self, ask: Callable[[], Answer], otherwise: Answer, *, is_keeping: bool = False) -> Answer:
        """What the store answers, or `otherwise` when it fails; all is well again once it has kept something."""
        try:
            answer, trouble = ask(), ("" if is_keeping else self.trouble)
        except CacheError as error:
            answer, trouble = otherwise, str(error)
        with self._lock:
            is_new, self.trouble = trouble != self.trouble, trouble
        if is_new:
            logger.warning("%s", f"{trouble} The work goes on, and is not kept." if trouble else "Work is kept again.")
        return answer
