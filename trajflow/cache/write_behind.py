"""A store that answers at once and writes a moment later, one document after the other, in a thread of its own.

Nobody waits for a slow disk, and of what is replaced or deleted meanwhile nothing is written: of the drafts of somebody
who types, for one. Whoever asks is answered from what waits. A process that is killed loses what waits, which is what
was put in the last moments; `close` writes it.
"""

import logging
import threading
from collections import OrderedDict

from trajflow.cache.store import Store, check_names
from trajflow.errors import CacheError

logger = logging.getLogger(__name__)
MOST_BYTES = 256 * 2**20
CLOSING_SECONDS = 6.0


class WriteBehind:
    """A `Store` before another one. At most `most_bytes` wait; beyond that, whoever puts waits too.

    What could not be written is told to whoever puts next, as a CacheError; what they put is tried all the same.
    """

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        # By owner and key what is to be written, or None where that is to be deleted; the oldest first.
        self._waiting: OrderedDict[tuple[str, str], bytes | None] = OrderedDict()
        self._trouble = ""
        self._is_closed = False
        self._thread = threading.Thread(target=self._write, name="trajflow-store", daemon=True)
        self._thread.start()

    def put(self, owner: str, key: str, document: bytes) -> None:
        """See `Store`; it is kept a moment later. Raises CacheError when the last one could not be."""
        check_names(owner, key)
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._room() >= len(document) or not self._waiting)
            self._add(owner, key, document)
            if self._trouble:
                raise CacheError(self._trouble)

    def get(self, owner: str, key: str) -> bytes | None:
        """See `Store`."""
        check_names(owner, key)
        with self._changed:
            if (owner, key) in self._waiting:
                return self._waiting[owner, key]
        return self._store.get(owner, key)

    def delete(self, owner: str, key: str) -> None:
        """See `Store`; it is gone from there a moment later."""
        check_names(owner, key)
        with self._changed:
            self._add(owner, key, None)

    def keys(self, owner: str) -> tuple[str, ...]:
        """See `Store`."""
        check_names(owner)
        # In this order: what is written in between is seen twice, and not missed.
        with self._changed:
            waiting = {key: document for (whose, key), document in self._waiting.items() if whose == owner}
        kept = set(self._store.keys(owner)) | set(waiting)
        return tuple(key for key in kept if waiting.get(key, b"") is not None)

    def drop(self, owner: str) -> None:
        """See `Store`; all is gone from there a moment later."""
        for key in self.keys(owner):
            self.delete(owner, key)

    @property
    def nbytes(self) -> int:
        """Bytes of all documents that are kept by now."""
        return self._store.nbytes

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until nothing waits to be written, or that long; whether nothing does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def close(self) -> None:
        """Write what waits, which may take `CLOSING_SECONDS`, and close the store."""
        if not self.flush(CLOSING_SECONDS):
            logger.warning("The store is slow: %d documents were not written.", len(self._waiting))
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(1.0)
        # A disk that does not answer keeps nobody from ending.
        if not self._thread.is_alive():
            self._store.close()

    def _room(self) -> int:
        return self._most_bytes - sum(len(document or b"") for document in self._waiting.values())

    def _add(self, owner: str, key: str, document: bytes | None) -> None:
        if self._is_closed:
            raise CacheError("The store is closed.")
        self._waiting.pop((owner, key), None)
        self._waiting[owner, key] = document
        self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                name, document = next(iter(self._waiting.items()))
            trouble = self._written(*name, document)
            with self._changed:
                self._trouble = trouble
                # Another one may wait under its name by now.
                if self._waiting.get(name) is document:
                    self._waiting.pop(name, None)
                self._changed.notify_all()

    def _written(self, owner: str, key: str, document: bytes | None) -> str:
        """Do one thing; what went wrong."""
        try:
            if document is None:
                self._store.delete(owner, key)
            else:
                self._store.put(owner, key, document)
        except CacheError as error:
            return str(error)
        # It is nobody's thread: what ends it would end the keeping of everything.
        except Exception as error:
            logger.exception("a document could not be written")
            return f"The store failed ({type(error).__name__})."
        return ""
