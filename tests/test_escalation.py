import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from trajflow.base import Forecaster, NodeDiagnostics, NodeSchedule, SamplingPlan, Schedule
from trajflow.forecast import choose_nodes, escalate, is_promising

STEPS = 28
FIDELITY = 40.0


def node_schedule(nodes: tuple[int, ...], expected_db: float, tag: float = 0.0) -> NodeSchedule:
    """Expects so much at a difference of 1, and 20 dB more for each tenth of it; `tag` marks where shares are from."""
    first = Forecaster(*((expected_db, -20.0),) * 4)
    later = Forecaster(*((expected_db, 0.0, -20.0, 0.0),) * 4)
    count = len(nodes)
    return NodeSchedule(nodes, (tag,) * count, (tag + 0.5,) * count, (first, *(later,) * (count - 1)))


CHEAP, MIDDLE, DEAR = (
    node_schedule((0, 14, 24), 20.0, 1),
    node_schedule((0, 9, 17, 22, 25), 30.0, 2),
    node_schedule((0, 4, 8, 12, 16, 20), 38.0, 3),
)
LADDER = (CHEAP, MIDDLE, DEAR)


def plan_on(
    escalation: tuple[NodeSchedule, ...], fidelity: float | None = FIDELITY, budget: int | None = None
) -> SamplingPlan:
    sigmas = torch.linspace(1, 0, STEPS + 1)
    most = budget or max((len(each.nodes) for each in escalation), default=3)
    grid = Schedule(sigmas, sigmas[:-1])
    return SamplingPlan("auto", grid, NodeSchedule(CHEAP.nodes), most, escalation=escalation, fidelity=fidelity)


def first_sight(unexplained: float) -> tuple[NodeDiagnostics, ...]:
    return (NodeDiagnostics(0, unexplained, unexplained, 0.0),)


def then(diagnostics: tuple[NodeDiagnostics, ...], k: int, innovation: float) -> tuple[NodeDiagnostics, ...]:
    return (*diagnostics, NodeDiagnostics(k, 0.1, 0.1, innovation))


def is_aligned(each: NodeSchedule) -> bool:
    return {len(each.slopes), len(each.corrections), len(each.forecasters)} == {len(each.nodes)}


def test_without_a_ladder_the_rung_is_kept() -> None:
    for diagnostics in (first_sight(100.0), then(first_sight(1.0), 14, 100.0)):
        assert choose_nodes(plan_on(()), CHEAP, diagnostics) is CHEAP


@pytest.mark.parametrize(
    ("unexplained", "chosen"), [(0.01, CHEAP), (0.2, MIDDLE), (0.5, DEAR), (1.0, DEAR), (90.0, DEAR)]
)
def test_the_first_node_takes_the_cheapest_rung_that_is_assured_else_the_dearest(
    unexplained, chosen: NodeSchedule
) -> None:
    for begun in LADDER:
        assert choose_nodes(plan_on(LADDER), begun, first_sight(unexplained)) is chosen


def test_the_limit_is_the_fidelity_itself() -> None:
    """20 dB at a difference of 1, 20 dB for each tenth: 0.1 gives 40 dB just so."""
    assert is_promising(plan_on(LADDER), CHEAP, first_sight(0.1))
    assert not is_promising(plan_on(LADDER), CHEAP, first_sight(0.1001))
    assert is_promising(plan_on(LADDER, 39.9), CHEAP, first_sight(0.1001))


@pytest.mark.parametrize("unmeasured", [math.nan, math.inf])
def test_what_cannot_be_measured_counts_as_far(unmeasured: float) -> None:
    assert choose_nodes(plan_on(LADDER), CHEAP, first_sight(unmeasured)) is DEAR
    diagnostics = then(first_sight(0.01), 14, unmeasured)
    assert len(choose_nodes(plan_on(LADDER), CHEAP, diagnostics).nodes) > len(CHEAP.nodes)


@pytest.mark.parametrize(
    "diagnosis", [NodeDiagnostics(14, math.nan, 0.1, 0.1), NodeDiagnostics(14, 0.1, 0.1, math.nan)]
)
def test_not_even_a_forecaster_that_rises_with_the_distance_trusts_what_cannot_be_measured(
    diagnosis: NodeDiagnostics,
) -> None:
    """As regressions on two distances that go together may do for one of them."""
    rising = Forecaster(*((50.0, 0.0, 5.0, 5.0),) * 4)
    odd = NodeSchedule(CHEAP.nodes, forecasters=(CHEAP.forecasters[0], rising, rising))
    assert is_promising(plan_on(LADDER), odd, then(first_sight(0.01), 14, 0.1))
    assert not is_promising(plan_on(LADDER), odd, (*first_sight(0.01), diagnosis))
    assert not is_promising(plan_on(LADDER), odd, then(first_sight(math.nan), 14, 0.1))


def test_without_a_fidelity_or_forecasts_nothing_is_promised() -> None:
    assert not is_promising(plan_on(LADDER, None), CHEAP, first_sight(0.001))
    assert not is_promising(plan_on(LADDER), NodeSchedule(CHEAP.nodes), first_sight(0.001))


def test_a_rung_that_keeps_its_promise_is_kept() -> None:
    assert choose_nodes(plan_on(LADDER), CHEAP, then(first_sight(0.01), 14, 0.01)) is CHEAP


def test_a_large_innovation_is_answered_with_the_nodes_of_the_next_dearer_rung() -> None:
    """By hand: 0 and 14 are paid for; of (0, 9, 17, 22, 25) those after 14 are left."""
    climbed = choose_nodes(plan_on(LADDER), CHEAP, then(first_sight(0.01), 14, 1.0))
    assert climbed.nodes == (0, 14, 17, 22, 25)
    assert climbed.slopes == (1, 1, 2, 2, 2)
    assert climbed.corrections == (1.5, 1.5, 2.5, 2.5, 2.5)
    assert climbed.forecasters == (*CHEAP.forecasters[:2], *MIDDLE.forecasters[2:])


def test_climbing_twice_keeps_what_is_paid_and_all_lists_as_long() -> None:
    plan = plan_on(
        (CHEAP, node_schedule((0, 9, 17, 25), 25.0, 2), node_schedule((0, 3, 6, 9, 12, 15, 18, 21, 24), 35.0, 3))
    )
    begun = plan.escalation[0]
    diagnostics = then(first_sight(0.01), 14, 1.0)
    once = choose_nodes(plan, begun, diagnostics)
    assert once.nodes == (0, 14, 17, 25)
    twice = choose_nodes(plan, once, then(diagnostics, 17, 1.0))
    assert twice.nodes == (0, 14, 17, 18, 21, 24)
    assert twice.slopes == (1, 1, 2, 3, 3, 3)
    assert is_aligned(once)
    assert is_aligned(twice)


def test_nothing_is_climbed_to_where_no_step_is_left() -> None:
    late = then(then(first_sight(0.01), 14, 0.01), 24, 5.0)
    escalation = (CHEAP, node_schedule((0, 5, 9, 14, 20), 30.0))
    assert choose_nodes(plan_on(escalation), CHEAP, late) is CHEAP
    assert escalate(CHEAP, escalation[1], late) is CHEAP


def test_a_climb_that_the_budget_does_not_allow_is_passed_over() -> None:
    diagnostics = then(first_sight(0.01), 14, 1.0)
    assert choose_nodes(plan_on(LADDER, budget=3), CHEAP, diagnostics) is CHEAP
    wide, narrow = node_schedule(tuple(range(0, 28, 2)), 30.0), node_schedule((0, 2, 4, 6, 16, 20), 30.0)
    assert choose_nodes(plan_on((CHEAP, wide, narrow), budget=4), CHEAP, diagnostics).nodes == (0, 14, 16, 20)


def test_a_climb_between_rungs_of_which_one_lacks_forecasts_leaves_none() -> None:
    """Else the forecasters would stand beside the wrong nodes."""
    diagnostics = then(first_sight(0.01), 14, 1.0)
    for own, other in itertools.permutations((NodeSchedule(CHEAP.nodes), MIDDLE)):
        climbed = escalate(own, other, diagnostics[:1] if own.nodes == MIDDLE.nodes else diagnostics)
        assert climbed.forecasters == climbed.slopes == climbed.corrections == ()


def walk(plan: SamplingPlan, begun: NodeSchedule, draw: Callable[[], float]) -> tuple[list[int], NodeSchedule]:
    """The nodes that are paid for when each shows what is drawn, and the last rung."""
    now, diagnostics, paid = begun, (), []
    for k in range(STEPS):
        if k in now.nodes:
            paid.append(k)
            diagnostics = (*diagnostics, NodeDiagnostics(k, draw(), draw(), draw() if diagnostics else 0.0))
            now = choose_nodes(plan, now, diagnostics)
            assert is_aligned(now)
            assert list(now.nodes) == sorted(set(now.nodes))
            assert list(now.nodes[: len(paid)]) == paid
            assert all(node > k for node in now.nodes[len(paid) :])
    return paid, now


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_seen_the_budget_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = sorted(rng.choice(np.arange(2, 15), 4, replace=False).tolist())
    escalation = tuple(
        node_schedule(
            (0, *sorted(rng.choice(np.arange(1, STEPS), count - 1, replace=False).tolist())), 10.0 + 3 * count
        )
        for count in counts
    )
    plan = plan_on(escalation)
    for begun in escalation:
        paid, last = walk(plan, begun, lambda: 10 ** rng.uniform(-3, 1))
        assert tuple(paid) == last.nodes
        assert counts[0] <= len(paid) <= plan.budget == counts[-1]


def test_all_near_costs_the_least_and_all_far_the_most() -> None:
    plan = plan_on(LADDER)
    assert walk(plan, CHEAP, lambda: 1e-3)[0] == list(CHEAP.nodes)
    assert walk(plan, CHEAP, lambda: 10.0)[0] == list(DEAR.nodes)
