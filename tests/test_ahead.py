"""Working ahead of a first picture: more sources for what comes next."""

import pytest

import trajflow
from trajflow.errors import Cancelled, RequestError
from trajflow.session.variants import variants
from trajflow.settings import LONGEST_PROMPT


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cabin by a lake at sunset", ("a cabin by a lake at night", "a cabin by a lake at sunset, in the snow")),
        ("snowy dunes in the moonlight", ("snowy dunes at noon", "dunes in the moonlight, in the fog")),
        ("night, a boat, cityscape", ("at noon, a boat, cityscape", "night, a boat, cityscape, in the snow")),
        ("a weekday rainbow", ("a weekday rainbow, at sunset", "a weekday rainbow, in the snow")),
    ],
)
def test_variants_change_one_attribute_each_by_whole_words(prompt: str, expected: tuple[str, str]) -> None:
    assert variants(prompt) == expected


def test_what_is_made_ahead_serves_the_next_picture_and_is_not_listed(mixture) -> None:
    session = trajflow.Session(mixture)
    first = session.generate("a mountain", seed=3)
    made = [event for event in session.work_ahead() if isinstance(event, trajflow.Result)]
    assert [result.request.prompt for result in made] == list(variants("a mountain"))
    assert session.spent.background.nfe == 16
    assert session.spent.waited.nfe == 8
    assert [entry.key for entry in session.entries()] == [first.key]
    assert session.unfinished() == ()
    carried = session.generate("a mountain at dusk", seed=3, budget=3)
    assert set(carried.plan.sources) == {first.key, *(result.key for result in made)}
    # Three sources are enough: nothing more is made.
    assert list(session.work_ahead()) == []


def test_asking_for_it_lists_it_and_forgetting_the_first_drops_the_rest(mixture) -> None:
    session = trajflow.Session(mixture)
    first = session.generate("a mountain")
    made = [event for event in session.work_ahead() if isinstance(event, trajflow.Result)]
    asked = session.generate(made[0].request.prompt)
    assert (asked.key, asked.cost.nfe) == (made[0].key, 0)
    assert {entry.key for entry in session.entries()} == {first.key, made[0].key}
    session.forget(first.key)
    assert [entry.key for entry in session.entries()] == [made[0].key]
    assert session.nbytes == session.entries()[0].nbytes


def test_it_gives_way_to_a_request_and_keeps_nothing_half_made(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate("a mountain")
    ahead = session.work_ahead()
    assert next(ahead).phase == "ahead"
    before = session.nbytes
    session.generate("a mountain")
    with pytest.raises(Cancelled):
        next(ahead)
    assert session.nbytes == before


def test_it_never_takes_another_runs_place(mixture) -> None:
    session = trajflow.Session(mixture)
    held = session.generate("a mountain")
    tight = trajflow.Session(mixture, cache_bytes=session.nbytes + 10)
    tight.generate("a mountain")
    assert list(tight.work_ahead()) == []
    assert len(tight.entries()) == 1
    with pytest.raises(RequestError, match="no longer kept"):
        list(tight.work_ahead(held.key))


def test_a_variant_that_would_be_longer_than_a_prompt_may_be_is_not_made(mixture) -> None:
    session = trajflow.Session(mixture)
    session.generate("a mountain " + "x" * (LONGEST_PROMPT - 15))
    assert list(session.work_ahead()) == []


def test_it_goes_with_what_it_was_made_for_and_leaves_nothing_hidden(mixture) -> None:
    """The first picture gives way for want of room; what was made ahead of it would never be listed."""
    bytes_of_one = _nbytes(mixture)
    session = trajflow.Session(mixture, cache_bytes=3 * bytes_of_one)
    session.generate("a mountain", seed=3)
    list(session.work_ahead())
    assert session.nbytes == 3 * bytes_of_one
    other = session.generate("a lake", seed=4)
    assert [entry.key for entry in session.entries()] == [other.key]
    assert session.nbytes == bytes_of_one
    session.forget(other.key)
    assert session.nbytes == 0


def _nbytes(mixture) -> int:
    session = trajflow.Session(mixture)
    session.generate("a mountain")
    return session.nbytes
