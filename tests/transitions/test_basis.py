import torch
from torch import Tensor

from trajflow.base import NodeSchedule, SamplingPlan, Schedule, Trajectory
from trajflow.field import euler_step
from trajflow.transitions.basis import Basis, fit_global, fit_local

SHAPE = (1, 4, 12, 12)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_plan(nodes: tuple[int, ...], steps: int, slope: float = 0.0, correction: float = 0.0) -> SamplingPlan:
    sigmas = torch.linspace(1, 0, steps + 1)
    count = len(nodes)
    node_schedule = NodeSchedule(nodes, (slope,) * count, (correction,) * count)
    return SamplingPlan.transporting("basis", Schedule(sigmas, sigmas[:-1]), node_schedule)


class Prescribed:
    """A field whose velocity at step k is known beforehand."""

    def __init__(self, plan: SamplingPlan, fresh: Tensor) -> None:
        self.schedule, self.noise, self.fresh = plan.schedule, torch.zeros(SHAPE), fresh
        self.nfe = self.rows = 0
        self.is_start_exact = True

    def evaluate(self, x: Tensor, k: int) -> Tensor:
        self.nfe += 1
        return self.fresh[k]


def drive(plan: SamplingPlan, cached: Tensor, fresh: Tensor) -> list[Tensor]:
    """The velocities that the basis steps with."""
    steps = plan.schedule.steps
    sources = tuple(
        Trajectory(f"source {i}", plan.schedule, torch.zeros(SHAPE), velocities, ("computed",) * steps)
        for i, velocities in enumerate(cached)
    )
    field, basis = Prescribed(plan, fresh), Basis()
    state, start, x = basis.begin(sources, plan, field)
    velocities = []
    for k in range(start, steps):
        velocity, _, state = basis.velocity(k, x, state, field)
        velocities.append(velocity)
        x = euler_step(x, velocity, plan.schedule.sigmas[k], plan.schedule.sigmas[k + 1])
    return velocities


def test_a_constant_combination_is_followed_between_nodes() -> None:
    cached = noise(3, 6, *SHAPE)
    fresh = (torch.tensor([0.8, 0.4, -0.2]).view(-1, 1, 1, 1, 1, 1) * cached).sum(dim=0)
    velocities = drive(make_plan((0, 3), 6), cached, fresh)
    for k in (1, 2, 4, 5):
        assert (velocities[k] - fresh[k]).norm() < 0.1 * fresh[k].norm()
        assert (velocities[k] - fresh[k]).norm() < 0.2 * (cached[0, k] - fresh[k]).norm()


def test_after_a_refit_earlier_differences_are_taken_against_the_new_mixture() -> None:
    """By hand: weights w refitted at node 2, D_0 and D_2 both against that w, then half the line's slope."""
    cached, fresh = noise(2, 5, *SHAPE), noise(5, *SHAPE, seed=1)
    velocities = drive(make_plan((0, 2), 5, slope=0.5), cached, fresh)
    weights = fit_local(fresh[2], cached[:, 2], fit_global(fresh[2], cached[:, 2]))
    mixture = (weights[:, None] * cached).sum(dim=0)
    at_0, at_2 = fresh[0] - mixture[0], fresh[2] - mixture[2]
    for k in (3, 4):
        expected = mixture[k] + at_2 + 0.5 * (k - 2) / 2 * (at_2 - at_0)
        torch.testing.assert_close(velocities[k], expected, atol=1e-4, rtol=1e-4)


def test_an_exact_source_is_left_when_a_later_node_contradicts_it() -> None:
    """Equal at the noise, not equal at step 2: from there on the run must answer to what it measured."""
    cached = noise(2, 4, *SHAPE)
    fresh = cached[0].clone()
    fresh[2:] += noise(2, *SHAPE, seed=2)
    velocities = drive(make_plan((0, 2), 4), cached, fresh)
    assert torch.equal(velocities[1], cached[0, 1])
    assert not torch.equal(velocities[3], cached[0, 3])


def displacement(velocities: list[Tensor], until: int) -> Tensor:
    """x_until - x_0 on the even grid of as many steps."""
    return -sum(velocities[:until]) / len(velocities)


def test_a_gap_is_corrected_by_what_its_end_shows_before_the_next_node_is_reached() -> None:
    """By hand, one source: a difference that grows linearly is held too long, and made up for in full."""
    steps, nodes = 12, (0, 4, 8)
    cached = noise(1, steps, *SHAPE)
    growing = torch.arange(steps).view(-1, 1, 1, 1, 1) * noise(*SHAPE, seed=1)
    velocities = drive(make_plan(nodes, steps, correction=1.0), cached, cached[0] + growing)
    true = list(cached[0] + growing)
    torch.testing.assert_close(displacement(velocities, 8)[0], displacement(true, 8)[0] + missing(growing, 4, 8)[0])
    assert all(torch.equal(velocities[k], true[k]) for k in nodes), "a node's own velocity is never touched"
    held = drive(make_plan(nodes, steps), cached, cached[0] + growing)
    assert not torch.allclose(displacement(held, 8), displacement(velocities, 8))


def missing(growing: Tensor, first: int, last: int) -> Tensor:
    """What holding the difference leaves out between two nodes, as a displacement."""
    return sum(growing[k] - growing[first] for k in range(first, last)) / len(growing)


def test_a_correction_waits_while_nodes_follow_each_other() -> None:
    steps = 12
    cached, growing = noise(1, steps, *SHAPE), torch.arange(steps).view(-1, 1, 1, 1, 1) * noise(*SHAPE, seed=1)
    velocities = drive(make_plan((0, 4, 5, 9), steps, correction=1.0), cached, cached[0] + growing)
    true = list(cached[0] + growing)
    torch.testing.assert_close(displacement(velocities, 9)[0], displacement(true, 9)[0] + missing(growing, 5, 9)[0])


def test_without_a_gap_there_is_nothing_to_correct() -> None:
    cached, fresh = noise(2, 5, *SHAPE), noise(5, *SHAPE, seed=1)
    velocities = drive(make_plan((0, 1, 2, 3, 4), 5, correction=1.0), cached, fresh)
    assert all(torch.equal(velocity, fresh[k]) for k, velocity in enumerate(velocities))
