import math

import pytest
import torch

from trajflow.metrics import angle_degrees


@pytest.mark.parametrize(
    ("other", "degrees"),
    [((1.0, 0.0), 0.0), ((1.0, 1.0), 45.0), ((0.0, 2.0), 90.0), ((-1.0, math.sqrt(3)), 120.0), ((-3.0, 0.0), 180.0)],
)
def test_known_angles(other, degrees):
    assert angle_degrees(torch.tensor([1.0, 0.0]), torch.tensor(other)) == pytest.approx(degrees, abs=1e-5)


def test_a_small_angle_is_not_lost_in_float32():
    tilt = 1e-4
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(tilt), math.sin(tilt)])
    assert angle_degrees(a, b) == pytest.approx(math.degrees(tilt), rel=1e-3)


def test_equal_tensors_give_exactly_zero():
    v = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert angle_degrees(v, v.clone()) == 0.0
    assert angle_degrees(torch.zeros(4), torch.zeros(4)) == 0.0


def test_length_and_shape_of_the_field_do_not_matter():
    v = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert angle_degrees(v, 7 * v) == pytest.approx(0.0, abs=1e-4)
    assert angle_degrees(v, -v) == pytest.approx(180.0, abs=1e-4)


def test_a_zero_vector_stands_at_ninety_degrees():
    assert angle_degrees(torch.zeros(3), torch.ones(3)) == 90.0


def test_dtypes_may_differ():
    v = torch.tensor([1.0, 2.0, 4.0])
    assert angle_degrees(v.bfloat16(), v) == 0.0
