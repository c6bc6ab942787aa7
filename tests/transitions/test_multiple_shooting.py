from dataclasses import replace

import pytest

from trajflow.field import Field, even_nodes, recompute_path
from trajflow.transitions import multiple_shooting
from trajflow.transitions.multiple_shooting import Segment, close, look_again, sweep
from trajflow.transitions.prediction import Prediction

STEPS = 28
NODES = even_nodes(STEPS, 5)
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"


@pytest.fixture
def field(mixture, make_grid_plan) -> Field:
    schedule = make_grid_plan(mixture, STEPS).schedule
    noise = mixture.noise(0, mixture.latent_shape(8, 8))
    return Field(mixture, mixture.encode(TARGET, "", 1.0), schedule, noise, STEPS)


@pytest.fixture
def segments(mixture, run_plan, make_grid_plan, field) -> tuple[Segment, ...]:
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    first = Prediction.of((source,)).learn(0, field.evaluate(field.noise, 0))
    return sweep(first, NODES, field)


def displacement(segment: Segment) -> float:
    return 0.0 if segment.displacement is None else float(segment.displacement.norm())


def test_a_sweep_costs_one_evaluation_for_each_start(segments, field) -> None:
    assert field.nfe == len(NODES)
    assert tuple(segment.start for segment in segments) == NODES
    assert displacement(segments[0]) == 0
    assert all(displacement(segment) > 0 for segment in segments[1:]), "defects are there to be closed"


def test_the_closed_path_is_the_sum_of_its_velocities_through_all_starts(segments, field) -> None:
    closed, velocities = close(segments, field)
    assert len(velocities) == STEPS
    x, sigmas = field.noise, field.schedule.sigmas
    for k, velocity in enumerate(velocities):
        if k in NODES:
            segment = closed[NODES.index(k)]
            gap = x - segment.evaluated - (0 if segment.displacement is None else segment.displacement)
            assert float(gap.norm()) < 1e-5 * float(x.norm())
        x = x + (sigmas[k + 1] - sigmas[k]) * velocity


def test_a_second_look_removes_the_inferred_part_of_its_start_and_teaches_the_jacobian(segments, field) -> None:
    closed, _ = close(segments, field)
    worst = max(range(len(closed)), key=lambda i: closed[i].inferred)
    before = closed[worst].inferred
    again, _ = close(look_again(closed, worst, field), field)
    assert field.nfe == len(NODES) + 1
    assert again[worst].inferred < 0.1 * before
    assert all(len(segment.prediction.jacobian.secants) == 1 for segment in again)


def test_evaluations_to_spare_drive_what_is_inferred_down(mixture, run_plan, make_grid_plan, monkeypatch) -> None:
    monkeypatch.setattr(multiple_shooting, "WORTH_A_SECOND_LOOK", 1e-3)
    full = run_plan(mixture, make_grid_plan(mixture, STEPS), TARGET).trajectory
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory
    plan = make_grid_plan(mixture, STEPS, "multiple-shooting", nodes=NODES)
    thrifty = run_plan(mixture, plan, TARGET, (source,))
    lavish = run_plan(mixture, replace(plan, budget=20), TARGET, (source,))
    assert thrifty.cost.nfe == len(NODES) < lavish.cost.nfe < 20, "it stops early once nothing is left to mistrust"
    worst = [
        max(
            float((mixture.velocity(x, float(full.schedule.sigmas[k]), TARGET) - run.trajectory.velocities[k]).norm())
            for k, x in enumerate(recompute_path(run.trajectory))
            if k in NODES
        )
        for run in (thrifty, lavish)
    ]
    assert worst[1] < 0.5 * worst[0]
