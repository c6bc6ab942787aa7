import numpy as np
import pytest

from trajflow.cache import new_key
from trajflow.errors import CacheError


def test_keys_are_128_random_bits():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(bytes.fromhex(key)) == 16 for key in keys)


def test_only_a_fully_computed_trajectory_is_true(make_entry):
    assert make_entry().is_true
    assert not make_entry(computed=3).is_true
    assert not make_entry(has_trajectory=False).is_true


@pytest.mark.parametrize("vector", [np.zeros(383, np.float32), np.zeros((1, 384), np.float32), np.zeros(384)])
def test_another_vector_is_refused(make_entry, vector):
    with pytest.raises(CacheError, match=r"float32 of shape \(384,\), got"):
        make_entry(vector=vector)
