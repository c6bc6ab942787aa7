import threading
import time

import pytest

from trajflow import Session
from trajflow.ui.desk import Job
from trajflow.ui.limits import Busy
from trajflow.ui.registry import Registry


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(mixture, clock):
    return Registry(lambda: Session(mixture), idle_seconds=100, left_seconds=10, clock=clock)


def test_keys_are_secrets_of_128_bits_and_sessions_are_found_by_them(registry):
    mine, other = registry.open(None), registry.open(None)
    assert len(bytes.fromhex(mine.key)) == 16
    assert mine.key != other.key
    assert registry.open(mine.key) is registry.find(mine.key) is mine
    assert registry.find(None) is registry.find("guess") is registry.find("") is None
    assert registry.open("guess").key != "guess"


def test_an_idle_session_is_given_up_after_its_time(registry, clock):
    mine = registry.open(None)
    clock.now = 99.0
    assert registry.find(mine.key) is mine
    clock.now = 198.0
    registry.sweep()
    assert len(registry) == 1
    clock.now = 200.0
    registry.sweep()
    assert registry.find(mine.key) is None


def test_a_busy_session_is_never_given_up_and_a_dropped_one_ends(registry, clock):
    mine, begun, told = registry.open(None), threading.Event(), []

    def endless():
        while True:
            begun.set()
            yield {"type": "step"}

    ended = threading.Event()

    def hear(event):
        told.append(event["type"])
        if event["type"] != "step":
            ended.set()

    registry.desk.submit(Job(mine.key, endless, hear))
    assert begun.wait(20)
    clock.now = 1000.0
    registry.sweep()
    assert len(registry) == 1
    registry.drop(mine.key)
    assert ended.wait(20)
    assert told[-1] == "stopped"
    assert len(registry) == 0


def test_a_closed_tab_keeps_its_pictures_a_little_and_a_reload_finds_them(registry, clock):
    mine, other = registry.open(None), registry.open(None)
    registry.leave(mine.key)
    registry.leave(other.key)
    registry.leave("nobody")
    clock.now = 9.0
    assert registry.open(other.key) is other
    clock.now = 11.0
    registry.sweep()
    assert registry.find(mine.key) is None
    assert registry.find(other.key) is other


def test_beyond_the_byte_budget_the_least_recently_used_session_goes(mixture):
    registry = Registry(lambda: Session(mixture), total_bytes=1)
    first = registry.open(None)
    first.session.generate("a mountain", seed=1)
    second = registry.open(None)
    assert registry.nbytes > 1
    registry.open(second.key)
    assert registry.find(first.key) is None
    assert first.session.nbytes == 0
    assert registry.find(second.key) is second


def test_empty_sessions_make_room_for_who_comes_and_those_with_pictures_do_not(mixture):
    registry = Registry(lambda: Session(mixture), most_sessions=3)
    mine = registry.open(None)
    mine.session.generate("a mountain")
    for _ in range(20):
        registry.open(None)
    assert len(registry) == 3
    assert registry.find(mine.key) is mine
    for tab_session in list(registry._tab_sessions.values()):
        tab_session.session.generate("a lake")
    with pytest.raises(Busy, match="As many people"):
        registry.open(None)


def test_a_visitor_who_waits_or_may_undo_is_not_taken_for_empty(mixture):
    registry = Registry(lambda: Session(mixture), most_sessions=2)
    waits, undoes = registry.open(None), registry.open(None)
    opened, began = threading.Event(), threading.Event()

    def work():
        began.set()
        opened.wait(20)
        yield {"type": "opened"}

    registry.desk.submit(Job(waits.key, work, lambda _: None))
    assert began.wait(20)
    undoes.session.generate("a mountain")
    [entry] = undoes.session.entries()
    undoes.tree.delete(entry)
    undoes.session.forget(entry.key)
    with pytest.raises(Busy):
        registry.open(None)
    opened.set()


def test_deleted_pictures_that_can_come_back_count_until_they_are_given_up(registry):
    mine = registry.open(None)
    mine.session.generate("a mountain")
    held = registry.nbytes
    [entry] = mine.session.entries()
    mine.tree.delete(entry)
    mine.session.forget(entry.key)
    assert (mine.session.nbytes, registry.nbytes, registry.nbytes_by_place()) == (0, held, {"memory": held})
    registry.drop(mine.key)
    assert registry.nbytes == 0


def test_a_tab_that_comes_back_from_the_browsers_cache_is_in_use_again(mixture):
    """It sends no greeting; a program's request for the same session is no tab."""
    registry = Registry(lambda: Session(mixture), most_sessions=2)
    mine, other = registry.open(None), registry.open(None)
    for tab_session in (mine, other):
        tab_session.session.generate("a mountain")
        registry.leave(tab_session.key)
    assert registry.find(mine.key, is_shown=True) is mine
    assert registry.find(other.key) is other
    registry.open(None)
    assert registry.find(mine.key) is mine
    assert registry.find(other.key) is None


def test_work_that_takes_longer_than_a_session_may_be_idle_counts_as_use(registry, clock):
    mine, begun, go_on, ended = registry.open(None), threading.Event(), threading.Event(), threading.Event()

    def long():
        begun.set()
        assert go_on.wait(20)
        yield {"type": "step"}

    registry.desk.submit(Job(mine.key, long, lambda event: ended.set() if event["type"] == "done" else None))
    assert begun.wait(20)
    clock.now = 1000.0
    registry.sweep()
    go_on.set()
    assert ended.wait(20)
    wait_until(lambda: not registry.desk.is_busy(mine.key))
    clock.now = 1050.0
    registry.sweep()
    assert registry.find(mine.key) is mine


def wait_until(is_so):
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError
