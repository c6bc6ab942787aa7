import numpy as np
import pytest
from scipy.optimize import lsq_linear

from trajflow.transitions.horizon import CONTROL_HORIZON, EFFORT, SMOOTH, Problem, solve

SIZE, HORIZON = 3, 5


def problem(bound: float, seed: int = 0, horizon: int = HORIZON) -> Problem:
    draw = np.random.default_rng(seed)
    transitions = np.eye(SIZE) + 0.1 * draw.normal(size=(horizon, SIZE, SIZE))
    return Problem(
        transitions,
        0.2 * draw.normal(size=(horizon, SIZE)),
        draw.normal(size=SIZE),
        0.1 * draw.normal(size=SIZE),
        bound,
    )


def by_least_squares(given: Problem) -> np.ndarray:
    """The same program with the states eliminated: rows of one bounded least-squares problem in the controls."""
    horizon = len(given.drifts)
    moves = min(CONTROL_HORIZON, horizon)
    free = np.zeros((SIZE, moves * SIZE))
    constant, matrix, target = given.error, [], []
    pick = [np.kron(np.eye(moves)[min(q, moves - 1)], np.eye(SIZE)) for q in range(horizon)]
    for q in range(horizon):
        free = given.transitions[q] @ free + pick[q]
        constant = given.transitions[q] @ constant + given.drifts[q]
        matrix += [free, np.sqrt(EFFORT) * pick[q]]
        target += [-constant, np.zeros(SIZE)]
    previous, held = np.zeros_like(pick[0]), given.last
    for move in range(moves):
        current = np.kron(np.eye(moves)[move], np.eye(SIZE))
        matrix.append(np.sqrt(SMOOTH) * (current - previous))
        target.append(np.sqrt(SMOOTH) * held)
        previous, held = current, np.zeros(SIZE)
    found = lsq_linear(np.vstack(matrix), np.concatenate(target), (-given.bound, given.bound), tol=1e-12)
    return found.x.reshape(moves, SIZE)


@pytest.mark.parametrize("bound", [1e3, 0.3], ids=["free", "bounded"])
@pytest.mark.parametrize("seed", range(4))
def test_the_controls_are_those_of_an_independent_solver(bound: float, seed: int) -> None:
    given = problem(bound, seed)
    answer = solve(given)
    assert answer.solved
    np.testing.assert_allclose(answer.controls, by_least_squares(given), atol=1e-4)
    assert bound > 1 or np.abs(answer.controls).max() == pytest.approx(bound, abs=1e-5), "the bound is met"


@pytest.mark.parametrize("horizon", [1, 2])
def test_a_short_horizon_is_solved_too(horizon: int) -> None:
    given = problem(1e3, horizon=horizon)
    np.testing.assert_allclose(solve(given).controls, by_least_squares(given), atol=1e-4)


def test_a_warm_start_saves_iterations_and_does_not_change_the_answer() -> None:
    given = problem(1e3)
    cold = solve(given)
    warm = solve(given, cold.controls)
    np.testing.assert_allclose(warm.controls, cold.controls, atol=1e-5)
    assert warm.iterations < cold.iterations


def test_equal_problems_have_equal_answers_to_the_last_bit() -> None:
    assert np.array_equal(solve(problem(0.3)).controls, solve(problem(0.3)).controls)
