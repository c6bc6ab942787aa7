"""The bundled judge reads drawn landscapes, and knows what the held-out pairs ask for."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from benchmarks.judge import load_judge
from tools.tiny.captions import HELDOUT_SCENES
from tools.tiny.pairs import targets_of
from tools.tiny.scenes import render
from trajflow.assets import asset
from trajflow.errors import RequestError
from trajflow.learning.pairs import read_pairs


@pytest.fixture(scope="module")
def targets():
    """What every held-out target asks for."""
    return dict(targets_of("heldout"))


def test_it_reads_what_was_drawn():
    judge, rng = load_judge(), np.random.default_rng(3)
    read = [judge.read(Image.fromarray(render(scene, rng))) == asdict(scene) for scene in HELDOUT_SCENES]
    assert sum(read) >= len(read) - 1


def test_it_knows_what_every_held_out_target_asks_for(targets):
    judge, rng = load_judge(), np.random.default_rng(4)
    pairs = read_pairs(asset("pairs/heldout_session.csv"))
    assert {pair.target for pair in pairs} == set(targets)
    for pair in pairs[::11]:
        scene = targets[pair.target]
        assert judge.asked[pair.target] == asdict(scene)
        drawn = Image.fromarray(render(scene, rng))
        assert all(judge.obeyed(drawn, pair.target).values())


def test_another_attribute_is_not_obeyed(targets):
    judge = load_judge()
    (text, scene), other = next(iter(targets.items())), HELDOUT_SCENES[0]
    obeyed = judge.obeyed(Image.fromarray(render(other, np.random.default_rng(5))), text)
    assert obeyed == {name: value == getattr(scene, name) for name, value in asdict(other).items()}


def test_what_it_does_not_know_is_refused(tmp_path: Path):
    with pytest.raises(RequestError, match="not known"):
        load_judge().obeyed(Image.new("RGB", (128, 128)), "a teapot")
    with pytest.raises(RequestError, match=r"tools\.tiny\.judge"):
        load_judge(tmp_path / "missing.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(RequestError, match="holds no judge"):
        load_judge(tmp_path / "empty.safetensors")
