"""The worlds that the defaults follow: their files are there and of the kinds said."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.chains import read_chains
from tools.tiny.pairs import KINDS
from tools.world import edits
from trajflow.assets import FIRST_WORLD, NEW_WORLD, WORLD, World, asset
from trajflow.learning.calibrate import check_apart
from trajflow.learning.pairs import Pair, read_pairs

ROOT = Path(__file__).parents[1]
WORLDS = {"first": FIRST_WORLD, "new": NEW_WORLD}


def pairs_of(world: World) -> dict[str, tuple[Pair, ...]]:
    named = {each.name: getattr(world, each.name) for each in fields(World)}
    return {name: read_pairs(asset(file)) for name, file in named.items() if name.startswith(("held", "cal", "req"))}


def test_the_bundled_world_has_a_model():
    assert (asset(WORLD.folder) / "model_index.json").exists()


def test_a_wheel_has_the_model_and_all_that_commands_take_by_default():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = (WORLD.folder, WORLD.heldout, WORLD.calibration_session, WORLD.requests_calibration)
    assert {f"assets/{name}" for name in needed} <= set(built["force-include"])


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_all_its_pairs_are_of_its_kinds(world: World):
    for name, pairs in pairs_of(world).items():
        assert {pair.kind for pair in pairs} == {*world.edits, *world.light}, name
    assert len(read_chains(asset(world.chains_heldout))) == 4


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_sessions_have_the_same_targets_and_what_is_learned_from_is_apart(world: World):
    pairs = pairs_of(world)
    assert [pair.target for pair in pairs["heldout"]] == [pair.target for pair in pairs["heldout_session"]]
    assert all(pair.history for pair in (*pairs["heldout_session"], *pairs["calibration_session"]))
    for learned in ("calibration_session", "requests_calibration"):
        check_apart(pairs[learned], pairs["heldout_session"])
        check_apart(pairs[learned], pairs["requests_heldout"])


def test_the_kinds_are_those_that_are_drawn():
    assert {*NEW_WORLD.edits, *NEW_WORLD.light} == set(edits.EDITS)
    assert NEW_WORLD.light == edits.LIGHT
    assert {*FIRST_WORLD.edits, *FIRST_WORLD.light} == set(KINDS)
