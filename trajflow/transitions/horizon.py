"""The quadratic program of one MPC decision: bring a tracking error to zero over a short horizon, gently.

    minimise   sum_{q=1..H} |s_q|^2 + EFFORT sum_{q<H} |w_q|^2 + SMOOTH sum_{q<H} |w_q - w_{q-1}|^2
    subject to s_{q+1} = A_q s_q + b_q + w_q,   w_q = w_{C-1} for q >= C,   |w_q| <= bound (each number)

s: tracking error in the coordinates of a subspace [r]; A_q = I + h_q J_q; b_q: known drift per step; w_q = h_q u_q:
the displacement that the control makes in one step; w_{-1}: the one applied last; H, C: prediction and control
horizon. States and controls are both variables, so the matrices are sparse (as in arXiv:2003.12023 and OSQP's own MPC
example). Solved by OSQP (arXiv:1711.08013) with settings that do not depend on the clock, so that equal problems give
equal answers.
"""

from dataclasses import dataclass

import numpy as np

PREDICTION_HORIZON = 5
CONTROL_HORIZON = 2
EFFORT = 0.05
SMOOTH = 0.02
SETTINGS = {
    "verbose": False,
    "eps_abs": 1e-7,
    "eps_rel": 1e-7,
    "max_iter": 2000,
    "check_termination": 10,
    "adaptive_rho": 1,
    "adaptive_rho_interval": 25,
    "polishing": False,
}


@dataclass(frozen=True)
class Problem:
    """`transitions` [H, r, r] and `drifts` [H, r] for H steps, at most PREDICTION_HORIZON; `error`, `last` [r]."""

    transitions: np.ndarray
    drifts: np.ndarray
    error: np.ndarray
    last: np.ndarray
    bound: float


@dataclass(frozen=True)
class Answer:
    """`controls` [C, r], the first to be applied; whether OSQP reached its tolerance, and in how many iterations."""

    controls: np.ndarray
    solved: bool
    iterations: int


def solve(problem: Problem, warm: np.ndarray | None = None) -> Answer:
    """The best controls from `error`; `warm` [C, r] is a guess, such as the last plan moved on by one step."""
    import osqp
    from scipy import sparse

    horizon, size = problem.drifts.shape
    moves = min(CONTROL_HORIZON, horizon)
    states = horizon * size
    held = [min(q, moves - 1) for q in range(horizon)]
    eye = np.eye(size)
    counts = np.bincount(held, minlength=moves)
    changes = np.eye(moves) - np.eye(moves, k=-1)
    effort = EFFORT * np.diag(counts) + SMOOTH * changes.T @ changes
    cost = sparse.block_diag([np.eye(states), np.kron(effort, eye)], format="csc") * 2
    linear = np.zeros(states + moves * size)
    linear[states : states + size] = -2 * SMOOTH * problem.last
    rows = np.zeros((states, states + moves * size))
    targets = problem.drifts.copy()
    targets[0] += problem.transitions[0] @ problem.error
    for q in range(horizon):
        at = slice(q * size, (q + 1) * size)
        rows[at, at] = eye
        if q:
            rows[at, (q - 1) * size : q * size] = -problem.transitions[q]
        control = states + held[q] * size
        rows[at, control : control + size] = -eye
    limits = np.hstack([np.zeros((moves * size, states)), np.eye(moves * size)])
    constraints = sparse.csc_matrix(np.vstack([rows, limits]))
    bounds = np.full(moves * size, problem.bound)
    low, high = np.concatenate([targets.ravel(), -bounds]), np.concatenate([targets.ravel(), bounds])
    solver = osqp.OSQP()
    solver.setup(sparse.triu(cost, format="csc"), linear, constraints, low, high, **SETTINGS)
    if warm is not None and warm.shape == (moves, size):
        solver.warm_start(x=np.concatenate([_states(problem, warm, held).ravel(), warm.ravel()]))
    found = solver.solve(raise_error=False)
    controls = found.x[states:].reshape(moves, size)
    solved = found.info.status == "solved"
    return Answer(np.nan_to_num(controls) if solved else np.zeros((moves, size)), solved, int(found.info.iter))


def _states(problem: Problem, controls: np.ndarray, held: list[int]) -> np.ndarray:
    """The errors [H, r] that the controls lead to."""
    error, path = problem.error, []
    for q, move in enumerate(held):
        error = problem.transitions[q] @ error + problem.drifts[q] + controls[move]
        path.append(error)
    return np.array(path)
