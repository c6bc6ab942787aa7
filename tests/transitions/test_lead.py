"""Learned coefficients of a gap, against what they are when the truth follows them exactly."""

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from trajflow.base import (
    Conditioning,
    Evaluation,
    Level,
    NodeDiagnostics,
    NodeSchedule,
    Point,
    SamplingPlan,
    Trajectory,
)
from trajflow.calibration import Placement, Profile, read_profile, write_profile
from trajflow.errors import CacheError
from trajflow.field import latents_at
from trajflow.forecast import choose_nodes, escalate
from trajflow.learning.leads import FAR, distance, fit_leads, place_far
from trajflow.learning.placing import Case, log_error, run_case
from trajflow.sampler import collect, sample
from trajflow.testing import GaussianMixture
from trajflow.transitions.basis import Basis
from trajflow.transitions.lead import TERMS, combine, terms

NODES = (0, 2, 5)
SHAPE = (1, 2, 6, 6)
HELD = NodeSchedule(NODES, (0.0,) * 3, (0.0, 0.8, 0.8))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _lead(count: int, seed: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in (0.4 * noise(count, 2, seed=seed)).tolist())


LEARNED = replace(HELD, leads=tuple(_lead(count, seed) for seed, count in enumerate(TERMS)))


class Replay(GaussianMixture):
    """A model whose velocity depends on the prompt and the step only, and so is the truth wherever a run has got to."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Tensor] = {}

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        return Evaluation(self.told[conditioning.prompt][point.k], {}, 1)


def obeying(nodes: NodeSchedule, count: int, first: int = 0) -> tuple[Replay, list[Case]]:
    """Cases whose true paths are what the coefficients of `nodes` make of random velocities at its nodes."""
    model, cases = Replay(), []
    grid = model.schedule(8, SHAPE)
    for seed in range(first, first + count):
        prompt, start = f"prompt {seed}", noise(*SHAPE, seed=1000 + seed)
        source = Trajectory("source", grid, start, noise(8, *SHAPE, seed=seed), ("computed",) * 8)
        model.told[prompt] = source.velocities + noise(8, *SHAPE, seed=500 + seed)
        case = Case((source,), replace(source, prompt=prompt), Conditioning(prompt, "", 1.0, {}))
        plan = SamplingPlan.transporting("basis", grid, nodes)
        _, truth = collect(sample(Basis(), case.sources, plan, case.field(model), prompt))
        cases.append(replace(case, truth=truth))
    return model, cases


@pytest.fixture(scope="module")
def world() -> tuple[Replay, list[Case]]:
    return obeying(LEARNED, 14)


def error(model: Replay, cases: list[Case], schedule: NodeSchedule) -> float:
    """Mean log10 of the mean squared error at the end."""
    ends = [(run_case(model, case, schedule), latents_at(case.truth, 8)) for case in cases]
    return sum(log_error(made, true) for made, true in ends) / len(ends)


def test_the_first_terms_are_those_of_transport_and_of_a_solver() -> None:
    sigmas, shape = (1.0, 0.8, 0.5, 0.2, 0.0), (1, 2, 4, 4)
    fresh = [(0, noise(*shape, seed=1)), (2, noise(*shape, seed=2))]
    differences = [noise(*shape, seed=3), noise(*shape, seed=4)]
    start, mixed, pending = (noise(*shape, seed=i) for i in (5, 6, 7))
    given = terms(fresh, differences, start, mixed, pending, sigmas, 4)
    assert given.shape == (TERMS[1], *shape)
    expected = [differences[1], fresh[1][1], start, torch.ones(shape), mixed, pending / -0.2, fresh[0][1]]
    # Halfway through the gap from 0.2 to 0, as far beyond 0.5 as a share of the 0.5 since the node before.
    led = (0.1 - 0.5) / (0.5 - 1.0) * (differences[1] - differences[0])
    torch.testing.assert_close(given, torch.stack([*expected, led]))
    assert len(terms(fresh[:1], differences[:1], start, mixed, pending, sigmas, 2)) == TERMS[0]
    held = ((1.0, 1.0), *((0.0, 0.0),) * (TERMS[1] - 1))
    torch.testing.assert_close(combine(held, given), differences[1])


def test_coefficients_of_one_channel_leave_the_others_alone() -> None:
    given = noise(5, 1, 3, 4, 4)
    rows = [[0.0] * 3 for _ in range(5)]
    rows[2][1] = 2.0
    made = combine(rows, given)
    torch.testing.assert_close(made[:, 1], 2 * given[2, :, 1])
    assert not made[:, [0, 2]].any()


def test_coefficients_that_the_truth_obeys_are_found(world) -> None:
    model, cases = world
    schedule, latents = fit_leads(model, cases, HELD)
    assert [len(lead) for lead in schedule.leads] == list(TERMS)
    assert error(model, cases, HELD) > -1.0
    assert error(model, cases, schedule) < -5.0
    for case, end in zip(cases, latents, strict=True):
        torch.testing.assert_close(run_case(model, case, schedule)[0], end, atol=1e-4, rtol=1e-3)
    other, unseen = obeying(LEARNED, 3, first=50)
    assert error(other, unseen, schedule) < -4.0


def test_far_sources_have_a_schedule_of_their_own_and_near_ones_do_not_follow_it(world) -> None:
    model, cases = world
    assert all(distance(case) > FAR for case in cases)
    placed = place_far(model, cases, replace(HELD, nodes=(0, 3, 5)), [NODES, (0, 1)])
    assert placed.far is not None
    assert (placed.far.nodes, placed.far_from) == (NODES, FAR)
    plan = SamplingPlan.transporting("basis", cases[0].grid, placed)
    for unexplained, expected in ((FAR * 1.1, placed.far), (FAR * 0.9, placed)):
        assert choose_nodes(plan, placed, (NodeDiagnostics(0, unexplained, unexplained, 0.0),)) == expected
    assert place_far(model, cases[:5], HELD) == HELD


def test_a_run_that_spends_as_it_goes_chooses_among_the_ways_for_its_distance(world) -> None:
    """The near way's forecasts know of near sources alone."""
    way = replace(HELD, far=LEARNED, far_from=FAR)
    plan = SamplingPlan.transporting("basis", world[1][0].grid, way, budget=4)
    seen = (NodeDiagnostics(0, 2 * FAR, 2 * FAR, 0.0),)
    assert choose_nodes(plan, way, seen) == LEARNED
    assert choose_nodes(replace(plan, escalation=(way,)), way, seen) == LEARNED


def test_where_a_run_spends_more_no_coefficients_are_followed_that_were_learned_for_another_gap() -> None:
    other = replace(LEARNED, nodes=tuple(node + 1 if node else 0 for node in LEARNED.nodes))
    seen = tuple(NodeDiagnostics(node, 0.2, 0.2, 0.1) for node in LEARNED.nodes[:2])
    joined = escalate(LEARNED, other, seen)
    assert joined.nodes == (*LEARNED.nodes[:2], *(node for node in other.nodes if node > LEARNED.nodes[1]))
    assert len(joined.leads) == len(joined.nodes)
    assert joined.leads[0] == LEARNED.leads[0]
    assert joined.leads[1] == ()
    assert all(lead in (*other.leads, ()) for lead in joined.leads[2:])


def test_the_same_prompt_stays_what_it_is(world) -> None:
    model, cases = world
    source = cases[0].sources[0]
    model.told["again"] = source.velocities
    same = Case((source,), source, Conditioning("again", "", 1.0, {}))
    assert torch.equal(run_case(model, same, LEARNED), latents_at(source, 8))


@pytest.mark.parametrize("harm", ["terms", "gap", "nested"])
def test_a_profile_with_coefficients_that_do_not_fit_is_refused(tmp_path, harm: str) -> None:
    placed = replace(HELD, far=LEARNED, far_from=FAR)
    path = tmp_path / "profile.json"
    write_profile(path, Profile("m", 8, single={3: Placement(placed)}))
    assert read_profile(path).single[3].node_schedule == placed
    told = json.loads(path.read_text())
    far = told["single"]["3"]["node_schedule"]["far"]
    if harm == "terms":
        far["leads"][1].pop()
    elif harm == "gap":
        far["nodes"] = [0, 1, 5]
    else:
        far["far"] = {**far}
    path.write_text(json.dumps(told))
    with pytest.raises(CacheError):
        read_profile(path)
