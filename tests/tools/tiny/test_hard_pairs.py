from collections import Counter
from pathlib import Path

import pytest

from tools.tiny.hard_pairs import KINDS, PICTURES, draw_pairs
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, read_pairs

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"


@pytest.fixture(scope="module")
def kept() -> dict[int, tuple[Pair, ...]]:
    return {pictures: read_pairs(ASSETS / f"hard_heldout_{pictures}.csv") for pictures in PICTURES}


@pytest.mark.slow
def test_the_files_are_what_the_generator_draws(kept):
    assert draw_pairs(10) == kept[10]


def test_every_kind_is_there_as_often_with_sessions_that_continue_each_other(kept):
    for pictures, pairs in kept.items():
        assert Counter(pair.kind for pair in pairs) == dict.fromkeys(KINDS, 8)
        for pair, longest in zip(pairs, kept[10], strict=True):
            assert len(pair.cached) == pictures
            assert pair.cached == longest.cached[:pictures]


def test_only_negative_edits_have_a_negative_prompt(kept):
    for pair in kept[1]:
        assert bool(pair.negative) == (pair.kind == "negative") == (pair.source == pair.target)


def test_nothing_held_out_was_calibrated_on(kept):
    held = {prompt for pair in kept[10] for prompt in (pair.target, *pair.cached)}
    seeds = {pair.seed for pair in kept[10]}
    for path in ASSETS.glob("*calibration*.csv"):
        if "chains" in path.stem:
            continue
        pairs = read_pairs(path)
        assert not held & {prompt for pair in pairs for prompt in (pair.target, *pair.cached)}, path.name
        assert not seeds & {pair.seed for pair in pairs}, path.name


def test_another_number_of_pictures_is_refused():
    with pytest.raises(RequestError, match="3 pictures are not offered"):
        draw_pairs(3)
