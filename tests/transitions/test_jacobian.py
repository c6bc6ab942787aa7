import pytest
import torch

from trajflow.transitions.jacobian import STIFFNESS, Jacobian

SHAPE = (1, 3, 4, 4)


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_before_any_secant_the_answer_is_the_flows_own() -> None:
    e = noise()
    torch.testing.assert_close(Jacobian().respond(e, 0.8, -0.02), STIFFNESS / 0.8 * e)


@pytest.mark.parametrize("sigma", [1.0, 0.5, 0.05])
def test_no_step_carries_a_displacement_past_the_path(sigma: float) -> None:
    """The last step of a grid has |h| = sigma; the displacement must not change its sign there."""
    e = noise()
    learnt = Jacobian().learn(noise(1), 40 * noise(2), 0.5, -0.01)
    for jacobian in (Jacobian(), learnt):
        assert float(jacobian.respond(e, sigma, -sigma).norm()) <= float(e.norm()) / sigma * (1 + 1e-5)
    assert float((e - sigma * Jacobian().respond(e, sigma, -sigma)).norm()) < 1e-5 * float(e.norm())


def test_a_secant_is_reproduced_and_what_is_orthogonal_to_it_is_left_as_it_was() -> None:
    moved, change, across = noise(0), noise(1), noise(2)
    across = across - moved * (across * moved).sum() / moved.square().sum()
    jacobian = Jacobian().learn(moved, change, 0.6, -0.01)
    torch.testing.assert_close(jacobian.respond(moved, 0.6, -0.01), change, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(jacobian.respond(across, 0.6, -0.01), Jacobian().respond(across, 0.6, -0.01))
    second = jacobian.learn(across, 3 * across, 0.6, -0.01)
    torch.testing.assert_close(second.respond(across, 0.6, -0.01), 3 * across, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(second.respond(moved, 0.6, -0.01), change, atol=1e-4, rtol=1e-4)


def test_no_displacement_teaches_nothing() -> None:
    assert Jacobian().learn(torch.zeros(SHAPE), noise(), 0.5, -0.1).secants == ()
