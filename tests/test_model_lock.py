"""Who has the model, checked without one: callers, completions and the threads they come in."""

import threading

import pytest

from trajflow.errors import Cancelled
from trajflow.session.model_lock import ModelLock


def test_a_completion_goes_on_in_the_turn_it_began_in() -> None:
    turns = ModelLock()
    with turns.called() as turn:
        for _ in range(3):
            with turns.spare(turn):
                assert turns.model.locked(), "it has the model for a step"
            assert not turns.model.locked(), "and gives it back"


def test_a_completion_gives_way_to_the_next_caller() -> None:
    turns = ModelLock()
    with turns.called() as first, turns.called(), pytest.raises(Cancelled), turns.spare(first):
        pass
    with pytest.raises(Cancelled), turns.spare(first):
        pass
    with turns.spare(turns.now):
        pass


def test_a_completion_that_waited_for_the_model_while_a_caller_came_gives_way() -> None:
    turns = ModelLock()
    outcome = []

    def one_step(turn: int) -> None:
        try:
            with turns.spare(turn):
                outcome.append("a step")
        except Cancelled:
            outcome.append("gave way")

    with turns.model:
        completion = threading.Thread(target=one_step, args=(turns.now,))
        completion.start()
        turns.pass_on()
    completion.join(10)
    assert outcome == ["gave way"]


def test_it_is_known_while_anyone_is_served_or_waits() -> None:
    turns = ModelLock()
    assert not turns.is_called
    with turns.called():
        with turns.called():
            assert turns.is_called
        assert turns.is_called, "the first is still served"
    assert not turns.is_called
    with pytest.raises(ValueError, match="failed"), turns.called():
        raise ValueError("failed")
    assert not turns.is_called
