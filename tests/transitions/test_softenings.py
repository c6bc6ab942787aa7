from dataclasses import replace

import pytest
import torch

from trajflow.transitions.softenings import Switch, by_derivative, by_flow, by_uncertainty

SHAPE = (1, 3, 4, 4)
SIGMAS = tuple(torch.linspace(1, 0, 13).tolist())


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def at() -> Switch:
    """The first step after a switch at step 4, softened over four steps."""
    return Switch(4, 0, 4, SIGMAS, noise(0), noise(1), noise(2), None, None)


@pytest.mark.parametrize("rule", [by_uncertainty, by_flow, by_derivative])
def test_equal_fields_blend_to_themselves_exactly(rule, at) -> None:
    assert not rule(replace(at, new=at.old)).any()


@pytest.mark.parametrize("rule", [by_uncertainty, by_flow, by_derivative])
def test_after_the_span_the_new_field_has_it_all(rule, at) -> None:
    late = replace(at, k=9, past=5, offset=noise(4), new_before=noise(3))
    torch.testing.assert_close(rule(late), late.new - late.old)


def test_by_flow_the_share_is_a_smoothstep_of_sigma(at) -> None:
    difference = at.new - at.old
    for past, progress in ((0, 0.25), (1, 0.5), (3, 1.0)):
        share = progress**2 * (3 - 2 * progress)
        torch.testing.assert_close(
            by_flow(replace(at, k=4 + past, past=past)), share * difference, atol=1e-5, rtol=1e-5
        )


def test_by_derivative_the_offset_moves_no_faster_than_the_cached_field(at) -> None:
    most = float((at.old - at.old_before).norm())
    far = replace(at, new=at.old + 100 * noise(5))
    assert float(by_derivative(far).norm()) == pytest.approx(most, rel=1e-5)
    held = replace(far, offset=99.99 * noise(5))
    torch.testing.assert_close(by_derivative(held), far.new - far.old, atol=1e-4, rtol=1e-4)


def test_by_uncertainty_the_share_is_the_inverse_variance_weight_of_each_pixel(at) -> None:
    flat = torch.ones(SHAPE)
    known = replace(at, old=0 * flat, new=3 * flat, new_before=2 * flat, past=1, k=5)
    old, new = 2 / 4 * 9, 1.0
    torch.testing.assert_close(by_uncertainty(known), old / (old + new) * 3 * flat)
    nearer = by_uncertainty(replace(known, past=0, k=4))
    assert float(nearer.mean()) < float(by_uncertainty(known).mean()), "the cached field is trusted less and less"
