import csv
from pathlib import Path

import pytest

from tools.tiny.pairs import KINDS
from tools.tiny.requests import CACHED, FIRST_SEEDS, REQUESTS, draw_requests
from trajflow.learning.pairs import Pair, read_pairs, write_pairs

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"


@pytest.fixture(scope="module")
def kept() -> dict[str, tuple[Pair, ...]]:
    """The requests that come with the library."""
    return {split: read_pairs(ASSETS / f"requests_{split}.csv") for split in FIRST_SEEDS}


def sessions_of(pairs: tuple[Pair, ...]) -> list[list[Pair]]:
    seeds = dict.fromkeys(pair.seed for pair in pairs)
    return [[pair for pair in pairs if pair.seed == seed] for seed in seeds]


def prompts_of(pairs: tuple[Pair, ...]) -> set[str]:
    return {prompt for pair in pairs for prompt in (pair.target, *pair.cached)}


@pytest.mark.slow
@pytest.mark.parametrize("split", FIRST_SEEDS)
def test_the_files_are_what_the_generator_draws(split: str, kept, tmp_path) -> None:
    """More sessions begin as fewer do."""
    drawn = draw_requests(split, 2)
    assert drawn == kept[split][: 2 * REQUESTS]
    write_pairs(tmp_path / "requests.csv", drawn)
    assert read_pairs(tmp_path / "requests.csv") == drawn


def test_another_seed_draws_others(kept) -> None:
    assert draw_requests("calibration", 1, seed=12) != kept["calibration"][:REQUESTS]


def test_a_session_has_one_noise_seed_and_as_many_requests_as_said(kept) -> None:
    for split, pairs in kept.items():
        assert [pair.seed for pair in pairs] == [FIRST_SEEDS[split] + i // REQUESTS for i in range(len(pairs))]
        assert len(pairs) % REQUESTS == 0
        assert {pair.kind for pair in pairs} == set(KINDS)


def test_from_none_to_all_of_the_others_are_cached_as_well(kept) -> None:
    for pairs in kept.values():
        assert {len(pair.history) for pair in pairs} == set(range(CACHED))


def test_every_request_has_sources_that_differ(kept) -> None:
    for pairs in kept.values():
        for pair in pairs:
            assert len(set(pair.cached)) == len(pair.cached), pair
            assert pair.target not in pair.cached


def test_the_histories_of_a_session_come_from_its_cached_prompts(kept) -> None:
    """A paraphrase or a praised prompt has a source of its own."""
    for pairs in kept.values():
        for session in sessions_of(pairs):
            edits = [pair for pair in session if pair.kind not in ("paraphrase", "praise")]
            held = {prompt for pair in session for prompt in pair.history} | {pair.source for pair in edits}
            assert len(held) <= CACHED


def test_no_file_shares_a_noise_seed_with_the_requests() -> None:
    seeds = {}
    for path in ASSETS.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            seeds[path.stem] = {row["seed"] for row in csv.DictReader(file)}
    for split in FIRST_SEEDS:
        own = seeds[f"requests_{split}"]
        assert not any(own & other for name, other in seeds.items() if name != f"requests_{split}")


def test_calibration_shares_no_prompt_with_anything_held_out(kept) -> None:
    calibration = prompts_of(kept["calibration"])
    assert not calibration & prompts_of(kept["heldout"])
    for name in ("heldout_session", "heldout_unrelated"):
        assert not calibration & prompts_of(read_pairs(ASSETS / f"{name}.csv")), name
