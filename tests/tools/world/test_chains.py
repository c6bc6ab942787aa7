import csv
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.chains import Chain, read_chains
from tools.world.chains import EDITS, FIRST_SEEDS, MOVES, could_be, draw_chain, walk
from tools.world.wanted import change_of, wanted_of
from tools.world.wordings import changes
from trajflow.errors import RequestError

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"


@pytest.fixture(scope="module")
def kept() -> dict[str, tuple[Chain, ...]]:
    return {split: read_chains(ASSETS / f"world_chains_{split}.csv") for split in FIRST_SEEDS}


@pytest.mark.slow
@pytest.mark.parametrize(("split", "number"), [("heldout", 1), ("calibration", 2)])
def test_the_files_are_what_the_generator_draws(split: str, number: int, kept):
    drawn, stored = draw_chain(split, number, edits=8), kept[split][number]
    assert (drawn.seed, drawn.kinds, drawn.prompts) == (stored.seed, stored.kinds[:9], stored.prompts[:9])


def test_a_chain_tells_nothing_twice_and_always_of_scenes_of_its_split(kept):
    for split, chains in kept.items():
        for number, chain in enumerate(chains):
            kinds, tolds = zip(*walk(split, number), strict=True)
            assert kinds == chain.kinds
            assert len(chain.prompts) == 1 + EDITS
            told = [wanted_of(each) for each in tolds]
            assert all(each not in told[:place] for place, each in enumerate(told))
            assert all(could_be(each, split) for each in tolds)


def test_an_edit_changes_one_attribute_or_one_thing(kept):
    for split, chains in kept.items():
        for number, _ in enumerate(chains):
            for (_, before), (kind, after) in pairwise(walk(split, number)):
                change = change_of(before, after)
                owners = {name.split()[0] for name in change.told} | set(change.denied)
                assert len(owners) == 1
                assert not change.denied or kind == "removing"
                assert kind not in ("subject", "time", "weather", "season", "style") or owners == {kind}


def test_every_kind_of_edit_comes_and_few_words_change(kept):
    for chains in kept.values():
        assert {kind for chain in chains for kind in chain.kinds} == {"first", *MOVES}
        for chain in chains:
            counts = [changes(*prompts) for prompts in pairwise(chain.prompts)]
            assert max(counts) <= 12, chain.prompts
            assert sorted(counts)[EDITS // 2] <= 4


def test_no_other_file_has_a_seed_of_the_chains_and_no_other_split_a_prompt(kept):
    own = {split: {str(chain.seed) for chain in chains} for split, chains in kept.items()}
    for path in ASSETS.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            seeds = {row["seed"] for row in csv.DictReader(file)}
        assert not any(seeds & each for split, each in own.items() if path.stem != f"world_chains_{split}")
    heldout, calibration = ({prompt for chain in kept[split] for prompt in chain.prompts} for split in FIRST_SEEDS)
    assert not heldout & calibration


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="'test' is unknown"):
        walk("test", 0)
