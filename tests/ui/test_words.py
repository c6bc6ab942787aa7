"""What is said of a prompt's words: by the bundled model's list, and by its text encoders without it."""

import itertools
import time

import numpy as np
import pytest
import torch

import trajflow
from tools.tiny.captions import caption
from tools.tiny.scenes import ALL_SCENES
from tools.tiny.vocabulary import words as grammar
from trajflow.base import Conditioning, Vocabulary, vocabulary_of
from trajflow.engine.blending import blending
from trajflow.testing import GaussianMixture
from trajflow.testing.mixture import direction
from trajflow.ui.effect import JOINING, MADE_UP, judge
from trajflow.ui.words import IGNORED, PAST, UNKNOWN, places, unheard, unknown

STRANGE = ("castle", "bicycle", "elephant", "piano", "robot", "wizard", "purple", "guitar", "computer", "umbrella")


def told(model, prompt):
    """The words that are reproached, each with its kind."""
    *_, event = unheard(model, prompt)
    return {prompt[span["start"] : span["end"]]: span["kind"] for span in event["spans"]}


@pytest.fixture(scope="module")
def bundled():
    return trajflow.load("tiny", device="cpu")


@pytest.fixture(scope="module")
def knows_words():
    meanings = {"time": {"night": ("at night",)}, "subject": {"mountains": ("mountain", "snow covered")}}
    return Vocabulary(meanings, frozenset({"a"}), frozenset({"lovely"}))


@pytest.mark.parametrize(
    ("prompt", "reproached"),
    [
        ("A mountain at Night", []),
        ("a lovely castle at night", [("lovely", IGNORED), ("castle", UNKNOWN)]),
        ("a snow-covered mountain", []),
        ("a castle-mountain", [("castle-mountain", UNKNOWN)]),
        ("a mountain ~40%~ a mountain at night", []),
        ("", []),
    ],
)
def test_a_list_says_what_is_known(knows_words, prompt, reproached):
    assert [(prompt[start:end], reason) for start, end, reason in unknown(prompt, knows_words)] == reproached


@pytest.mark.parametrize(
    ("word", "near"), [("moutain", "mountain"), ("Nigth", "night"), ("castle", None), ("an", None), ("nught", "night")]
)
def test_a_word_that_may_be_a_slip_is_said_with_what_it_may_mean(knows_words, word, near):
    model = GaussianMixture()
    model.vocabulary = lambda: knows_words
    *_, event = unheard(model, f"a {word}")
    [span] = event["spans"]
    assert (span["kind"], span["near"]) == (UNKNOWN, near)
    assert ("Did you mean" in span["reason"]) == (near is not None)


def test_the_bundled_model_knows_its_own_captions(bundled):
    known = vocabulary_of(bundled)
    assert known is not None
    assert known == vocabulary_of(blending(bundled))
    rng = np.random.default_rng(0)
    for scene, split in itertools.product(ALL_SCENES[::7], ("train", "heldout")):
        text = caption(scene, rng, split)
        assert not [word for word in unknown(text, known) if word[2] == UNKNOWN], text


def test_the_file_beside_the_weights_is_what_the_grammar_says(bundled):
    known, table = vocabulary_of(bundled), grammar()
    nothing = table.pop("nothing")
    assert {a: {v: list(told) for v, told in values.items()} for a, values in known.meanings.items()} == table
    assert (sorted(known.joining), sorted(known.ignored)) == (nothing["joining"], nothing["ignored"])


def test_reasons_of_one_prompt(bundled, monkeypatch):
    monkeypatch.setattr("trajflow.ui.words.MOST_SECONDS", 600.0)
    prompt = "a gorgeous mountain with a dragon " + "at night " * 15 + "dragon"
    found = told(bundled, prompt)
    assert found["gorgeous"] == IGNORED
    assert found["dragon"] == UNKNOWN
    assert list(found.values())[-1] == PAST


def test_a_model_without_text_encoders_reproaches_nothing():
    assert told(GaussianMixture(), "a castle at dusk") == {}


class Uneven(GaussianMixture):
    """Token states [T, D] of the prompt's own length; a word that is not known is another one at every place."""

    def encode(self, prompt, negative_prompt, guidance):
        told = [word if word not in MADE_UP else f"{word} {at}" for at, word in enumerate(prompt.split())]
        states = torch.stack([len(word) * direction(word, (16,)).float() for word in [*told, "end"]])
        return Conditioning(prompt, negative_prompt, guidance, {"text": states})


def test_a_word_is_judged_by_the_mean_of_all_token_states():
    """The last one says nothing of it."""
    assert not _finished(judge(Uneven(), "a castle at dusk", [(2, 8)], time.monotonic() + 600))


@pytest.mark.slow
def test_the_text_encoders_say_about_what_the_list_says(bundled):
    """The measure for models without a list, held against the bundled model's list, which it does not see."""
    known, rng = vocabulary_of(bundled), np.random.default_rng(0)
    meant = {word for values in known.meanings.values() for told in values.values() for p in told for word in p.split()}
    meant -= JOINING
    asked: dict[str, list[bool]] = {"meant": [], "ignored": [], "strange": []}
    for scene, strange in zip(rng.permutation(np.array(ALL_SCENES, object))[:20], STRANGE * 2, strict=True):
        text = caption(scene, rng, "heldout").lower().rstrip(".").split()
        ignored = sorted(known.ignored)[rng.integers(len(known.ignored))]
        for word in (strange, ignored):
            text.insert(rng.integers(len(text) + 1), word)
        prompt = " ".join(text)
        found = _finished(judge(bundled, prompt, places(prompt), time.monotonic() + 600))
        reproached = {(start, end) for start, end, _ in found}
        for place in places(prompt):
            word = prompt[slice(*place)]
            kind = "strange" if word == strange else "ignored" if word in known.ignored else "meant"
            if kind != "meant" or word in meant:
                asked[kind].append(place in reproached)
    shares = {kind: float(np.mean(each)) for kind, each in asked.items()}
    print(shares, {kind: len(each) for kind, each in asked.items()})
    assert shares["meant"] < 0.2, shares
    assert shares["ignored"] > 0.6, shares
    assert shares["strange"] > 0.4, shares


def _finished(work):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return ended.value
