import itertools
import re
from collections import Counter

import numpy as np
import pytest

from tools.tiny import captions
from tools.tiny.captions import HELDOUT_SCENES, TEMPLATES, TRAIN_SCENES, caption, is_heldout
from tools.tiny.scenes import ALL_SCENES, Scene
from trajflow.errors import RequestError


def sample(split, count, seed=0, scenes=ALL_SCENES):
    rng = np.random.default_rng(seed)
    return [(scenes[i % len(scenes)], caption(scenes[i % len(scenes)], rng, split)) for i in range(count)]


def names(text, phrases):
    return any(re.search(rf"\b{re.escape(phrase)}\b", text) for phrase in phrases)


def test_the_seed_decides_the_caption():
    assert sample("train", 50, seed=1) == sample("train", 50, seed=1)
    assert sample("train", 50, seed=1) != sample("train", 50, seed=2)


def test_unknown_splits_are_refused():
    with pytest.raises(RequestError, match="choose one of train, heldout"):
        caption(ALL_SCENES[0], np.random.default_rng(0), "test")


@pytest.mark.parametrize("split", TEMPLATES)
def test_captions_are_short_clean_text(split):
    for _, text in sample(split, 5000):
        assert len(text.split()) <= captions.MAX_WORDS, text
        assert not re.search(r"[{}]|  | ,|,,|^[, ]|[ ,]$", text), text
        assert not re.search(r"\ba [aeio]|\ban [^aeio]", text), text


@pytest.mark.parametrize("split", TEMPLATES)
def test_captions_name_what_is_there(split):
    for scene, text in sample(split, 5000):
        words = text.lower()
        assert names(words, captions.SUBJECT_NOUNS[scene.subject]), text
        if scene.foreground != "none":
            assert names(words, captions.FOREGROUND_NOUNS[scene.foreground]), text
        for value, default, tables in (
            (scene.time, "noon", (captions.TIME_ADJECTIVES, captions.TIME_CLAUSES, captions.TIME_ITEMS)),
            (scene.weather, "clear", (captions.WEATHER_ADJECTIVES, captions.WEATHER_CLAUSES, captions.WEATHER_ITEMS)),
        ):
            if value != default:
                assert any(names(words, table[value]) for table in tables), text


@pytest.mark.parametrize("split", TEMPLATES)
def test_captions_never_name_another_hour_or_foreground(split):
    for scene, text in sample(split, 5000):
        words = text.lower()
        for time, clauses in captions.TIME_CLAUSES.items():
            assert time == scene.time or not names(words, clauses), text
        for foreground, nouns in captions.FOREGROUND_NOUNS.items():
            assert foreground == scene.foreground or not names(words, nouns), text


def test_noon_is_named_about_three_times_in_five():
    noon = Scene("forest", "noon", "clear", "none")
    rng = np.random.default_rng(0)
    tables = (captions.TIME_ADJECTIVES, captions.TIME_CLAUSES, captions.TIME_ITEMS)
    phrases = [phrase for table in tables for phrase in table["noon"]]
    named = np.mean([names(caption(noon, rng).lower(), phrases) for _ in range(3000)])
    assert 0.55 < named < 0.65


def test_heldout_wordings_never_occur_in_training_but_their_words_do():
    train, heldout = ({text.lower().rstrip(".") for _, text in sample(split, 40_000)} for split in TEMPLATES)
    assert not train & heldout
    assert not {w.template for w in TEMPLATES["train"]} & {w.template for w in TEMPLATES["heldout"]}
    train_words, heldout_words = (
        {word.strip(",") for text in texts for word in text.split()} for texts in (train, heldout)
    )
    assert heldout_words <= train_words


@pytest.mark.parametrize("split", TEMPLATES)
def test_every_choice_of_attributes_has_several_wordings(split):
    for named in itertools.product((False, True), repeat=3):
        assert len(captions.wordings(split, *named)) >= 3


@pytest.mark.parametrize(
    ("text", "scene"),
    [
        ("a mountain landscape", Scene("mountains", "noon", "clear", "none")),
        ("a mountain landscape at sunset", Scene("mountains", "sunset", "clear", "none")),
        ("a beautiful mountain landscape", Scene("mountains", "noon", "clear", "none")),
        ("mountain landscape that is beautiful", Scene("mountains", "noon", "clear", "none")),
        ("snowy mountain at dusk", Scene("mountains", "sunset", "snow", "none")),
        ("misty forest, sunrise", Scene("forest", "dawn", "fog", "none")),
    ],
)
def test_plain_requests_are_among_the_training_captions(text, scene):
    rng = np.random.default_rng(0)
    assert any(caption(scene, rng).lower().rstrip(".") == text for _ in range(20_000))


def test_heldout_scenes_are_a_balanced_tenth():
    assert len(HELDOUT_SCENES) == 24
    assert set(TRAIN_SCENES) | set(HELDOUT_SCENES) == set(ALL_SCENES)
    assert not any(is_heldout(scene) for scene in TRAIN_SCENES)
    for attribute, counts in (("subject", {4, 5}), ("time", {6}), ("weather", {8}), ("foreground", {6})):
        assert set(Counter(getattr(scene, attribute) for scene in HELDOUT_SCENES).values()) == counts


def test_training_sees_every_pair_of_attribute_values():
    for a, b in itertools.combinations(("subject", "time", "weather", "foreground"), 2):
        pairs = {(getattr(scene, a), getattr(scene, b)) for scene in ALL_SCENES}
        assert {(getattr(scene, a), getattr(scene, b)) for scene in TRAIN_SCENES} == pairs
