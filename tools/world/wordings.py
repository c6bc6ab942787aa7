"""How one who edits a prompt words it: captions in plain English, and of many the one nearest to what stood there."""

import difflib
import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from tools.world.captions import tidy
from tools.world.english import ASIDES, ENGLISH
from tools.world.grammar import compose
from tools.world.lexicon import Chooser, words
from tools.world.scene import Told

WORDINGS_TRIED = 150
COUPLES_TRIED = 60
LONG_WORDS = (26, 44)
MOST_WORDS = 24
# How many random numbers of a wording a new wording may leave out, and how many it may have besides, at one place.
LEFT_OUT, PUT_IN = 5, 7
# A word no caption has: texts in which the grammar filled in what nobody asked for are drawn again.
_MARK = "\N{SECTION SIGN}"
# "A boat left right by a lake" is on either side; files of pairs part prompts by a |.
_UNCLEAR = ("left right", "|")
_PLAIN = replace(
    ENGLISH, strays=(), inflections=(), fillers=words(_MARK), praise=words(_MARK), asides=words(_MARK), doing={}
)


class Draws(random.Random):
    """Random numbers that are kept in `taken`; those of `known` come first."""

    known: tuple[float, ...] = ()

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.taken: list[float] = []

    def random(self) -> float:
        """The next of them, in [0, 1)."""
        place = len(self.taken)
        self.taken.append(self.known[place] if place < len(self.known) else super().random())
        return self.taken[-1]


@dataclass(frozen=True)
class Wording:
    """A text and the random numbers that it was made of: with most of them, something else is worded alike."""

    text: str
    draws: tuple[float, ...]


@dataclass(frozen=True)
class Voice:
    """How a split words what is told: the grammar's split, and the random numbers of one prompt."""

    split: str
    rng: random.Random

    def plain(self, told: Told) -> str:
        """A caption of `told` without filler, praise, capital or slip."""
        while True:
            if text := _plainly(told, self.rng, self.split):
                return text

    def long(self, source: Told, target: Told) -> tuple[str, str]:
        """The same for captions of many words, with remarks after them."""
        low, high = LONG_WORDS
        while True:
            remarks = self.rng.sample(ASIDES.train, 3)
            texts = [". ".join((text, *remarks)) for text in self.edited(source, target)]
            if all(low <= len(text.split()) <= high for text in texts):
                return texts[0], texts[1]

    def edited(self, source: Told, target: Told) -> tuple[str, str]:
        """Captions of both that differ in little more than what is told: the likest of many that were drawn alike."""
        couples = []
        for _ in range(COUPLES_TRIED):
            state = self.rng.getstate()
            one = self.plain(source)
            after = self.rng.getstate()
            self.rng.setstate(state)
            other = self.plain(target)
            self.rng.setstate(after)
            if one != other:
                couples.append((one, other))
        return min(couples, key=lambda couple: changes(*couple))

    def near(self, told: Told, text: str) -> str:
        """Of many captions of `told` the one that someone who edits `text` would most likely type."""
        tried = {self.plain(told): None for _ in range(WORDINGS_TRIED)}
        tried.pop(text, None)
        return min(tried, key=lambda other: changes(text, other))

    def far(self, told: Told, text: str) -> str:
        """Another wording of `told` with the fewest words of `text`."""
        said = set(text.replace(",", "").split())
        tried = {self.plain(told): None for _ in range(40)}
        tried.pop(text, None)
        return min(tried, key=lambda other: len(said & set(other.replace(",", "").split())))

    def worded(self, told: Told) -> Wording:
        """A plain caption to be edited afterwards."""
        while True:
            draws = Draws(self.rng.getrandbits(62))
            text = _plainly(told, draws, self.split)
            if text and not any(mark in text for mark in _UNCLEAR):
                return Wording(text, tuple(draws.taken))

    def reworded(self, told: Told, before: Wording, said: Collection[str] = ()) -> Wording:
        """The plain caption of `told` nearest to `before`, none of those `said`.

        Tried are the numbers that `before` was made of, some left out and some put in at any one place.
        """
        best, fewest = None, MOST_WORDS
        for place in range(len(before.draws)):
            for left_out in range(LEFT_OUT + 1):
                for put_in in range(PUT_IN + 1):
                    draws = Draws(place)
                    fresh = tuple(self.rng.random() for _ in range(put_in))
                    draws.known = (*before.draws[:place], *fresh, *before.draws[place + left_out :])
                    text = _plainly(told, draws, self.split)
                    if not text or text in said or any(mark in text for mark in _UNCLEAR):
                        continue
                    if changes(before.text, text) < fewest:
                        best, fewest = Wording(text, tuple(draws.taken)), changes(before.text, text)
        return best or self.worded(told)


def changes(text: str, other: str) -> int:
    """How many words have to be deleted, inserted or exchanged to make `other` of `text`."""
    steps = difflib.SequenceMatcher(None, text.split(), other.split()).get_opcodes()
    return sum(max(b - a, d - c) for name, a, b, c, d in steps if name != "equal")


def _plainly(told: Told, draw: random.Random, split: str) -> str | None:
    """A caption, or None where it is too long or too short or says what nobody asked for."""
    text = tidy(compose(told, _PLAIN, Chooser(draw, split))).rstrip(".! ").lower()
    return text if _MARK not in text and 2 <= len(text.split()) <= MOST_WORDS else None
