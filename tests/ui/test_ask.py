import pytest

from trajflow.base import Defaults
from trajflow.errors import RequestError
from trajflow.ui.ask import read_ask

DEFAULTS = Defaults(28, 3.0, 128, 128, 16, 384)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {}),
        ({"quality": "draft"}, {"fidelity": 30.0}),
        ({"quality": "exact"}, {"budget": 28}),
        ({"quality": "exact", "steps": 10}, {"budget": 10}),
        ({"quality": "db", "amount": 45}, {"fidelity": 45}),
        ({"quality": "evaluations", "amount": 99}, {"budget": 28}),
        ({"strategy": "solver"}, {"budget": 7}),
        ({"strategy": "solver", "quality": "draft"}, {"budget": 4}),
        ({"strategy": "baseline", "quality": "evaluations", "amount": 3}, {}),
    ],
)
def test_plain_words_become_what_the_library_takes(given, wanted):
    ask = read_ask({"prompt": "a lake", "seed": 7, **given}, DEFAULTS)
    effort = {name: ask.options[name] for name in ("budget", "fidelity") if name in ask.options}
    assert effort == wanted


def test_a_preview_takes_at_most_three_steps_and_knows_what_is_wanted():
    ask = read_ask({"prompt": "a lake", "seed": 7, "level": "preview", "quality": "draft"}, DEFAULTS)
    assert (ask.options["budget"], ask.wanted["fidelity"], "budget" in ask.wanted) == (3, 30.0, False)
    short = read_ask({"prompt": "a lake", "seed": 7, "level": "preview", "steps": 2, "strategy": "baseline"}, DEFAULTS)
    assert (short.options["budget"], short.options["strategy"]) == (2, "auto")


@pytest.mark.parametrize("seed", [None, "", -1, "-1"])
def test_no_seed_and_minus_one_are_a_new_one(seed):
    seeds = {read_ask({"prompt": "a lake", "seed": seed}, DEFAULTS).options["seed"] for _ in range(4)}
    assert len(seeds) == 4
    assert all(isinstance(each, int) for each in seeds)


def test_anything_else_is_left_to_the_library_or_refused():
    hostile = {"prompt": ["x"], "parent": 3, "pinned": ["k", 4, "x" * 100], "callback": "x", "seed": 7}
    ask = read_ask(hostile, DEFAULTS)
    assert (ask.parent, ask.pinned) == (None, ("k",))
    assert set(ask.options) == {"prompt", "seed"}
    with pytest.raises(RequestError, match="no quality"):
        read_ask({"prompt": "a", "quality": "best"}, DEFAULTS)


def test_tiers_are_a_preset_or_pairs():
    own = read_ask({"prompt": "a", "tiers": [[0.5, 0.25], [0.9, 0.75]]}, DEFAULTS).tiers
    assert [(tier.least_similarity, tier.resume_fraction) for tier in own] == [(0.9, 0.75), (0.5, 0.25)]
    assert read_ask({"prompt": "a"}, DEFAULTS).tiers[0].resume_fraction == 0.95
    assert read_ask({"prompt": "a", "tiers": "learned"}, DEFAULTS).tiers == "learned", "every session has its own"
    for wrong in ("bold", [[0.9]], [[0.9, 2]], [["x", 0.5]], [], [[0.5, 0.5]] * 2, [[0.5, 0.1]] * 20, {"0.9": 0.5}):
        with pytest.raises(RequestError):
            read_ask({"prompt": "a", "tiers": wrong}, DEFAULTS)
