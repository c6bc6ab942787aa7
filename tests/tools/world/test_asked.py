"""What the judge is asked of the held-out targets, and whether it tells obedience from disobedience."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import one_hot

from benchmarks.chains import read_chains
from benchmarks.judge import Judge as Reads
from benchmarks.judge import load_judge
from benchmarks.world_judge import THERE, Asked, Judge, Wanted
from tools.world.asked import held_out, release, targets
from tools.world.codes import to_codes
from tools.world.edits import EDITS, Edit, draw_scene
from tools.world.judge import CLASSES, labels_of
from tools.world.judge import Judge as Network
from tools.world.pairs import edit_of
from tools.world.render import render
from tools.world.scene import Scene, Thing, Told, draw, tell
from tools.world.wanted import asked_by, change_of, wanted_of
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, read_pairs

ASSETS = Path(__file__).parents[3] / "assets" / "pairs"
BOATS = Thing("boat", 2, "red", "left")


@pytest.fixture(scope="module")
def asked() -> tuple[Asked, ...]:
    return held_out()


def perfect(scene: Scene, asked: tuple[Asked, ...] = ()) -> Judge:
    """A judge whose logits are those of `scene`, whatever it sees."""
    labels = labels_of(torch.from_numpy(to_codes(scene)[None].astype(np.int64)))
    sizes = {name: len(values) for name, values in (CLASSES.attributes | CLASSES.fields).items()}

    def network(images: Tensor) -> dict[str, Tensor]:
        assert images.shape == (1, 3, 192, 192)
        return {name: one_hot(label.clamp(min=0), sizes[name]).float() for name, label in labels.items()}

    return Judge(network, CLASSES, {(each.prompt, each.negative): each for each in asked})


def test_every_target_of_every_held_out_file_is_known(asked):
    known = {(each.prompt, each.negative) for each in asked}
    for name in ("world_heldout_1", "world_heldout_5", "world_heldout_10", "world_requests_heldout"):
        pairs = read_pairs(ASSETS / f"{name}.csv")
        assert {(pair.target, pair.negative) for pair in pairs} | {(pair.target, "") for pair in pairs} <= known
    chains = read_chains(ASSETS / "world_chains_heldout.csv")
    assert {(prompt, "") for chain in chains for prompt in chain.prompts} <= known


def test_the_same_words_are_never_asked_for_different_things(asked):
    every = [each for prompt, edit in targets() for each in asked_by(edit, prompt)]
    by_words = {(each.prompt, each.negative): each.wanted for each in asked}
    assert all(by_words[each.prompt, each.negative] == each.wanted for each in every)
    assert all(each.wanted.told for each in asked)


def test_edits_of_every_kind_ask_for_what_they_change():
    pairs = read_pairs(ASSETS / "world_heldout_1.csv")
    asked = {each: asked_by(edit_of("heldout", each), pair.target)[-1] for each, pair in enumerate(pairs)}
    edits = {kind: [asked[each].edit for each, pair in enumerate(pairs) if pair.kind == kind] for kind in EDITS}
    for kind in ("contradiction", "paraphrase", "praise"):
        assert not any(edits[kind])
    for kind in ("negative", "removing"):
        assert all(len(edit.denied) == 1 and not edit.told for edit in edits[kind])
    assert all(len(edit.told) == 2 for edit in edits["two attributes"])
    for kind, name in {"counting": "count", "colouring": "colour", "moving": "side"}.items():
        assert all([told.split()[1] for told in edit.told] == [name] for edit in edits[kind])
    for each, pair in enumerate(pairs):
        assert asked[each].negative == pair.negative


def test_only_what_is_told_is_asked():
    told = Told("lake", time="dusk", things=(BOATS,), open_=frozenset({("boat", "side")}), without=frozenset({"deer"}))
    wanted = wanted_of(told)
    assert wanted.told == {"subject": "lake", "time": "dusk", "boat": THERE, "boat count": 2, "boat colour": "red"}
    assert wanted.denied == ("deer",)
    road = Thing("road", 1, None, "left")
    assert wanted_of(Told(things=(road,))).told == {"road": THERE, "road side": "left"}
    assert change_of(told, Told("lake", time="dusk")) == Wanted({}, ("boat",))


def test_a_contradicted_attribute_is_not_asked():
    [asked] = asked_by(Edit(Told("lake", "noon"), Told("lake", "noon"), "at night", contested="time"), "a lake")
    assert asked.wanted == Wanted({"subject": "lake"})
    assert not asked.edit


def test_a_negative_prompt_is_asked_beside_the_prompt():
    without, denied = asked_by(Edit(Told("lake"), Told("lake"), denied="bird"), "a lake")
    assert (without.negative, denied.negative) == ("", "birds")
    assert denied.wanted == Wanted({"subject": "lake"}, ("bird",))
    assert denied.edit == Wanted({}, ("bird",))


@pytest.mark.parametrize("seed", range(12))
def test_with_perfect_logits_a_scene_obeys_whatever_is_told_of_it(seed: int):
    rng = np.random.default_rng(seed)
    scene = draw(rng)
    told = wanted_of(tell(scene, rng))
    picture = Image.new("RGB", (128, 192))
    assert all(perfect(scene, (Asked("told", "", told),)).obeyed(picture, "told").values())
    reading = perfect(scene).read(picture)
    everything = wanted_of(Told(**{name: getattr(scene, name) for name in CLASSES.attributes}, things=scene.things))
    extra = {name: value for name, value in reading.items() if name not in everything.told}
    assert all(everything.held_against(reading).values())
    assert all(name.endswith(" count") and value == 1 for name, value in extra.items()), "of what is not counted"


def test_another_scene_disobeys_in_what_differs():
    scene = Scene("lake", "dusk", "rain", "autumn", "photo", (BOATS,))
    edit = Edit(Told("lake"), Told("lake", "noon", "rain", things=(Thing("boat", 3, "red", "right"),)), denied="autumn")
    plain, denied = asked_by(edit, "a lake")
    judge, picture = perfect(scene, (plain, denied)), Image.new("RGB", (192, 192))
    obeyed = judge.obeyed(picture, "a lake", "autumn")
    assert [name for name, is_so in obeyed.items() if not is_so] == ["time", "boat count", "boat side", "no autumn"]
    assert judge.edit_obeyed(picture, Pair("negative", "a lake", "a lake", 1, (), "autumn")) is False
    assert judge.edit_obeyed(picture, Pair("negative", "a sea", "a lake", 1)) is False
    assert judge.knows("a lake")
    with pytest.raises(RequestError, match="not known"):
        judge.obeyed(picture, "a teapot")


def test_a_removed_thing_must_be_gone():
    scene = Scene("lake", "dusk", "rain", "autumn", "photo", (BOATS,))
    told = Told("lake", things=(BOATS,))
    asked = asked_by(Edit(told, Told("lake")), "a lake")
    pair, picture = Pair("removing", "a lake with two boats", "a lake", 1), Image.new("RGB", (192, 192))
    assert perfect(scene, asked).edit_obeyed(picture, pair) is False
    assert perfect(Scene("sea", "dusk", "rain", "autumn", "photo"), asked).edit_obeyed(picture, pair) is True
    assert perfect(scene, asked).obeyed(picture, "a lake") == {"subject": True}
    light = asked_by(Edit(told, told), "lake, two boats")
    assert perfect(scene, light).edit_obeyed(picture, Pair("praise", "a lake", "lake, two boats", 1)) is None


def test_a_released_judge_reads_as_its_network_does(tmp_path: Path, asked):
    torch.manual_seed(3)
    network = Network().half().float().eval()
    release(network, asked, tmp_path / "judge.safetensors")
    judge = load_judge(tmp_path / "judge.safetensors")
    assert isinstance(judge, Reads)
    assert isinstance(judge, Judge)
    assert judge.asked == {(each.prompt, each.negative): each for each in asked}
    pixels = render(draw_scene("heldout", np.random.default_rng(2)), 5, 192, 192)
    reading = judge.read(Image.fromarray(pixels))
    with torch.no_grad():
        logits = network(torch.from_numpy(pixels / np.float32(127.5) - 1).permute(2, 0, 1)[None])
    for name, values in CLASSES.attributes.items():
        assert reading[name] == values[int(logits[name].argmax())]
    there = [kind for kind, seen in zip(CLASSES.kinds, logits["count"][0].argmax(-1), strict=True) if seen]
    assert there == [name for name, value in reading.items() if value == THERE]
