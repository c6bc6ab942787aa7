import re
from collections import Counter
from pathlib import Path

import pytest

from tools.tiny import pairs as drawn
from tools.tiny.captions import is_heldout
from tools.tiny.pairs import distance, draw_pairs
from tools.tiny.scenes import ALL_SCENES
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, read_pairs, write_pairs

ASSETS = Path(__file__).parents[2] / "assets" / "pairs"
HEADER = "kind,source,target,seed,history\n"


def test_pairs_survive_the_file(tmp_path):
    pairs = (
        Pair("time", "a mountain, snow", 'a "mountain" at dusk', 7, ("a mountain at noon", "a lake, fog")),
        Pair("weather", "ein Berg", "ein Berg im Nebel ä", 0),
    )
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "pairs.csv") == pairs


def test_negative_prompts_have_a_column_where_there_are_any(tmp_path):
    pairs = (Pair("negative", "a lake", "a lake", 1, ("a hill",), "rain"), Pair("time", "a lake", "a lake at dawn", 2))
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "pairs.csv") == pairs
    assert (tmp_path / "pairs.csv").read_text().startswith(HEADER.strip() + ",negative\n")
    write_pairs(tmp_path / "pairs.csv", pairs[1:])
    assert (tmp_path / "pairs.csv").read_text().startswith(HEADER)


def test_a_prompt_with_the_separator_is_not_written_into_a_history(tmp_path):
    with pytest.raises(RequestError, match=r"\|"):
        write_pairs(tmp_path / "pairs.csv", [Pair("time", "a", "b", 0, ("c|d",))])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("time,a,b", "a row has as many fields as there are columns, kind,source,target,seed,history"),
        ("time,a, with a comma,b,0,", "a row has as many fields as there are columns, kind,source,target,seed,history"),
        ("time,a,b,seven,", "the seed must be a whole number, got 'seven'"),
        ("time,a,b,-1,", "The seed is -1"),
        ("time,,b,0,", "The source is empty"),
        ("time,a, ,0,", "The target is empty"),
        (",a,b,0,", "The kind is empty"),
        ("all,a,b,0,", "names the figures over every kind"),
        ("time,a,b,0,c||d", "The history has an empty prompt"),
        ("time,a,a,0,", "The target 'a' is also cached before"),
        ("time,a,b,0,c| b", "The target 'b' is also cached before"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path, row, reason):
    path = tmp_path / "pairs.csv"
    path.write_text(f"{HEADER}time,a,b,0,\n{row}\n")
    with pytest.raises(RequestError, match=re.escape(f"{path}, line 3: ") + f".*{re.escape(reason)}"):
        read_pairs(path)


def test_files_that_are_no_pairs_are_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    with pytest.raises(RequestError, match="could not be read"):
        read_pairs(path)
    path.write_text("source,target\na,b\n")
    with pytest.raises(RequestError, match="line 1: the columns must be kind,source,target,seed,history"):
        read_pairs(path)
    path.write_text(HEADER)
    with pytest.raises(RequestError, match="has no pairs"):
        read_pairs(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="could not be read"):
        read_pairs(path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "split"), [("heldout_session", "heldout"), ("calibration", "calibration")])
def test_the_files_are_what_the_generator_draws(name, split):
    """One pair of each kind: a pair is drawn whatever the others are."""
    stored, material = read_pairs(ASSETS / f"{name}.csv"), drawn.SPLITS[split]
    scenes = drawn._spread(material.targets, len(stored), drawn.np.random.default_rng(11))
    for number in range(1, len(stored), drawn.PER_KIND):
        assert drawn._draw(material, scenes[number], 11, number, "related") == stored[number]


def test_every_kind_has_eight_pairs_with_seeds_of_their_own():
    heldout, calibration = read_pairs(ASSETS / "heldout.csv"), read_pairs(ASSETS / "calibration.csv")
    for pairs in (heldout, calibration):
        assert Counter(pair.kind for pair in pairs) == dict.fromkeys(drawn.KINDS, 8)
    assert len({pair.seed for pair in (*heldout, *calibration)}) == 96


def test_calibration_and_heldout_share_no_prompt():
    heldout = {prompt for pair in read_pairs(ASSETS / "heldout_session.csv") for prompt in (pair.target, *pair.cached)}
    calibration = {prompt for pair in read_pairs(ASSETS / "calibration.csv") for prompt in (pair.target, *pair.cached)}
    assert not heldout & calibration


def test_histories_change_nothing_but_the_history():
    single, related, unrelated = (read_pairs(ASSETS / f"heldout{name}.csv") for name in ("", "_session", "_unrelated"))
    for pairs in (related, unrelated):
        assert [(p.kind, p.source, p.target, p.seed) for p in pairs] == [
            (p.kind, p.source, p.target, p.seed) for p in single
        ]
        assert all(len({pair.source, *pair.history}) == 5 for pair in pairs)
    assert not any(pair.history for pair in single)


def test_praise_adds_or_removes_one_word_of_praise():
    for name in ("heldout", "calibration"):
        for pair in read_pairs(ASSETS / f"{name}.csv"):
            if pair.kind == "praise":
                [word] = (drawn._words(pair.source) ^ drawn._words(pair.target)) - {"a", "an"}
                assert word in drawn.PRAISE


def test_an_edit_changes_one_attribute_and_a_history_stays_near():
    scenes = drawn.SPLITS["heldout"].targets
    assert all(is_heldout(scene) for scene in scenes)
    rng = drawn.np.random.default_rng(0)
    for scene in scenes:
        for attribute in drawn.VALUES:
            edited = drawn.edited(scene, attribute, ALL_SCENES, rng)
            assert distance(scene, edited) == 1
            assert getattr(scene, attribute) != getattr(edited, attribute)
        for distances in drawn.HISTORIES.values():
            others = drawn._neighbours(scene, edited, distances, ALL_SCENES, rng)
            assert [distance(scene, other) for other in others] == list(distances)
            assert len({scene, edited, *others}) == 2 + len(distances)


def test_calibration_never_touches_a_heldout_scene():
    material = drawn.SPLITS["calibration"]
    assert not any(is_heldout(scene) for scene in (*material.targets, *material.scenes))


@pytest.mark.parametrize(("split", "history"), [("test", "none"), ("heldout", "five")])
def test_unknown_material_is_refused(split, history):
    with pytest.raises(RequestError, match="choose one of"):
        draw_pairs(split, 11, history)
