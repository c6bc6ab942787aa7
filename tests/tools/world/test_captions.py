import random
from dataclasses import replace

import numpy as np
import pytest

from tools.world.captions import LANGUAGES, MOST_WORDS, SHARES, caption
from tools.world.english import ENGLISH
from tools.world.english_things import COLOURS
from tools.world.grammar import deny, describe
from tools.world.lexicon import Chooser, Pool, nouns, words
from tools.world.scene import ATTRIBUTES, KINDS, Thing, Told, draw, tell
from tools.world.typos import misspell, slip

ENGLISH_ONLY = {"english": 1.0}


def everything(lexicon, attribute, value):
    """All the ways in which `lexicon` says a value, in lower case."""
    if attribute == "subject":
        pools = [lexicon.subjects[value]]
    else:
        tables = (lexicon.items, lexicon.clauses, lexicon.adjectives, lexicon.sentences)
        pools = [table[attribute][value] for table in tables if attribute in table]
        pools += [lexicon.style_openings[value]] if attribute == "style" else []
        pools += [pool for key, both in lexicon.pairs.items() if value in key for pool in both]
    texts = [entry for pool in pools for entry in (*pool.train, *pool.heldout)]
    return {text.partition(" ")[2] if text.partition(" ")[0] in lexicon.articles else text for text in texts}


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("language", list(LANGUAGES))
@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_what_is_told_is_said(language, split, attribute):
    rng = np.random.default_rng(3)
    lexicon = replace(LANGUAGES[language], strays=(), inflections=())
    for value in ATTRIBUTES[attribute] * 4:
        told = replace(tell(draw(rng), rng), **{attribute: value})
        text = caption(told, rng, split, {language: 1.0}, typos=0).lower()
        forms = everything(lexicon, attribute, value)
        plain = [form.replace("'", "") for form in forms]
        loose = " ".join(w for w in text.split())
        if not any(form in loose for form in (*forms, *plain)):
            # An adjective, a stray or another tense stands within the words: all of them are there, in order.
            assert any(in_order(form.split(), loose) for form in (*forms, *plain)), (text, value)


def in_order(parts, text):
    at = 0
    for part in parts:
        if part in ("is", "are", "ein", "eine", "der", "die", "das", "un", "una", "le", "la", "el", "de", "en", "has"):
            continue
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def test_what_is_open_does_not_leak():
    open_ = frozenset({("boat", "count"), ("boat", "colour"), ("boat", "side")})
    one = Told(subject="lake", things=(Thing("boat", 2, "red", "left"),), open_=open_)
    other = Told(subject="lake", things=(Thing("boat", 4, "blue", "right"),), open_=open_)
    for seed in range(300):
        texts = [caption(told, np.random.default_rng(seed)) for told in (one, other)]
        assert texts[0] == texts[1]


def test_a_closed_field_changes_the_caption():
    red, blue = (Told(subject="lake", things=(Thing("boat", 2, colour, "left"),)) for colour in ("red", "blue"))
    differ = [caption(red, np.random.default_rng(s)) != caption(blue, np.random.default_rng(s)) for s in range(50)]
    assert all(differ)


def test_colours_stand_with_their_own_things():
    told = Told(things=(Thing("cabin", 2, "red", "left"), Thing("boat", 3, "blue", "right")))
    for seed in range(200):
        choose = Chooser(random.Random(seed), "train")
        text = describe(told.things[0], told, ENGLISH, choose)
        assert any(word in text for word in COLOURS["red"].train)
        assert not any(f" {word} " in text for word in COLOURS["blue"].train)


def test_a_kind_that_is_denied_is_named_with_its_denial():
    for seed in range(100):
        text = deny("boat", ENGLISH, Chooser(random.Random(seed), "heldout"))
        names = [name for noun in (*ENGLISH.kinds["boat"].train, *ENGLISH.kinds["boat"].heldout)
                 for name in (noun.singular, noun.plural)]  # fmt: skip
        assert any(name in text for name in names)
        assert text not in names


def test_training_never_uses_what_is_held_out():
    pool = Pool(("a", "b"), ("c",))
    train, heldout = (Chooser(random.Random(0), split) for split in ("train", "heldout"))
    assert {train.one(pool) for _ in range(200)} == {"a", "b"}
    assert 60 < sum(heldout.one(pool) == "c" for _ in range(200)) < 140


def test_held_out_words_are_no_training_words():
    for lexicon in LANGUAGES.values():
        tables = [lexicon.subjects, *lexicon.items.values(), *lexicon.clauses.values(), lexicon.kinds, lexicon.sides]
        assert any(pool.heldout for pool in lexicon.subjects.values())
        for pool in (pool for table in tables for pool in table.values()):
            assert not set(pool.train) & set(pool.heldout)


def test_every_language_has_words_for_every_value():
    for lexicon in LANGUAGES.values():
        assert set(lexicon.subjects) == set(ATTRIBUTES["subject"])
        assert set(lexicon.kinds) == set(KINDS)
        assert set(lexicon.style_openings) == set(ATTRIBUTES["style"])
        for name in ("time", "weather", "season", "style"):
            assert set(lexicon.items[name]) >= set(ATTRIBUTES[name]) <= set(lexicon.clauses[name])


def test_captions_are_short_enough_various_and_repeatable():
    rng = np.random.default_rng(0)
    told = [tell(draw(rng), rng, drop=0.1) for _ in range(400)]
    texts = [caption(one, rng) for one in told]
    assert max(len(text.split()) for text in texts) <= MOST_WORDS + 4
    assert len(set(texts)) > 395
    assert caption(told[0], np.random.default_rng(9)) == caption(told[0], np.random.default_rng(9))


def test_a_tenth_is_in_other_languages():
    assert SHARES["english"] == pytest.approx(0.9)
    assert sum(SHARES.values()) == pytest.approx(1)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'test'; choose one of train, heldout"):
        caption(Told(subject="sea"), np.random.default_rng(0), "test")


def test_a_slip_spares_the_first_letter_and_changes_little():
    for seed in range(300):
        slipped = slip("mountain", random.Random(seed))
        assert slipped[0] == "m"
        assert abs(len(slipped) - 8) <= 1
        assert len(set(slipped) ^ set("mountain")) <= 2
    assert misspell("a sea at 3 am", random.Random(0)) == "a sea at 3 am"
    changed = [misspell("two red cabins", random.Random(seed)).split() for seed in range(50)]
    assert all(parts[:2] == ["two", "red"] for parts in changed)


def test_word_lists_read_as_written():
    assert words("a, b c, ~d") == Pool(("a", "b c"), ("d",))
    (city, goose, hut) = nouns("city, goose/geese, f:hütte/hütten").train
    assert (city.plural, goose.plural, hut.plural, hut.gender) == ("cities", "geese", "hütten", "f")


def test_captions_in_english_can_be_asked_for():
    text = caption(Told(subject="aurora"), np.random.default_rng(2), shares=ENGLISH_ONLY, typos=0).lower()
    assert any(form in text for form in everything(ENGLISH, "subject", "aurora"))
