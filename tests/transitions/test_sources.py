import torch

from trajflow.transitions.sources import choose_sources

SHAPE = (1, 4, 12, 12)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unexplained(fresh: torch.Tensor, cached: torch.Tensor) -> float:
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
