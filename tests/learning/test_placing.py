import itertools

import pytest
import torch
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, NodeSchedule, Point, Schedule, Trajectory
from trajflow.calibration import CORRECTION
from trajflow.field import latents_at
from trajflow.learning.calibrate import Library
from trajflow.learning.pairs import Pair
from trajflow.learning.placing import Case, QuadratureSurrogate, fit_shares, log_error, place, run_case
from trajflow.testing import GaussianMixture

SHAPE = (1, 2, 6, 6)


class Replay(GaussianMixture):
    """A model whose velocity depends on the prompt and the step only, and so is the truth wherever a run has got to."""

    def __init__(self, velocities: dict[str, Tensor]) -> None:
        super().__init__()
        self.velocities = velocities

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        return Evaluation(self.velocities[conditioning.prompt][point.k], {}, 1)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def grid(steps: int) -> Schedule:
    """Uneven, as the model's own grids are."""
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    sigmas = (3 * even / (1 + 2 * even)).float()
    return Schedule(sigmas, sigmas[:-1])


def smooth(schedule: Schedule, seed: int) -> Tensor:
    """Velocities [N, *SHAPE] that bend along the path."""
    sigma = schedule.sigmas[:-1].view(-1, 1, 1, 1, 1)
    a, b, c = noise(3, *SHAPE, seed=seed)
    return a + b * sigma**2 + c * (sigma > 0.5) * (sigma - 0.5) * 3


def case_of(schedule: Schedule, prompt: str, truth: Tensor, cached: list[Tensor]) -> Case:
    kinds = ("computed",) * schedule.steps
    start = noise(*SHAPE, seed=99)
    sources = tuple(Trajectory(f"source {i}", schedule, start, each, kinds) for i, each in enumerate(cached))
    return Case(sources, Trajectory(prompt, schedule, start, truth, kinds), Conditioning(prompt, "", 1.0, {}))


def replayed(steps: int, count: int, sources: int) -> tuple[Replay, list[Case]]:
    """Cases whose true velocities the model gives back, at any state."""
    schedule, velocities, cases = grid(steps), {}, []
    for number in range(count):
        truth = smooth(schedule, 10 * number)
        cached = [truth + 0.4 * smooth(schedule, 10 * number + i + 1) for i in range(sources)]
        velocities[f"prompt {number}"] = truth
        cases.append(case_of(schedule, f"prompt {number}", truth, cached))
    return Replay(velocities), cases


def constant(nodes: tuple[int, ...], correction: float = CORRECTION) -> NodeSchedule:
    return NodeSchedule(nodes, (0.0,) * len(nodes), (correction,) * len(nodes))


def end_error(model, case: Case, node_schedule: NodeSchedule) -> float:
    return log_error(run_case(model, case, node_schedule), latents_at(case.truth, case.grid.steps))


def mean_error(model, cases: list[Case], node_schedule: NodeSchedule) -> float:
    return sum(end_error(model, case, node_schedule) for case in cases) / len(cases)


NODE_SETS = [
    (0,),
    (0, 11),
    (0, 4, 8),
    (0, 5, 11),
    (0, 1, 2, 9),
    (0, 4, 5, 9),
    (0, 4, 5, 6, 10),
    (0, 5, 10, 11),
    (0, 3, 6, 8, 9, 10),
    (0, 2, 4, 6, 8, 10),
    tuple(range(11)),
    tuple(range(12)),
]


@pytest.mark.parametrize("sources", [1, 3])
@pytest.mark.parametrize("correction", [0.0, CORRECTION, 1.0])
def test_the_quadrature_is_the_transport_when_every_node_finds_the_true_velocity(sources, correction) -> None:
    model, cases = replayed(12, 3, sources)
    surrogate = QuadratureSurrogate(cases)
    for nodes in NODE_SETS:
        ran = mean_error(model, cases, constant(nodes, correction))
        assert surrogate.loss(nodes, correction) == pytest.approx(ran, abs=1e-4), nodes


def test_a_set_of_all_steps_has_no_error() -> None:
    _, cases = replayed(6, 2, 2)
    assert QuadratureSurrogate(cases).loss(tuple(range(6))) == pytest.approx(-9.0)


@pytest.mark.parametrize(("count", "sources"), [(2, 1), (3, 1), (3, 2), (4, 2)])
def test_the_best_set_of_a_small_grid_is_found(count: int, sources: int) -> None:
    """Against all sets, each one really run."""
    model, cases = replayed(8, 2, sources)
    every = [(0, *rest) for rest in itertools.combinations(range(1, 8), count - 1)]
    best = min(every, key=lambda nodes: mean_error(model, cases, constant(nodes)))
    nodes, tried = place(model, cases, count, verify=2)
    assert nodes == best
    assert 1 < tried <= len(every)


def test_placing_is_the_same_again_and_takes_a_quadrature_that_is_there() -> None:
    model, cases = replayed(8, 3, 1)
    found = place(model, cases, 3, verify=1, seed=4)
    assert found == place(model, cases, 3, verify=1, seed=4, forced=QuadratureSurrogate(cases))


@pytest.fixture
def related(mixture) -> list[Case]:
    """Edits on the mixture, whose velocities do depend on where a run has got to."""
    pairs = (
        Pair("a", "snowy mountain", "snowy mountain dusk", 1, ("mountain dusk",)),
        Pair("a", "red cabin", "red cabin fog", 2, ("old cabin",)),
        Pair("a", "green forest", "green forest rain", 3, ("forest rain wind",)),
        Pair("a", "lake", "frozen lake", 4, ("frozen river",)),
    )
    library = Library(mixture, 10)
    return [library.case(pair) for pair in pairs]


@pytest.mark.parametrize("nodes", [(0, 5), (0, 3, 6), (0, 3, 4, 8), (0, 2, 5, 9)])
def test_fitted_shares_bring_the_cases_no_farther_than_holding(mixture, related, nodes) -> None:
    """Fitted gap by gap, they may lose as little as 0.1 dB at the end where corrections matter least."""
    node_schedule = fit_shares(mixture, related, nodes)
    assert mean_error(mixture, related, node_schedule) <= mean_error(mixture, related, constant(nodes, 0.0)) + 0.01
    assert {len(node_schedule.slopes), len(node_schedule.corrections)} == {len(nodes)}


def test_the_last_slope_is_the_best_one_in_the_measure_it_was_fitted_by(mixture, related) -> None:
    """Really run with a little more or less of it, the cases end farther off."""
    nodes = (0, 3, 6)
    node_schedule = fit_shares(mixture, related, nodes)

    def missed(change: float) -> float:
        moved = NodeSchedule(
            nodes, (*node_schedule.slopes[:2], node_schedule.slopes[2] + change), node_schedule.corrections
        )
        held = NodeSchedule(nodes, (*node_schedule.slopes[:2], 0.0), node_schedule.corrections)
        total = 0.0
        for case in related:
            end = latents_at(case.truth, 10)
            wanted = (end - run_case(mixture, case, held)).square().sum()
            total += float((end - run_case(mixture, case, moved)).square().sum() / wanted)
        return total

    assert abs(node_schedule.slopes[2]) > 0.01
    assert missed(0.0) < min(missed(0.05), missed(-0.05))
    assert missed(0.0) < missed(-node_schedule.slopes[2]) == pytest.approx(len(related)), "which is what holding misses"


def test_a_difference_on_a_line_is_followed_and_corrected_in_full() -> None:
    """D = a + b sigma: the first gap, which can only be held, is made up for, and the line is left nowhere after."""
    schedule, cases, velocities = grid(12), [], {}
    sigma = schedule.sigmas[:-1].view(-1, 1, 1, 1, 1)
    for number in range(3):
        a, b = noise(2, *SHAPE, seed=number)
        cached = smooth(schedule, 50 + number)
        velocities[f"prompt {number}"] = cached + a + b * sigma
        cases.append(case_of(schedule, f"prompt {number}", velocities[f"prompt {number}"], [cached]))
    model = Replay(velocities)
    node_schedule = fit_shares(model, cases, (0, 4, 8))
    assert (node_schedule.slopes[0], node_schedule.corrections[0]) == (0.0, 0.0)
    assert node_schedule.slopes[1:] == pytest.approx((1.0, 1.0), abs=2e-3)
    assert node_schedule.corrections[1] == pytest.approx(1.0, abs=2e-3)
    assert all(end_error(model, case, node_schedule) < -8 for case in cases)
    assert mean_error(model, cases, constant((0, 4, 8), 0.0)) > -4


def test_a_difference_that_stays_needs_neither_slope_nor_correction() -> None:
    schedule = grid(8)
    cached = smooth(schedule, 1)
    model = Replay({"prompt": cached + noise(*SHAPE, seed=2)})
    case = case_of(schedule, "prompt", model.velocities["prompt"], [cached])
    node_schedule = fit_shares(model, [case], (0, 3, 5))
    assert end_error(model, case, node_schedule) < -8


def test_every_node_is_reported(mixture, related) -> None:
    called = []
    fit_shares(mixture, related, (0, 3, 6), lambda: called.append(None))
    assert len(called) == 3
