import random

import numpy as np
import pytest

from tools.world.captions import caption
from tools.world.phrases import load_phrases, misread, parse
from tools.world.reader import QUESTIONS, labels
from tools.world.scene import ATTRIBUTES, KINDS, Thing, Told
from tools.world.text import random_told


@pytest.fixture(scope="module")
def phrases():
    return load_phrases()


def test_there_are_three_hundred_different_phrases(phrases):
    assert len({phrase.text.lower() for phrase in phrases}) == len(phrases) == 300


def test_every_value_and_kind_is_meant_somewhere(phrases):
    for name, values in ATTRIBUTES.items():
        assert {value for phrase in phrases for value in phrase.accepted[name]} >= set(values)
    for kind in KINDS:
        meant = [phrase.accepted[f"{kind} presence"] for phrase in phrases]
        assert frozenset({"said"}) in meant
    denied = [phrase for phrase in phrases if any(phrase.accepted[f"{kind} presence"] == {"denied"} for kind in KINDS)]
    assert len(denied) >= 25


def test_no_phrase_is_what_the_grammar_says(phrases):
    draw, rng = random.Random(11), np.random.default_rng(11)
    said = {caption(random_told(draw), rng).lower().strip(".") for _ in range(5000)}
    assert not said & {phrase.text.lower().strip(".") for phrase in phrases}


def test_a_reading_is_right_when_it_says_what_is_meant_and_no_more():
    row = {"text": "two red boats", "things": [{"kind": "boat", "count": 2, "colour": "red"}], "without": ["deer"]}
    phrase = parse(row)
    boats = (Thing("boat", 2, "red", "left"),)
    open_ = frozenset({("boat", "side")})
    right, blue, more = labels(
        [
            Told(things=boats, open_=open_, without=frozenset({"deer"})),
            Told(things=(Thing("boat", 2, "blue", "left"),), open_=open_, without=frozenset({"deer"})),
            Told(subject="sea", things=boats),
        ]
    ).tolist()
    assert misread(phrase, right) == {}
    assert misread(phrase, blue) == {"boat colour": "blue"}
    assert misread(phrase, more) == {"subject": "sea", "boat side": "left", "deer presence": "not said"}


def test_a_single_thing_may_be_read_as_one():
    phrase = parse({"text": "a boat", "things": [{"kind": "boat"}]})
    assert phrase.accepted["boat count"] == {"not said", 1}
    assert set(phrase.accepted) == set(QUESTIONS)


def test_a_word_outside_the_vocabulary_is_refused():
    with pytest.raises(KeyError, match="no answer to subject"):
        parse({"text": "a moor", "subject": "moor"})
