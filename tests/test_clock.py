import time
from itertools import count

import pytest

from trajflow.sampler import PhaseClock


def test_phases_add_up_in_the_order_they_were_entered(monkeypatch):
    looks = count()
    monkeypatch.setattr(PhaseClock, "_now", lambda clock: float(next(looks)))
    clock = PhaseClock()
    for phase in ("embed", "sample", "embed"):
        with clock(phase):
            pass
    assert list(clock.seconds.items()) == [("embed", 2.0), ("sample", 1.0)]


def test_phases_are_told_in_seconds():
    clock = PhaseClock()
    with clock("sample"):
        time.sleep(0.01)
    assert clock.seconds["sample"] >= 0.01


def test_a_phase_that_raises_still_counts_and_is_closed():
    clock = PhaseClock("cpu")
    with pytest.raises(ZeroDivisionError), clock("plan"):
        raise ZeroDivisionError
    with clock("plan"):
        pass
    assert list(clock.seconds) == ["plan"]


def test_phases_do_not_nest():
    clock = PhaseClock()
    with clock("sample"), pytest.raises(AssertionError, match="'decode' starts inside phase 'sample'"), clock("decode"):
        pass
    assert list(clock.seconds) == ["sample"]


def test_what_was_read_does_not_change_afterwards():
    clock = PhaseClock()
    before = clock.seconds
    with clock("embed"):
        pass
    assert before == {}


@pytest.mark.gpu
def test_kernels_are_charged_to_the_phase_that_launched_them():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    clock = PhaseClock("cuda")
    a = torch.randn(4096, 4096, device="cuda")
    with clock("warm"):
        a @ a
    with clock("sample"):
        for _ in range(50):
            a @ a
    with clock("after"):
        pass
    assert clock.seconds["sample"] > 10 * clock.seconds["after"]
