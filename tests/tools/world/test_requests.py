import csv
from collections import Counter
from pathlib import Path

import pytest

from tools.world.edits import EDITS, LIGHT
from tools.world.requests import CACHED, FIRST_SEEDS, REQUESTS, draw_requests, draw_session, edits_of
from tools.world.wanted import wanted_of
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, read_pairs

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"


@pytest.fixture(scope="module")
def kept() -> dict[str, tuple[Pair, ...]]:
    return {split: read_pairs(ASSETS / f"world_requests_{split}.csv") for split in FIRST_SEEDS}


def sessions_of(pairs: tuple[Pair, ...]) -> list[tuple[Pair, ...]]:
    return [pairs[first : first + REQUESTS] for first in range(0, len(pairs), REQUESTS)]


def prompts_of(pairs: tuple[Pair, ...]) -> set[str]:
    return {prompt for pair in pairs for prompt in (pair.target, *pair.cached)}


@pytest.mark.slow
@pytest.mark.parametrize("split", FIRST_SEEDS)
def test_the_files_are_what_the_generator_draws(split: str, kept):
    for number in (0, 7):
        assert draw_session(split, number) == sessions_of(kept[split])[number]
    assert draw_requests(split, 1) == kept[split][:REQUESTS]


def test_there_are_as_many_as_before(kept):
    assert {split: len(sessions_of(pairs)) for split, pairs in kept.items()} == {"heldout": 50, "calibration": 16}


def test_two_sessions_have_every_kind_once(kept):
    for pairs in kept.values():
        for first in range(0, len(pairs), 2 * REQUESTS):
            assert Counter(pair.kind for pair in pairs[first : first + 2 * REQUESTS]) == dict.fromkeys(EDITS, 1)


def test_a_session_has_one_seed_and_its_requests_edit_what_it_holds(kept):
    for split, pairs in kept.items():
        for number, session in enumerate(sessions_of(pairs)):
            assert {pair.seed for pair in session} == {FIRST_SEEDS[split] + number}
            held = {pair.source for pair in session}
            assert len(held) == CACHED
            assert all(set(pair.history) <= held - {pair.source} for pair in session)


def test_no_target_is_cached_and_none_comes_twice(kept):
    for pairs in kept.values():
        for session in sessions_of(pairs):
            assert len({pair.target for pair in session}) == REQUESTS
            for pair in session:
                assert len(set(pair.cached)) == len(pair.cached)
                assert bool(pair.negative) == (pair.kind == "negative") == (pair.target in pair.cached)
        assert {len(pair.history) for pair in pairs} == set(range(CACHED))


def test_what_a_session_tells_is_known_without_its_words():
    edits = edits_of("heldout", 3)
    assert edits == edits_of("heldout", 3)
    sources = [wanted_of(edit.source) for _, edit in edits]
    assert all(each not in sources[:place] for place, each in enumerate(sources))
    for kind, edit in edits:
        is_plain = kind in (*LIGHT, "negative", "contradiction")
        assert (wanted_of(edit.source) == wanted_of(edit.target)) == is_plain


def test_held_out_requests_share_no_prompt_or_seed_with_what_is_learned_from(kept):
    own = {split: {str(pair.seed) for pair in pairs} for split, pairs in kept.items()}
    for path in ASSETS.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            seeds = {row["seed"] for row in csv.DictReader(file)}
        assert not any(seeds & each for split, each in own.items() if path.stem != f"world_requests_{split}")
    assert not prompts_of(kept["heldout"]) & prompts_of(kept["calibration"])
    assert not prompts_of(kept["calibration"]) & prompts_of(read_pairs(ASSETS / "world_heldout_10.csv"))


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="'test' is unknown"):
        draw_requests("test", 1)
