import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tools.world.captions import caption
from tools.world.edits import EDITS
from tools.world.pairs import PER_KIND, PICTURES, draw_pair, draw_pairs
from tools.world.scene import Told
from tools.world.text import random_told
from tools.world.wordings import Voice, changes
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, read_pairs

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"


def prompts_of(pairs: tuple[Pair, ...]) -> set[str]:
    return {prompt for pair in pairs for prompt in (pair.target, *pair.cached)}


@pytest.fixture(scope="module")
def kept() -> dict[int, tuple[Pair, ...]]:
    return {pictures: read_pairs(ASSETS / f"world_heldout_{pictures}.csv") for pictures in PICTURES}


@pytest.mark.slow
def test_the_files_are_what_the_generator_draws(kept):
    """One pair of each kind, another one of each file: a pair is drawn whatever the others are."""
    stored = {"heldout": kept[5], "calibration": read_pairs(ASSETS / "world_calibration.csv")}
    for first, (split, pairs) in enumerate(stored.items()):
        for number, pair in list(enumerate(pairs))[first::PER_KIND]:
            assert draw_pair(split, number, 5) == pair
    assert [pair.kind for pair in kept[5]] == [kind for kind in EDITS for _ in range(PER_KIND)]


def test_every_kind_is_there_as_often(kept):
    assert Counter(pair.kind for pair in kept[1]) == dict.fromkeys(EDITS, PER_KIND)
    assert len({pair.seed for pair in kept[1]}) == len(kept[1]) == 96


def test_longer_sessions_begin_with_the_shorter_ones(kept):
    for pictures, pairs in kept.items():
        for pair, longest in zip(pairs, kept[10], strict=True):
            assert len(pair.cached) == pictures
            assert pair.cached == longest.cached[:pictures]
            assert pair.target == longest.target


def test_only_negative_edits_have_a_negative_prompt_and_they_leave_the_prompt_alone(kept):
    for pair in kept[1]:
        assert bool(pair.negative) == (pair.kind == "negative") == (pair.source == pair.target)


def test_small_edits_change_few_words(kept):
    for pair in kept[1]:
        if pair.kind in ("counting", "colouring", "moving", "removing", "adding"):
            assert 1 <= changes(pair.source, pair.target) <= 6, pair
        if pair.kind == "long":
            assert len(pair.target.split()) > 20


def test_no_held_out_prompt_is_a_calibration_prompt_or_a_training_caption(kept):
    heldout, calibration = prompts_of(kept[10]), read_pairs(ASSETS / "world_calibration.csv")
    assert not heldout & prompts_of(calibration)
    assert not {pair.seed for pair in kept[10]} & {pair.seed for pair in calibration}
    told, rng = random.Random(3), np.random.default_rng(3)
    training = {caption(random_told(told), rng, typos=0.0).lower().rstrip(".! ") for _ in range(4000)}
    assert not heldout & training


def test_words_are_counted_as_an_editor_would():
    assert changes("two red boats", "two red boats") == 0
    assert changes("two red boats", "three blue boats at dawn") == 4


def test_a_far_wording_shares_little_and_a_near_one_much():
    voice, told = Voice("train", random.Random(1)), Told(subject="lake", time="night")
    text = voice.plain(told)
    near, far = voice.near(told, text), voice.far(told, text)
    assert text not in (near, far)
    assert changes(text, near) < changes(text, far)


def test_what_is_not_offered_is_refused():
    with pytest.raises(RequestError, match="'test' is unknown"):
        draw_pairs("test")
    with pytest.raises(RequestError, match="3 is unknown"):
        draw_pairs("heldout", 3)
