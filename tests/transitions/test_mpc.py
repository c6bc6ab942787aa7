import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from trajflow.field import Field, euler_step, even_nodes
from trajflow.transitions import mpc
from trajflow.transitions.mpc import Mpc, advance, blend_alpha, pay, plan_controls, track

STEPS = 28
NODES = even_nodes(STEPS, 5)
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"


@pytest.fixture
def at_node(mixture, run_plan, make_grid_plan):
    """A run under MPC, as it stands after its second node and one step: (k, x, state, field)."""
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    plan = make_grid_plan(mixture, STEPS, "mpc", nodes=NODES)
    noise = mixture.noise(0, mixture.latent_shape(8, 8))
    field = Field(mixture, mixture.encode(TARGET, "", 1.0), plan.schedule, noise, plan.budget)
    state, _, x = Mpc().begin((source,), plan, field)
    for k in range(NODES[1] + 1):
        velocity, _, state = Mpc().velocity(k, x, state, field)
        x = euler_step(x, velocity, plan.schedule.sigmas[k], plan.schedule.sigmas[k + 1])
    return NODES[1] + 1, x, state, field


def test_alpha_is_the_published_fade_and_one_where_the_velocity_is_known(at_node) -> None:
    for similarity, n in ((0.97, 3), (0.92, 5), (0.5, 8)):
        for k in range(n):
            assert blend_alpha(k, similarity) == pytest.approx(1 / (1 + math.exp(-10 * (k / n - 0.5))))
    _, _, state, _ = at_node
    assert state.alpha(NODES[1]) == 1.0
    assert state.alpha(3) == blend_alpha(3, 0.8) < 1


def test_a_node_moves_the_reference_away_from_the_run_and_the_controls_bring_the_run_to_it(at_node) -> None:
    k, x, state, field = at_node
    apart = float((x - state.reference).norm())
    assert apart > 0
    sigmas = field.schedule.sigmas
    for step in range(k, k + 3):
        velocity, _ = track(step, x, state, field)
        x = euler_step(x, velocity, sigmas[step], sigmas[step + 1])
        state = advance(step, state, field)
    assert float((x - state.reference).norm()) < 0.1 * apart
    assert field.nfe == 2, "control costs no evaluation"


def test_without_control_the_run_would_stay_apart(at_node) -> None:
    k, x, state, field = at_node
    controlled, _ = track(k, x, state, field)
    prediction = state.prediction
    plain = prediction.velocity(k) + prediction.respond(x - state.evaluated, k)
    step = prediction.step(k)
    after = advance(k, state, field).reference
    assert float((x + step * controlled - after).norm()) < 0.5 * float((x + step * plain - after).norm())


def test_the_first_of_the_planned_controls_is_applied_and_lies_in_the_subspace(at_node) -> None:
    k, x, state, _ = at_node
    error = x - state.reference
    controls = plan_controls(k, error, state, STEPS)
    assert len(controls) == 2
    assert float(controls[0].norm()) <= mpc.TRUST * float(error.norm()) * 2
    opposite = float((controls[0] * error).sum() / controls[0].norm() / error.norm())
    assert opposite < -0.9, "the control points against the error"


def test_the_program_is_told_what_was_applied_last_and_starts_from_what_was_planned_next(at_node, monkeypatch) -> None:
    k, x, state, field = at_node
    asked = []
    solve = mpc.solve

    def listen(problem, warm=None):
        answer = solve(problem, warm)
        asked.append((problem, warm, answer))
        return answer

    monkeypatch.setattr(mpc, "solve", listen)
    velocity, control = track(k, x, state, field)
    sigmas = field.schedule.sigmas
    x = euler_step(x, velocity, sigmas[k], sigmas[k + 1])
    track(k + 1, x, replace(advance(k, state, field), control=control), field)
    (_, cold, first), (problem, warm, _) = asked
    assert cold is None
    assert np.linalg.norm(problem.last) > 0
    lengths = [np.linalg.norm(problem.last), np.linalg.norm(warm[0])]
    planned = [np.linalg.norm(first.controls[0]), np.linalg.norm(first.controls[1])]
    assert lengths[1] / lengths[0] == pytest.approx(planned[1] / planned[0], rel=0.05)


def test_an_error_below_tolerance_is_left_alone_exactly(at_node, monkeypatch) -> None:
    k, x, state, field = at_node
    monkeypatch.setattr(mpc, "TOLERANCE", 1e9)
    velocity, control = track(k, x, state, field)
    prediction = state.prediction
    old = prediction.mixture(k)
    change = prediction.velocity(k) - old + prediction.respond(x - state.evaluated, k)
    assert control == ()
    assert torch.equal(velocity, old + state.alpha(k) * change)


def test_the_reference_is_rolled_out_again_with_the_difference_known_at_both_ends(at_node) -> None:
    _, _, state, field = at_node
    prediction, (start, away) = state.prediction, state.start
    node = prediction.node
    first, second = (velocity - prediction.cached[0, j] for j, velocity in prediction.paid)
    sigmas, path = prediction.sigmas, field.noise
    for q in range(node):
        share = (sigmas[q] - sigmas[0]) / (sigmas[node] - sigmas[0])
        path = path + prediction.step(q) * (prediction.cached[0, q] + first + share * (second - first))
    torch.testing.assert_close(start, path, atol=1e-5, rtol=1e-5)
    assert away is not None


def test_paying_for_the_same_prompt_leaves_no_error_to_track(mixture, run_plan, make_grid_plan) -> None:
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    plan = make_grid_plan(mixture, STEPS, "mpc", nodes=NODES)
    field = Field(mixture, mixture.encode(SOURCE, "", 1.0), plan.schedule, source.noise, plan.budget)
    state, _, x = Mpc().begin((source,), plan, field)
    state = pay(0, x, state, field)
    x = euler_step(x, source.velocities[0], plan.schedule.sigmas[0], plan.schedule.sigmas[1])
    velocity, control = track(1, x, advance(0, state, field), field)
    assert control == ()
    assert torch.equal(velocity, source.velocities[1])


def test_controls_make_up_for_what_the_fade_holds_back(mixture, run_plan, make_grid_plan, monkeypatch) -> None:
    """alpha below 1 follows the old field; with the controls the run goes where alpha = 1 would have taken it."""
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    plan = make_grid_plan(mixture, STEPS, "mpc", nodes=(0,))

    def early() -> torch.Tensor:
        return run_plan(mixture, plan, TARGET, (source,)).steps[10].latents

    faded = early()
    monkeypatch.setattr(mpc, "TOLERANCE", 1e9)
    uncontrolled = early()
    monkeypatch.setattr(mpc, "blend_alpha", lambda k, similarity: 1.0)
    straight = early()
    assert float((faded - straight).norm()) < 0.2 * float((uncontrolled - straight).norm())
