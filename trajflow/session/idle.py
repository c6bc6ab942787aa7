"""A thread that works while a session is idle, and holds on to nothing: a session that nobody uses any more can go."""

import threading
import weakref
from collections.abc import Callable


class Bell:
    """Wakes one waiting thread; rings that nobody waited for are kept as one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = False
        self._closed = False

    def ring(self) -> None:
        """There may be something to do."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def close(self) -> None:
        """There never will be again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self) -> bool:
        """Wait for a ring, and take it; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung or self._closed)
            self._rung = False
            return not self._closed


class IdleWorker:
    """Calls `work`, a method, in a daemon thread after every ring; ends when closed or when its object is gone."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._bell = Bell()
        self._thread = threading.Thread(
            target=_work, args=(weakref.WeakMethod(work), self._bell), name="trajflow-idle", daemon=True
        )
        # A method's owner that is collected without being closed must not leave the thread waiting.
        weakref.finalize(work.__self__, self._bell.close)  # type: ignore[attr-defined]
        self._thread.start()

    def ring(self) -> None:
        """There may be something to do."""
        self._bell.ring()

    def close(self) -> None:
        """End after the work at hand, and wait for that."""
        self._bell.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()


def _work(work: Callable[[], Callable[[], None] | None], bell: Bell) -> None:
    while bell.wait():
        method = work()
        if method is None:
            return
        method()
        del method
