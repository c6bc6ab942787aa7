from dataclasses import replace

import pytest

from trajflow.field import even_nodes
from trajflow.transitions import shooting, shooting_mpc

STEPS = 28
NODES = even_nodes(STEPS, 7)
TARGET, SOURCE = "snowy mountain dusk", "mountain dusk"


@pytest.fixture
def run_combined(mixture, run_plan, make_grid_plan):
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), SOURCE).trajectory

    def run(budget: int = len(NODES)):
        plan = replace(make_grid_plan(mixture, STEPS, "shooting-mpc", nodes=NODES), budget=budget)
        return run_plan(mixture, plan, TARGET, (source,))

    return run


def paid_at(run) -> list[int]:
    """The steps of the run at which the count of evaluations rose."""
    counts = [0, *(step.nfe for step in run.steps)]
    return [k for k in range(STEPS) if counts[k + 1] > counts[k]]


def test_only_the_first_gap_is_shot_while_the_tracking_error_is_low(run_combined, monkeypatch) -> None:
    monkeypatch.setattr(shooting_mpc, "REPLAN_ERROR", 1e9)
    run = run_combined()
    assert run.cost.nfe == len(NODES)
    assert paid_at(run) == [0, *NODES[2:]], "node 1 was paid for when the first gap was planned"


def test_a_high_tracking_error_plans_again_ten_steps_later_and_not_before(run_combined, monkeypatch) -> None:
    monkeypatch.setattr(shooting_mpc, "REPLAN_ERROR", 0.0)
    run = run_combined()
    assert run.cost.nfe == len(NODES)
    # Nodes every four steps: the first at ten or more steps after the last shot plans the gap to the one after it.
    assert paid_at(run) == [0, 8, 12, 20, 24]


def test_spare_evaluations_refine_the_plan(run_combined, monkeypatch) -> None:
    monkeypatch.setattr(shooting, "WORTH_TRYING_AGAIN", 1e-4)
    assert len(NODES) < run_combined(budget=len(NODES) + 3).cost.nfe <= len(NODES) + 3
