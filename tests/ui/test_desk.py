import queue
import threading

import pytest

from trajflow.errors import RequestError
from trajflow.ui.desk import TURN, Desk, Job

SECONDS = 20


class Listener:
    """Everything a job has told, in order."""

    def __init__(self):
        self._events = queue.Queue()

    def __call__(self, event):
        self._events.put(event)

    def next(self):
        return self._events.get(timeout=SECONDS)

    def end(self):
        """The last event, after all others."""
        while (event := self.next())["type"] not in ("done", "stopped", "error"):
            pass
        return event


@pytest.fixture
def desk():
    return Desk()


def meeting(count):
    """Work that is only done where `count` of it is done at once."""
    barrier = threading.Barrier(count)

    def work():
        barrier.wait(SECONDS)
        yield {"type": "met"}

    return work


def test_two_hands_work_at_once_for_two_people():
    desk, work, listeners = Desk(hands=2), meeting(2), (Listener(), Listener())
    for person, listener in zip(("one", "two"), listeners, strict=True):
        desk.submit(Job(person, work, listener))
    assert [listener.end()["type"] for listener in listeners] == ["done", "done"], "neither barrier was broken"
    assert desk.is_ready


def test_two_hands_never_work_for_one_person_at_once():
    desk, log = Desk(hands=2), []
    first, second = Listener(), Listener()

    def slow():
        for k in range(5):
            log.append(f"a{k}")
            threading.Event().wait(0.01)
            yield {"type": "step", "k": k}

    desk.submit(Job("one", slow, first))
    desk.submit(Job("one", steps(log, "b", 2), second))
    assert (first.end()["type"], second.end()["type"]) == ("done", "done")
    assert log == ["a0", "a1", "a2", "a3", "a4", "b0", "b1"]


def test_with_two_hands_the_first_place_is_behind_two_that_run():
    desk, opened = Desk(hands=2), threading.Event()

    def work():
        opened.wait(SECONDS)
        yield {"type": "opened"}

    running = [Listener(), Listener()]
    for person, listener in zip(("one", "two"), running, strict=True):
        desk.submit(Job(person, work, listener))
    while desk.waiting:
        threading.Event().wait(0.01)
    waiting = [Listener(), Listener()]
    for person, listener in zip(("three", "four"), waiting, strict=True):
        desk.submit(Job(person, work, listener))
    assert [listener.next()["place"] for listener in waiting] == [1, 2]
    opened.set()
    assert {listener.end()["type"] for listener in (*running, *waiting)} == {"done"}


@pytest.fixture
def gate(desk):
    """The desk kept busy until the gate is opened, so that jobs wait beside each other."""
    opened, began, listener = threading.Event(), threading.Event(), Listener()

    def work():
        began.set()
        opened.wait(SECONDS)
        yield {"type": "opened"}

    desk.submit(Job("gate", work, listener))
    assert began.wait(SECONDS)
    yield opened
    opened.set()


def steps(log, name, count):
    def work():
        for k in range(count):
            log.append(f"{name}{k}")
            yield {"type": "step", "k": k}

    return work


def test_events_come_in_order_and_the_last_says_done(desk):
    log, listener = [], Listener()
    desk.submit(Job("ann", steps(log, "a", 3), listener))
    assert [listener.next() for _ in range(3)] == [{"type": "step", "k": k} for k in range(3)]
    assert listener.next() == {"type": "done"}


def test_the_newest_request_of_a_person_ends_the_earlier_ones_within_a_step(desk):
    told, first, second = threading.Event(), Listener(), Listener()
    closed = []

    def endless():
        try:
            while True:
                yield {"type": "step"}
                told.set()
        finally:
            closed.append(True)

    desk.submit(Job("ann", endless, first))
    assert told.wait(SECONDS)
    desk.submit(Job("ann", steps([], "b", 1), second), supersedes=True)
    assert first.end() == {"type": "stopped"}
    assert second.end() == {"type": "done"}
    assert closed == [True]


def test_a_waiting_request_that_is_superseded_never_begins(desk, gate):
    log, old, new = [], Listener(), Listener()
    desk.submit(Job("ann", steps(log, "old", 1), old))
    desk.submit(Job("ann", steps(log, "new", 1), new), supersedes=True)
    gate.set()
    assert new.end() == {"type": "done"}
    assert old.end() == {"type": "stopped"}
    assert log == ["new0"]


def test_one_person_with_many_requests_does_not_delay_another_person(desk, gate):
    log, listeners = [], [Listener() for _ in range(4)]
    for number in range(3):
        desk.submit(Job("many", steps(log, f"m{number}", 1), listeners[number]))
    desk.submit(Job("one", steps(log, "one", 1), listeners[3]))
    gate.set()
    for listener in listeners:
        assert listener.end() == {"type": "done"}
    assert log == ["m00", "one0", "m10", "m20"]


def test_who_waits_is_told_the_place(desk, gate):
    first, second = Listener(), Listener()
    desk.submit(Job("ann", steps([], "a", 1), first))
    desk.submit(Job("bob", steps([], "b", 1), second))
    assert (first.next()["place"], second.next()["place"]) == (1, 2)
    gate.set()
    assert second.next()["place"] == 1


def test_background_work_gives_way_between_two_steps_and_goes_on_afterwards(desk):
    log, background, begun = [], Listener(), threading.Event()

    def slow():
        for k in range(3):
            log.append(f"slow{k}")
            begun.set()
            yield {"type": "step"}
            if k == 0:
                waiting.wait(SECONDS)

    waiting = threading.Event()
    desk.submit(Job("ann", slow, background, is_background=True))
    assert begun.wait(SECONDS)
    other = Listener()
    desk.submit(Job("bob", steps(log, "b", 2), other))
    waiting.set()
    assert other.end() == background.end() == {"type": "done"}
    assert log.index("b0") < log.index("slow2")
    assert log[log.index("b0") : log.index("b0") + 2] == ["b0", "b1"]


def test_a_long_job_lets_others_in_where_it_says_so(desk, gate):
    log, long, short = [], Listener(), Listener()

    def sheet():
        for k in range(2):
            log.append(f"cell{k}")
            yield {"type": "cell"}
            yield TURN

    desk.submit(Job("ann", sheet, long))
    desk.submit(Job("bob", steps(log, "b", 1), short))
    gate.set()
    assert long.end() == short.end() == {"type": "done"}
    assert log == ["cell0", "b0", "cell1"]
    with pytest.raises(queue.Empty):
        long._events.get(timeout=0.05)


def test_failures_end_in_a_sentence_and_the_desk_goes_on(desk, caplog):
    def refused():
        raise RequestError("The prompt is empty.")
        yield

    def broken():
        yield {"type": "step"}
        raise ZeroDivisionError("a secret path")

    for work, said in ((refused, "The prompt is empty."), (broken, "ZeroDivisionError")):
        listener = Listener()
        desk.submit(Job("ann", work, listener))
        end = listener.end()
        assert end["type"] == "error"
        assert said in end["text"]
        assert "secret" not in end["text"]
    listener = Listener()
    desk.submit(Job("ann", steps([], "a", 1), listener))
    assert listener.end() == {"type": "done"}
