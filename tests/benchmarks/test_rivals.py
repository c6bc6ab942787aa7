"""The bench-only rivals against identities that hold on the closed-form flow."""

import pytest
import torch

from benchmarks.rivals import CURVES, fade, flowedit, from_picture, from_scratch, subset
from trajflow.base import Evaluation
from trajflow.field import latents_at

STEPS = 12
OLD, NEW = "mountain dusk", "snowy mountain dusk"


@pytest.fixture
def grid(mixture):
    return mixture.schedule(STEPS, (1, 3, 8, 8))


@pytest.fixture
def noise(mixture):
    return mixture.noise(0, (1, 3, 8, 8))


def asked(mixture, prompt: str):
    return mixture.encode(prompt, "", 1.0)


def test_a_subset_of_all_steps_is_the_grid_and_any_ends_at_zero(grid):
    whole = subset(grid, range(STEPS))
    assert torch.equal(whole.sigmas, grid.sigmas)
    assert torch.equal(whole.timesteps, grid.timesteps)
    some = subset(grid, (0, 5, 9))
    assert some.steps == 3
    assert some.sigmas.tolist() == [*grid.sigmas[[0, 5, 9]].tolist(), 0.0]


def test_from_scratch_counts_its_steps_and_is_the_run_itself(mixture, run_plan, make_grid_plan, grid, noise):
    made = from_scratch(mixture, asked(mixture, NEW), noise, "fewer-steps", grid)
    full = run_plan(mixture, make_grid_plan(mixture, STEPS), NEW)
    assert torch.equal(made.latents, full.latents)
    assert made.cost == full.cost
    short = from_scratch(mixture, asked(mixture, NEW), noise, "fewer-steps", subset(grid, (0, 4, 8)))
    assert (short.cost.nfe, short.cost.rows) == (3, 3)


def test_from_a_picture_with_all_steps_the_picture_is_forgotten(mixture, grid, noise):
    """sigma_0 = 1 leaves nothing of it."""
    clean = torch.full_like(noise, 7.0)
    made = from_picture(mixture, asked(mixture, NEW), clean, noise, grid, STEPS)
    full = from_scratch(mixture, asked(mixture, NEW), noise, "fewer-steps", grid)
    assert torch.allclose(made.latents, full.latents, atol=1e-5)
    assert made.cost.nfe == STEPS


def watched(mixture) -> tuple[object, list]:
    """A model like `mixture` that keeps what it is asked: prompt, x, sigma."""
    seen = []

    class Watched(type(mixture)):
        def evaluate(self, x, point, conditioning, keep=None) -> Evaluation:
            seen.append((conditioning.prompt, x, float(point.sigma)))
            return super().evaluate(x, point, conditioning, keep)

    return Watched(), seen


@pytest.mark.parametrize("count", [1, 4])
def test_from_a_picture_begins_at_the_picture_with_noise_put_back_and_is_counted(mixture, grid, noise, count: int):
    model, seen = watched(mixture)
    clean = torch.full_like(noise, 2.0)
    made = from_picture(model, asked(mixture, NEW), clean, noise, grid, count)
    assert made.cost.nfe == count == len(seen)
    _, first, sigma = seen[0]
    assert sigma == float(grid.sigmas[STEPS - count])
    assert torch.allclose(first, (1 - sigma) * clean + sigma * noise)


def test_flowedit_to_the_same_prompt_changes_nothing_and_costs_two_a_step(mixture, grid, noise):
    clean = from_scratch(mixture, asked(mixture, OLD), noise, "fewer-steps", grid).latents
    for budget, spent in ((2, 2), (5, 4), (10, 10)):
        same = flowedit(
            mixture, asked(mixture, OLD), asked(mixture, OLD), clean, 3, lambda n: mixture.schedule(n, (1, 3, 8, 8)),
            budget,
        )  # fmt: skip
        assert torch.allclose(same.latents, clean, atol=1e-5)
        assert (same.cost.nfe, same.cost.rows) == (spent, spent)


def test_flowedit_carries_a_shift_of_the_whole_mixture_exactly(mixture, grid, noise):
    """Where v_new(x + (1 - sigma) s) = v_old(x) - s, the edit moves by the share of s that its sigmas span."""
    old, new = asked(mixture, OLD), asked(mixture, f"{OLD} SHIFTED")
    clean = from_scratch(mixture, old, noise, "fewer-steps", grid).latents
    moved = from_scratch(mixture, new, noise, "fewer-steps", grid).latents
    edited = flowedit(mixture, old, new, clean, 0, lambda n: mixture.schedule(n, (1, 3, 8, 8)), 40).latents
    shift = moved - clean
    along = float(((edited - clean) * shift).sum() / shift.square().sum())
    assert 0.5 < along < 1.05
    again = flowedit(mixture, old, new, clean, 0, lambda n: mixture.schedule(n, (1, 3, 8, 8)), 40).latents
    assert torch.equal(edited, again), "decided by the seed"


@pytest.mark.parametrize("curve", CURVES)
def test_a_fade_between_equal_prompts_changes_nothing(mixture, run_plan, make_grid_plan, curve: str):
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), OLD).trajectory
    made = fade(mixture, asked(mixture, OLD), source, curve, 4, 6)
    assert torch.equal(made.latents, latents_at(source, STEPS))
    assert made.cost.nfe == 6


def test_a_fade_over_no_step_is_a_direct_switch_and_a_longer_one_stays_nearer(mixture, run_plan, make_grid_plan):
    source = run_plan(mixture, make_grid_plan(mixture, STEPS), OLD).trajectory
    switch = run_plan(mixture, make_grid_plan(mixture, STEPS, start=6), NEW, (source,))
    hard, short, long = (fade(mixture, asked(mixture, NEW), source, "linear", span, 6).latents for span in (0, 2, 5))
    assert torch.equal(hard, switch.latents)
    old = latents_at(source, STEPS)
    assert (hard - old).norm() > (short - old).norm() > (long - old).norm() > 0


def test_curves_rise_from_about_nothing_to_about_all():
    for curve in CURVES.values():
        values = [curve(i / 10) for i in range(11)]
        assert values == sorted(values)
        assert values[0] < 0.01 < 0.99 < values[-1]
        assert values[5] == pytest.approx(0.5)


def test_flowedit_asks_the_old_prompt_at_the_noised_old_picture(mixture, grid, noise):
    model, seen = watched(mixture)
    clean = torch.ones_like(noise)
    flowedit(model, asked(mixture, OLD), asked(mixture, NEW), clean, 5, lambda n: mixture.schedule(n, (1, 3, 8, 8)), 2)
    [(first, edited, sigma), (second, noised, _)] = seen
    assert (first, second) == (NEW, OLD)
    drawn = torch.randn(noise.shape, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(noised, (1 - sigma) * clean + sigma * drawn)
    assert torch.allclose(edited, noised, atol=1e-6), "the first step begins at the old picture"
