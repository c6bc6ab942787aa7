"""Who has the model, checked without one: callers, completions and the threads they come in."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from trajflow.errors import Cancelled
from trajflow.session import model_lock
from trajflow.session.model_lock import ModelLock


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> None:
    """However late a busy machine goes on, it is not because nobody asks any more."""
    monkeypatch.setattr(model_lock, "PATIENCE", 600.0)


def is_held(lock: ModelLock) -> bool:
    """Whether somebody who came now, in another thread, would have to wait for the model."""

    def come() -> bool:
        is_free = lock._model.acquire(blocking=False)
        if is_free:
            lock._model.release()
        return not is_free

    with ThreadPoolExecutor(1) as other:
        return other.submit(come).result()


def test_a_completion_goes_on_in_the_turn_it_began_in() -> None:
    lock = ModelLock()
    with lock.called() as turn:
        for _ in range(3):
            with lock.spare(turn):
                assert is_held(lock), "it has the model for a step"
            assert not is_held(lock), "and gives it back"


def test_a_caller_has_the_model_for_its_steps_only() -> None:
    lock = ModelLock()
    with lock.called() as turn:
        for _ in range(3):
            with lock.step(turn):
                assert is_held(lock)
            assert not is_held(lock)


def test_a_completion_gives_way_to_the_next_caller() -> None:
    lock = ModelLock()
    with lock.called() as first, lock.called(), pytest.raises(Cancelled), lock.spare(first):
        pass
    with pytest.raises(Cancelled), lock.spare(first):
        pass
    with lock.spare(lock.now):
        pass


def test_a_completion_that_began_between_two_steps_of_a_caller_gives_way() -> None:
    lock = ModelLock()
    with lock.called() as caller:
        with lock.step(caller):
            pass
        begun = lock.now
        with lock.spare(begun):
            pass
        with lock.step(caller):
            pass
        with pytest.raises(Cancelled), lock.spare(begun):
            pass


def test_a_completion_that_waited_for_the_model_while_a_stop_came_gives_way() -> None:
    lock = ModelLock()
    outcome = []

    def one_step(turn: int) -> None:
        try:
            with lock.spare(turn):
                outcome.append("a step")
        except Cancelled:
            outcome.append("gave way")

    with lock.called() as caller, lock.step(caller):
        completion = threading.Thread(target=one_step, args=(lock.now,))
        completion.start()
        lock.stop()
    completion.join(30)
    assert outcome == ["gave way"]


def test_it_is_known_while_anyone_is_served_or_waits() -> None:
    lock = ModelLock()
    assert not lock.is_called
    with lock.called():
        with lock.called():
            assert lock.is_called
        assert lock.is_called, "the first is still served"
    assert not lock.is_called
    with pytest.raises(ValueError, match="failed"), lock.called():
        raise ValueError("failed")
    assert not lock.is_called


def test_a_caller_that_asks_no_more_is_not_waited_for_for_ever(monkeypatch) -> None:
    lock = ModelLock()
    with lock.called() as turn:
        monkeypatch.setattr(model_lock, "PATIENCE", -1.0)
        with lock.step(turn):
            assert lock.is_called, "however long its step takes"
        assert not lock.is_called
