import numpy as np
import pytest

from trajflow.errors import RequestError
from trajflow.ui.variations import expand, sharing_order


def test_choices_are_written_in_braces():
    assert expand("{dawn|noon} over a {lake|city}") == [
        "dawn over a lake",
        "dawn over a city",
        "noon over a lake",
        "noon over a city",
    ]
    assert expand("a lake") == ["a lake"]
    assert expand("a lake {|at night}") == ["a lake", "a lake at night"]
    assert expand("{a|a} lake") == ["a lake"]


@pytest.mark.parametrize("template", ["{a|{b|c}}", "a } lake {", "{a|b" * 1, "{a|b|c}" * 9, "{a|b}" * 1100])
def test_what_cannot_be_meant_is_refused(template):
    with pytest.raises(RequestError):
        expand(template)


def test_every_next_picture_is_the_nearest_to_any_before():
    angles = np.deg2rad([0, 50, 10, 30, 20])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    order = sharing_order(vectors)
    assert order[0] == 4, "the one in the middle comes first"
    assert sorted(order) == list(range(5))
    for place in range(1, 5):
        done, rest = order[:place], order[place:]
        nearest = {other: max(vectors[other] @ vectors[each] for each in done) for other in rest}
        assert nearest[order[place]] == max(nearest.values())
    assert sharing_order(vectors[:0]) == []
