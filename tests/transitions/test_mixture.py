import pytest
import torch
from torch import Tensor

from trajflow.transitions.basis import GLOBAL_RIDGE, choose_sources, fit_global, fit_local

SHAPE = (1, 4, 12, 12)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def residual(fresh: Tensor, cached: Tensor, weights: Tensor) -> float:
    weights = weights.view(-1, 1, 1, 1, 1) if weights.ndim == 1 else weights
    return (fresh - (weights * cached).sum(dim=0)).norm().item()


@pytest.mark.parametrize("known", [[1.0], [0.5, 0.5], [0.7, 0.5, -0.2], [1.0, 1.0, -1.0], [0.4, 0.3, 0.2, 0.05, 0.05]])
def test_known_weights_are_recovered(known: list[float]) -> None:
    cached = noise(len(known), *SHAPE)
    fresh = (torch.tensor(known).view(-1, 1, 1, 1, 1) * cached).sum(dim=0)
    weights = fit_global(fresh, cached)
    torch.testing.assert_close(weights, torch.tensor(known), atol=5 * GLOBAL_RIDGE, rtol=0)
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))


def test_an_offset_that_no_source_explains_does_not_disturb_the_weights() -> None:
    cached, offset = noise(3, *SHAPE), noise(*SHAPE, seed=1)
    directions = (cached[1:] - cached[0]).flatten(1)
    across = torch.linalg.lstsq(directions.T, offset.flatten()[:, None]).solution[:, 0] @ directions
    offset = offset - across.view_as(offset)
    fresh = 0.6 * cached[0] + 0.3 * cached[1] + 0.1 * cached[2] + offset
    torch.testing.assert_close(fit_global(fresh, cached), torch.tensor([0.6, 0.3, 0.1]), atol=5e-3, rtol=0)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_exact_source_has_all_the_weight(position: int) -> None:
    cached = noise(3, *SHAPE)
    weights = fit_global(cached[position], cached)
    assert weights.tolist() == [float(i == position) for i in range(3)]
    local = fit_local(cached[position], cached, weights)
    assert torch.equal(local, weights.view(-1, 1, 1, 1, 1).expand_as(local))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_weights_do_not_depend_on_the_units(scale: float) -> None:
    cached, fresh = noise(3, *SHAPE), noise(*SHAPE, seed=1)
    weights = fit_global(fresh, cached)
    torch.testing.assert_close(fit_global(scale * fresh, scale * cached), weights, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        fit_local(scale * fresh, scale * cached, weights), fit_local(fresh, cached, weights), rtol=1e-3, atol=1e-4
    )


def test_local_weights_sum_to_one_at_each_pixel_and_reduce_the_residual() -> None:
    cached, fresh = noise(3, *SHAPE), noise(*SHAPE, seed=1)
    weights = fit_global(fresh, cached)
    local = fit_local(fresh, cached, weights)
    assert local.shape == (3, 1, 1, 12, 12)
    torch.testing.assert_close(local.sum(dim=0), torch.ones(1, 1, 12, 12))
    assert residual(fresh, cached, local) < residual(fresh, cached, weights) < residual(fresh, cached, torch.eye(3)[0])


def test_local_weights_recover_a_picture_split_in_two() -> None:
    """The left half is the first source and the right half the second; one weight for all cannot say that."""
    cached = noise(3, *SHAPE)
    left = torch.arange(12) < 6
    fresh = torch.where(left, cached[0], cached[1])
    weights = fit_global(fresh, cached)
    local = fit_local(fresh, cached, weights)
    assert residual(fresh, cached, local) < 0.5 * residual(fresh, cached, weights)
    inner = torch.stack([local[:, 0, 0, :, :5].mean(dim=(1, 2)), local[:, 0, 0, :, 7:].mean(dim=(1, 2))])
    torch.testing.assert_close(inner, torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), atol=0.12, rtol=0)


def test_local_weights_of_a_global_combination_stay_global() -> None:
    cached = noise(3, *SHAPE)
    fresh = (torch.tensor([0.6, 0.3, 0.1]).view(-1, 1, 1, 1, 1) * cached).sum(dim=0)
    weights = fit_global(fresh, cached)
    local = fit_local(fresh, cached, weights)
    torch.testing.assert_close(local, weights.view(-1, 1, 1, 1, 1).expand_as(local), atol=0.02, rtol=0)


@pytest.mark.parametrize("count", [2, 4])
def test_equal_sources_do_no_harm(count: int) -> None:
    """Two prompts that the tokenizer reads alike leave equal trajectories."""
    cached = noise(*SHAPE).expand(count, *SHAPE).clone()
    fresh = noise(*SHAPE, seed=1)
    weights = fit_global(fresh, cached)
    local = fit_local(fresh, cached, weights)
    for fitted in (weights, local):
        assert torch.isfinite(fitted).all()
        torch.testing.assert_close(fitted.sum(dim=0), torch.ones_like(fitted.sum(dim=0)))
    assert residual(fresh, cached, local) == pytest.approx((fresh - cached[0]).norm().item(), rel=1e-4)


def unexplained(fresh: Tensor, cached: Tensor) -> float:
    """Distance to the affine span, by least squares."""
    directions = (cached[1:] - cached[0]).flatten(1).T
    away = (fresh - cached[0]).flatten()[:, None]
    return float((away - directions @ torch.linalg.lstsq(directions, away).solution).norm())


def test_a_few_are_all_taken_in_their_order() -> None:
    assert choose_sources(noise(*SHAPE, seed=1), noise(4, *SHAPE), most=4) == (0, 1, 2, 3)


def test_those_that_make_up_the_fresh_velocity_are_found_among_many() -> None:
    cached = noise(12, *SHAPE)
    fresh = 0.5 * cached[7] + 0.4 * cached[2] + 0.3 * cached[9] - 0.2 * cached[4]
    chosen = choose_sources(fresh, cached, most=4)
    assert chosen[0] == 7, "the nearest comes first"
    assert set(chosen) == {2, 4, 7, 9}
    assert unexplained(fresh, cached[list(chosen)]) < 1e-4


def test_what_repeats_a_chosen_run_is_passed_over_for_what_adds_to_it() -> None:
    cached = noise(6, *SHAPE)
    crowd = torch.cat([cached, cached[:1] + 1e-7 * noise(5, *SHAPE, seed=3)])
    fresh = 0.6 * cached[0] + 0.2 * cached[3] + 0.2 * cached[5]
    chosen = choose_sources(fresh, crowd, most=3)
    assert {3, 5} < set(chosen)
    nearest = (crowd - fresh).flatten(1).norm(dim=1).argsort()[:3]
    assert unexplained(fresh, crowd[list(chosen)]) < 0.2 * unexplained(fresh, crowd[nearest])


def test_equal_runs_leave_one() -> None:
    same = noise(*SHAPE).expand(9, *SHAPE)
    assert len(choose_sources(noise(*SHAPE, seed=1), same, most=4)) == 1
