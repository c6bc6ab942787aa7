import pytest

from trajflow import Session
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


def test_keys_are_secrets_of_128_bits_and_seats_are_found_by_them(registry):
    key, tab_session = registry.open(None)
    other, _ = registry.open(None)
    assert len(bytes.fromhex(key)) == 16
    assert key != other
    assert registry.open(key) == (key, tab_session)
    assert registry.find(key) is tab_session
    assert registry.find(None) is None
    assert registry.find("guess") is None


def test_a_guessed_key_gets_a_new_seat_of_its_own(registry):
    key, _ = registry.open("guess")
    assert key != "guess"


def test_an_idle_seat_is_given_up_after_its_time(registry, clock):
    key, tab_session = registry.open(None)
    clock.now = 99.0
    assert registry.open(key)[1] is tab_session
    clock.now = 198.0
    registry.sweep()
    assert registry.find(key) is tab_session
    clock.now = 200.0
    registry.sweep()
    assert registry.find(key) is None


def test_a_running_seat_is_never_given_up(registry, clock):
    key, tab_session = registry.open(None)
    tab_session.is_busy = True
    clock.now = 1000.0
    registry.sweep()
    assert registry.find(key) is tab_session


def test_a_closed_tab_stops_its_run_and_keeps_its_pictures_a_little(registry, clock):
    key, tab_session = registry.open(None, "tab")
    other, _ = registry.open(None, "another tab")
    tab_session.is_busy = True
    registry.leave("tab")
    assert tab_session.is_stopping
    tab_session.is_busy = False
    clock.now = 11.0
    registry.sweep()
    assert registry.find(key) is None
    assert registry.find(other) is not None


def test_leaving_without_a_name_touches_nobody(registry):
    _, tab_session = registry.open(None)
    registry.leave(None)
    assert tab_session.deadline == 100.0


def test_beyond_the_byte_budget_the_least_recently_used_seat_goes(mixture):
    registry = Registry(lambda: Session(mixture), total_bytes=1)
    first, tab_session = registry.open(None)
    tab_session.session.generate("a mountain", seed=1)
    second, other = registry.open(None)
    assert registry.find(first) is tab_session
    assert registry.nbytes > 1
    registry.open(second)
    assert registry.find(first) is None
    assert tab_session.session.nbytes == 0
    assert registry.find(second) is other
