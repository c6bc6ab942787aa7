import numpy as np
import torch

from trajflow.transitions.subspace import beside, coordinates, lift, span

SHAPE = (1, 3, 4, 4)


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def test_the_basis_is_orthonormal_and_leaves_out_what_adds_nothing() -> None:
    a, b = noise(0), noise(1)
    basis = span([a, 2 * a - b, torch.zeros(SHAPE), b, a + b])
    assert basis.shape == (2, a.numel())
    np.testing.assert_allclose(basis @ basis.T, np.eye(2), atol=1e-12)
    assert span([]).shape[0] == 0
    assert span([torch.zeros(SHAPE)]).shape[0] == 0


def test_coordinates_and_lift_are_inverse_on_the_span_and_the_rest_is_orthogonal() -> None:
    a, b, other = noise(0), noise(1), noise(2)
    basis = span([a, b])
    inside = 0.3 * a - 2 * b
    torch.testing.assert_close(lift(basis, coordinates(basis, inside), inside), inside)
    rest = beside(basis, other + inside)
    assert abs(float((rest * a).sum())) < 1e-4
    assert abs(float((rest * b).sum())) < 1e-4
    torch.testing.assert_close(rest + lift(basis, coordinates(basis, other + inside), other), other + inside)
    assert torch.equal(beside(span([]), other), other)
