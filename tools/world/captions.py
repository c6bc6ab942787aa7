"""What people might type for a scene: tags, phrases and prose in four languages, with slips and filler words.

Training and held-out captions differ in words and templates; the combinations of attributes are the caller's to keep
apart.
"""

import random
import re

import numpy as np

from tools.world.english import ENGLISH
from tools.world.french import FRENCH
from tools.world.german import GERMAN
from tools.world.grammar import compose
from tools.world.lexicon import Chooser
from tools.world.scene import Told
from tools.world.spanish import SPANISH
from tools.world.typos import misspell

SPLITS = ("train", "heldout")
LANGUAGES = {"english": ENGLISH, "german": GERMAN, "french": FRENCH, "spanish": SPANISH}
SHARES = {"english": 0.9, "german": 0.04, "french": 0.03, "spanish": 0.03}
TYPOS = 0.08
MOST_WORDS = 46
_TRIES = 20


def caption(
    told: Told,
    rng: np.random.Generator,
    split: str = "train",
    shares: dict[str, float] = SHARES,
    typos: float = TYPOS,
) -> str:
    """A wording of `told`; `shares` says how likely each language is, `typos` how likely a slip.

    Raises ValueError for a `split` other than "train" and "heldout".
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; choose one of {', '.join(SPLITS)}")
    draw = random.Random(int(rng.integers(2**62)))
    choose = Chooser(draw, split)
    lexicon = LANGUAGES[choose.weighted(shares)]
    text = tidy(compose(told, lexicon, choose))
    for _ in range(_TRIES):
        if text and len(text.split()) <= MOST_WORDS:
            break
        text = tidy(compose(told, lexicon, choose))
    if draw.random() < typos:
        text = misspell(text, draw)
    return _letters(text, draw)


def tidy(text: str) -> str:
    """One space between words, none before a comma, "an" before a vowel."""
    text = re.sub(r"\s+", " ", text).replace(" ,", ",").strip(" ,")
    return re.sub(r"\ba (?=[aeio]|u[^n])", "an ", text)


def _letters(text: str, draw: random.Random) -> str:
    """Some captions start with a capital, a few have no accents or apostrophes, a few shout."""
    chance = draw.random()
    if chance < 0.2:
        return text[0].upper() + text[1:] + (draw.choice((".", "")) if text[-1].isalnum() else "")
    if chance < 0.22:
        return text.upper()
    return text.replace("'", "") if chance < 0.25 else text
