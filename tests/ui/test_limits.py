import pytest

from trajflow.base import Defaults
from trajflow.errors import RequestError
from trajflow.ui.limits import Busy, check_work, work_of

DEFAULTS = Defaults(steps=28, guidance=3.0, height=128, width=128, size_multiple=8, largest_side=256)
LARGE = {"width": 256, "height": 256}


def test_work_is_steps_times_pixels_and_twice_that_when_compared():
    assert work_of({}, DEFAULTS) == 1
    assert work_of({"compare": True, "steps": None}, DEFAULTS) == 2
    assert work_of({**LARGE, "steps": 14}, DEFAULTS) == 2


def test_what_once_held_everybody_up_is_refused_and_the_largest_compared_picture_is_not():
    check_work({**LARGE, "compare": True}, DEFAULTS)
    check_work({"steps": 200}, DEFAULTS)
    with pytest.raises(RequestError, match=r"the work of 28\.3 pictures .* may take that of 8"):
        check_work({**LARGE, "steps": 99, "compare": True}, DEFAULTS)


@pytest.mark.parametrize("steps", ["99", 1e9, True, -5, 10**9, 2**70, float("nan"), [99]])
def test_what_is_no_valid_request_is_left_to_the_library(steps):
    check_work({**LARGE, "steps": steps}, DEFAULTS)


def test_busy_says_when_to_try_again():
    assert str(Busy("The queue is full.", 0.2)) == "The queue is full. Try again in 1 second."
    assert Busy("", 12.4).retry_seconds == 12
