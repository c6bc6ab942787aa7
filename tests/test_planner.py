import re
from collections.abc import Callable

import pytest
import torch

from trajflow.base import Match, Plan, Schedule
from trajflow.planner import LADDER, SEARCHED_NODES, make_plan, place_nodes
from trajflow.settings import Settings
from trajflow.strategies import STRATEGIES
from trajflow.transitions import TRANSITIONS
from trajflow.transitions.nodes import correct_nodes, damping_for, extrapolate

STEPS = 28
MATCHES = tuple(
    Match(f"key {i}", f"earlier prompt {i}", similarity, "close", True)
    for i, similarity in enumerate((0.93, 0.8, 0.7, 0.2))
)
FRACTION = 0.75


def grid(steps: int) -> Schedule:
    sigmas = torch.linspace(1, 0, steps + 1)
    return Schedule(sigmas, sigmas[:-1])


@pytest.fixture
def plan_for() -> Callable[..., Plan]:
    def make(
        strategy: str = "auto",
        budget: int | None = None,
        matches: tuple[Match, ...] = MATCHES,
        *,
        steps: int = STEPS,
        fraction: float = FRACTION,
    ) -> Plan:
        settings = Settings("a mountain", "", 0, steps, 3.0, 64, 64, strategy, budget)
        return make_plan(settings, matches, lambda similarity: fraction, grid)

    return make


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 28, 50])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("matches", [(), MATCHES[:1], MATCHES], ids=["none", "one", "four"])
def test_every_plan_can_be_run(plan_for, steps: int, strategy: str, matches: tuple[Match, ...]) -> None:
    for budget in {None, 1, steps // 2 or 1, steps}:
        plan = plan_for(strategy, budget, matches, steps=steps)
        grid_steps = plan.schedule.steps
        assert plan.strategy == strategy
        assert plan.transition in TRANSITIONS
        assert list(plan.nodes) == sorted(set(plan.nodes))
        assert 1 <= len(plan.nodes) <= plan.budget <= steps
        assert all(plan.start_step <= node < grid_steps for node in plan.nodes)
        assert strategy == "baseline" or budget is None or plan.budget <= budget
        assert all(len(nodes) <= plan.budget for _, nodes in plan.ladder)
        assert set(plan.sources) <= {match.key for match in matches}
        assert plan.sources or plan.transition == "direct"
        assert grid_steps == steps or not plan.sources, "sources fit the full grid only"
        if plan.transition in ("difference", "basis"):
            assert plan.nodes[0] == 0, "without a first evaluation there is no difference to carry"
            assert all(nodes[0] == 0 for _, nodes in plan.ladder)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("matches", [(), MATCHES[:1], MATCHES], ids=["none", "one", "four"])
@pytest.mark.parametrize("fraction", [0.0, FRACTION])
def test_every_reason_is_one_sentence_for_the_user(
    plan_for, strategy: str, matches: tuple[Match, ...], fraction: float
) -> None:
    for budget in (None, 5, STEPS):
        reason = plan_for(strategy, budget, matches, fraction=fraction).reason
        assert re.fullmatch(r"[A-Z“].{20,200}\.", reason), reason
        assert "None" not in reason
        for private in ("key 0", "basis", "direct", "nfe"):
            assert private not in reason


def test_an_empty_session_runs_the_full_baseline_and_says_so(plan_for) -> None:
    plan = plan_for("auto", None, ())
    assert (plan.transition, plan.nodes, plan.budget) == ("direct", tuple(range(STEPS)), STEPS)
    assert "Nothing cached" in plan.reason


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "baseline"])
def test_an_empty_session_with_a_budget_takes_fewer_steps_of_an_own_grid(plan_for, strategy: str) -> None:
    plan = plan_for(strategy, 6, ())
    assert (plan.transition, plan.schedule.steps, plan.budget) == ("direct", 6, 6)
    assert torch.equal(plan.schedule.sigmas, grid(6).sigmas)
    assert ("because nothing cached fits" in plan.reason) == (strategy != "fewer-steps")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_budget_of_all_steps_is_the_from_scratch_run(plan_for, strategy: str) -> None:
    plan = plan_for(strategy, STEPS)
    assert (plan.transition, plan.nodes, plan.sources) == ("direct", tuple(range(STEPS)), ())


def test_the_baseline_ignores_what_is_cached_and_what_it_may_cost(plan_for) -> None:
    for budget in (None, 3):
        plan = plan_for("baseline", budget)
        assert (plan.transition, plan.sources, plan.nodes) == ("direct", (), tuple(range(STEPS)))


def test_fewer_steps_ignores_what_is_cached(plan_for) -> None:
    assert plan_for("fewer-steps", 9).sources == ()
    assert plan_for("fewer-steps", 9).schedule.steps == 9
    assert plan_for("fewer-steps").schedule.steps == STEPS // 4


@pytest.mark.parametrize("strategy", ["resume", "blend"])
def test_a_resume_takes_the_tiers_share_or_leaves_the_budget(plan_for, strategy: str) -> None:
    tiered, budgeted = plan_for(strategy), plan_for(strategy, 4)
    assert (tiered.start_step, budgeted.start_step) == (21, STEPS - 4)
    for plan in (tiered, budgeted):
        assert plan.sources == ("key 0",)
        assert plan.match == MATCHES[0]
        assert plan.nodes == tuple(range(plan.start_step, STEPS))
        assert plan.budget == STEPS - plan.start_step
        assert "earlier prompt 0" in plan.reason
    assert tiered.transition == {"resume": "direct", "blend": "blend"}[strategy]


def test_even_the_latest_resume_computes_a_step(plan_for) -> None:
    plan = plan_for("resume", fraction=0.99, steps=4)
    assert (plan.start_step, plan.budget) == (3, 1)


def test_difference_takes_the_nearest_source_and_basis_all(plan_for) -> None:
    assert plan_for("difference", 5).sources == ("key 0",)
    for strategy in ("basis", "auto"):
        plan = plan_for(strategy, 5)
        assert plan.sources == tuple(match.key for match in MATCHES)
        assert plan.transition == "basis"
    assert len(MATCHES) <= STRATEGIES["basis"].most_sources


def test_a_given_budget_is_spent_without_a_ladder(plan_for) -> None:
    plan = plan_for("auto", 5)
    assert plan.nodes == SEARCHED_NODES[5]
    assert plan.ladder == ()


@pytest.mark.parametrize("steps", [3, 4, 8, 12, 28, 50])
def test_the_ladder_spends_more_on_larger_differences(plan_for, steps: int) -> None:
    plan = plan_for("auto", steps=steps)
    limits = [largest for largest, _ in plan.ladder]
    counts = [len(correct_nodes(plan, difference)) for difference in (0.0, 0.01, 0.05, 0.2, 0.5, 1.5, 100.0)]
    assert limits == sorted(limits)
    assert limits[-1] == float("inf")
    assert counts == sorted(counts)
    assert counts[-1] == plan.budget
    if steps == STEPS:
        assert counts == [3, 3, 5, 5, 7, 10, 10]
        assert [correct_nodes(plan, largest) for largest, _ in LADDER] == [nodes for _, nodes in plan.ladder]


def test_a_difference_that_cannot_be_measured_gets_the_most_nodes(plan_for) -> None:
    plan = plan_for("auto")
    assert correct_nodes(plan, float("nan")) == plan.ladder[-1][1]


@pytest.mark.parametrize("steps", range(1, 60))
def test_nodes_are_distinct_begin_at_0_and_are_as_many_as_paid(steps: int) -> None:
    for budget in range(1, steps + 1):
        nodes = place_nodes(steps, budget)
        assert len(set(nodes)) == len(nodes) == budget
        assert list(nodes) == sorted(nodes)
        assert nodes[0] == 0
        assert nodes[-1] < steps


def test_searched_nodes_are_scaled_to_other_grids() -> None:
    assert {budget: place_nodes(STEPS, budget) for budget in SEARCHED_NODES} == SEARCHED_NODES
    assert place_nodes(56, 3) == tuple(2 * node for node in SEARCHED_NODES[3])


def test_few_nodes_hold_and_many_extrapolate(plan_for) -> None:
    few, many = plan_for("auto", 5), plan_for("auto", 7)
    assert damping_for(few, few.nodes) == 0.0
    assert damping_for(many, many.nodes) == 0.5
    laddered = plan_for("auto")
    assert damping_for(laddered, laddered.ladder[0][1]) == 0.0, "the ladder's shortened nodes decide"


def test_extrapolation_follows_the_line_through_the_last_two() -> None:
    line = [(sigma, torch.tensor([2.0 - 3 * sigma])) for sigma in (1.0, 0.75, 0.5)]
    measured = tuple(line)
    torch.testing.assert_close(extrapolate(measured, 0.25, 1.0), torch.tensor([2.0 - 3 * 0.25]))
    torch.testing.assert_close(extrapolate(measured, 0.25, 0.5), torch.tensor([0.5 + 0.375]))
    assert torch.equal(extrapolate(measured, 0.25, 0.0), line[-1][1])
    assert torch.equal(extrapolate(measured[:1], 0.25, 1.0), line[0][1])
