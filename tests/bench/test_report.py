"""The report on a model of one's own: what stands in it, on an exact velocity field, and scores that are not there."""

import json
import sys

import pytest

from trajflow.bench.report import STRATEGIES, markdown, report
from trajflow.bench.scores import find_scores
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair

PAIRS = [
    Pair("time", "snowy mountain", "snowy mountain dusk", 3, ("mountain dusk",)),
    Pair("paraphrase", "forest in fog", "fog forest", 4, ()),
]


def reddish(picture, prompt: str) -> float:
    """A judge."""
    return float(picture.getpixel((0, 0))[0]) / 255 + len(prompt)


@pytest.fixture(scope="module")
def found(shared_mixture):
    scores, absent = find_scores(f"{__name__}:reddish")
    return report(shared_mixture, PAIRS, budgets=[3], scores={"judge": scores["judge"]}, absent=absent)


def test_every_strategy_is_measured_and_all_of_it_is_json(found) -> None:
    assert {row["strategy"] for row in found["frontier"]} == set(STRATEGIES)
    assert all(row["pairs"] == len(PAIRS) and row["nfe"] <= 3 for row in found["frontier"])
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found)) < 20_000, "small enough to send"


def test_the_difference_is_told_step_by_step_and_is_none_between_equal_prompts(shared_mixture, found) -> None:
    steps = shared_mixture.defaults.steps
    assert len(found["difference"]["relative_size"]) == steps
    assert len(found["difference"]["relative_change"]) == steps - 1
    assert all(size > 0 for size in found["difference"]["relative_size"])
    same = report(shared_mixture, [Pair("paraphrase", "snowy mountain", "snowy  mountain", 4, ())], budgets=[3])
    assert max(same["difference"]["relative_size"]) < 1e-9


def test_other_kernels_change_nothing_where_there_is_no_attention(found) -> None:
    assert found["floor"]["plain attention"] == 100.0


def test_a_judge_is_asked_about_every_picture(found) -> None:
    assert {row["strategy"] for row in found["scores"]} == set(STRATEGIES)
    assert all(row["judge"] >= len("fog forest") for row in found["scores"])


def test_what_is_not_there_is_said(found) -> None:
    scores, absent = find_scores()
    assert set(scores) | set(absent) == {"lpips", "clip", "image_reward", "judge"}
    assert "none was given" in absent["judge"]
    for name in ("nowhere:reddish", f"{__name__}:nothing", __name__):
        with pytest.raises(RequestError, match="module:function"):
            find_scores(name)


def test_the_short_form_names_the_floor_and_what_is_absent(found) -> None:
    text = markdown({**found, "scores_absent": {"lpips": "ModuleNotFoundError: No module named 'lpips'"}})
    assert "plain attention identical" in text
    assert "Not given: lpips (ModuleNotFoundError" in text
    assert "| basis" in text


def test_a_judge_is_found_where_the_command_is_given(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_own_judge.py").write_text("def score(picture, prompt):\n    return 0.5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    scores, _ = find_scores("my_own_judge:score")
    assert scores["judge"](None, None, "a mountain") == 0.5
