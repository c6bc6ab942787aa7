"""The desk: everybody's work for the model, done by as many hands as the engine has, one by default, fair by person.

A job is an iterator of events that only the desk's threads drive, so nobody who walks away holds anything. No two hands
work for one person at once. Whose turn is
next is decided by who has waited longest since being served: for a person's oldest job, the later of its arrival and
of that person's last turn. Work in the background comes after all other. A job that yields `TURN` lets others go first
and goes on afterwards; so does every event of a background job. Nobody has more than a few jobs that wait, and
beyond a number of people who wait nobody more is let in.
"""

import contextvars
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trajflow.errors import Cancelled, TrajflowError
from trajflow.ui.account import Account, Ended
from trajflow.ui.limits import MOST_OF_A_PERSON, MOST_WAITING, Busy

logger = logging.getLogger(__name__)
Event = Mapping[str, Any]
TURN: Event = {"type": "turn"}
# Kept by the desk: a listener has no use for them.
UNTOLD = ("turn", "made")
SECONDS_SHARE = 0.3


class Job:
    """Work for one person; `deliver` is told every event, from the desk's thread, and the last is `done`.

    `work` is called in the desk's thread, within the context of whoever made the job.
    """

    def __init__(
        self,
        person: str,
        work: Callable[[], Iterator[Event]],
        deliver: Callable[[Event], None],
        *,
        is_background: bool = False,
    ) -> None:
        self.person = person
        self.is_background = is_background
        self.is_cancelled = False
        self.arrived = 0
        self.place = 0
        self.account = Account()
        self.made_at = time.monotonic()
        self.waited: float | None = None
        self.seconds = 0.0
        self._work = work
        self._deliver = deliver
        self._context = contextvars.copy_context()
        self._events: Iterator[Event] | None = None

    def cancel(self) -> None:
        """End at the next event; the last event says so."""
        self.is_cancelled = True

    def tell(self, event: Event) -> None:
        """Hand an event to whoever listens."""
        self._deliver(event)

    def advance(self) -> Event | None:
        """The next event, None when there are no more."""
        if self._events is None:
            self._events = self._context.run(self._work)
        return self._context.run(next, self._events, None)

    def close(self) -> None:
        """End the work where it is."""
        close = getattr(self._events, "close", None)
        if close is not None:
            self._context.run(close)


class Desk:
    """Takes jobs and does them, `hands` at a time. Every method may be called from any thread."""

    def __init__(self, most_waiting: int = MOST_WAITING, hands: int = 1) -> None:
        self.most_waiting = most_waiting
        self.hands = hands
        self._watchers: list[Callable[[Ended], None]] = []
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._ticks = itertools.count(1)
        self._served: dict[str, int] = {}
        self._seconds = 0.0
        names = ("trajflow-desk", *(f"trajflow-desk-{number}" for number in range(1, hands)))
        self._threads = [threading.Thread(target=self._serve, name=name, daemon=True) for name in names]
        for thread in self._threads:
            thread.start()

    def watch(self, watcher: Callable[[Ended], None]) -> None:
        """Tell `watcher` of every job that is over or was refused; it must be quick."""
        self._watchers.append(watcher)

    def submit(self, job: Job, *, supersedes: bool = False) -> None:
        """Take a job; with `supersedes` it takes the place of the same person's earlier ones, which end.

        Raises Busy, at once and with nothing changed, when too much waits already.
        """
        try:
            self._admit(job, supersedes)
        except Busy as busy:
            self._report(Ended(job.person, "refused", type(busy).__name__))
            raise

    def _admit(self, job: Job, supersedes: bool) -> None:
        with self._changed:
            self._check_room(job, supersedes)
            if supersedes:
                for other in self._of(job.person):
                    other.cancel()
            job.arrived = next(self._ticks)
            self._waiting.append(job)
            self._tell_places()
            self._changed.notify_all()

    def cancel(self, person: str) -> bool:
        """End everything of a person's; whether there was anything."""
        with self._changed:
            jobs = self._of(person)
            for job in jobs:
                job.cancel()
            self._changed.notify_all()
            return bool(jobs)

    def is_busy(self, person: str) -> bool:
        """Whether anything of a person's waits or runs."""
        with self._changed:
            return bool(self._of(person))

    @property
    def waiting(self) -> int:
        """Jobs that somebody waits for and that have not begun."""
        with self._changed:
            return len(self._awaited())

    @property
    def people_waiting(self) -> int:
        """People who wait for a job of theirs."""
        with self._changed:
            return len({job.person for job in self._awaited()})

    @property
    def is_ready(self) -> bool:
        """Whether one more job would be taken."""
        return all(thread.is_alive() for thread in self._threads) and self.waiting < self.most_waiting

    def _awaited(self) -> list[Job]:
        return [job for job in self._waiting if not job.is_background and not job.is_cancelled]

    def _check_room(self, job: Job, supersedes: bool) -> None:
        """Raises Busy. What a job supersedes makes room for it; what nobody waits for takes none."""
        awaited = [other for other in self._awaited() if not (supersedes and other.person == job.person)]
        own = sum(other.person == job.person for other in awaited)
        if own >= MOST_OF_A_PERSON:
            raise Busy(f"You have {own} requests waiting already.", own * self._seconds)
        if len(awaited) >= self.most_waiting and not job.is_background:
            raise Busy(f"The queue is full: {len(awaited)} requests wait.", self._seconds)

    def _of(self, person: str) -> list[Job]:
        return [job for job in (*self._waiting, *self._running) if job.person == person and not job.is_cancelled]

    def _rank(self, job: Job) -> tuple[bool, bool, int]:
        # A cancelled job only has to say so, which takes no time.
        return (not job.is_cancelled, job.is_background, max(job.arrived, self._served.get(job.person, 0)))

    def _tell_places(self) -> None:
        """Tell who waits how many are before them, when that has changed."""
        ahead = 1 if sum(not job.is_background for job in self._running) >= self.hands else 0
        for place, job in enumerate(sorted((j for j in self._waiting if not j.is_background), key=self._rank), ahead):
            if place != job.place and place:
                job.tell({"type": "queued", "place": place, "seconds": place * self._seconds / self.hands})
            job.place = place

    def _must_give_way(self, job: Job) -> bool:
        with self._changed:
            return any(not other.is_cancelled and other.is_background <= job.is_background for other in self._waiting)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._doable)
                job = min(self._doable(), key=self._rank)
                self._waiting.remove(job)
                self._running.append(job)
                self._tell_places()
            is_over = self._do(job)
            with self._changed:
                self._running.remove(job)
                self._served[job.person] = next(self._ticks)
                if not is_over:
                    self._waiting.append(job)
                # Who has nothing waiting is ranked by when they come next.
                waiting = {other.person for other in self._waiting}
                self._served = {person: turn for person, turn in self._served.items() if person in waiting}
                self._changed.notify_all()

    def _doable(self) -> list[Job]:
        """The jobs that wait, but for those of people who are being served."""
        served = {job.person for job in self._running}
        return [job for job in self._waiting if job.person not in served]

    def _do(self, job: Job) -> bool:
        """Drive a job until it ends or gives way; whether it has ended."""
        began = time.monotonic()
        job.waited = began - job.made_at if job.waited is None else job.waited
        last, failure = {"type": "done"}, ""
        try:
            while True:
                if job.is_cancelled:
                    raise Cancelled
                event = job.advance()
                if event is None:
                    break
                job.account.enter(event)
                if event["type"] not in UNTOLD:
                    job.tell(event)
                if (event is TURN or job.is_background) and self._must_give_way(job):
                    job.seconds += time.monotonic() - began
                    return False
        except Cancelled:
            last = {"type": "stopped"}
        except TrajflowError as error:
            last, failure = {"type": "error", "text": str(error)}, type(error).__name__
        except Exception as error:
            logger.exception("a job failed")
            failure = type(error).__name__
            text = f"This failed inside the model ({failure}). Your pictures are kept; try again."
            last = {"type": "error", "text": text}
        if not job.is_background and not job.is_cancelled:
            self._seconds += SECONDS_SHARE * (time.monotonic() - began - self._seconds)
        job.seconds += time.monotonic() - began
        self._end(job, last, failure)
        return True

    def _end(self, job: Job, last: Event, failure: str) -> None:
        """Close a job, report it, and only then tell its end: who hears of that finds it counted."""
        try:
            job.close()
        except Exception:
            logger.exception("a job could not be closed")
        made, abandoned = tuple(job.account.made), job.account.abandoned
        self._report(Ended(job.person, last["type"], failure, made, abandoned, job.seconds, job.waited or 0.0))
        try:
            job.tell(last)
        except Exception:
            logger.exception("the end of a job could not be told")

    def _report(self, ended: Ended) -> None:
        for watcher in self._watchers:
            try:
                watcher(ended)
            except Exception:
                logger.exception("the end of a job could not be counted")
