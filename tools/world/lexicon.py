"""What the grammar needs to know of a language: words for every value, in the places a sentence has for them.

Word lists are written as one string, entries parted by commas; an entry after a tilde is held out: training captions
never use it (the words in it do occur elsewhere, so that it can be read).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tools.world.scene import Thing

Entry = TypeVar("Entry")
# An entry's place in its list is a uniform draw to this power, so the first of 40 comes in 9 % of captions.
COMMONNESS = 1.5


@dataclass(frozen=True)
class Pool(Generic[Entry]):
    """Entries to choose from, `train` in every split and `heldout` in held-out captions only."""

    train: tuple[Entry, ...]
    heldout: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Noun:
    """A countable noun; gender is m, f or n, whatever the language makes of it."""

    singular: str
    plural: str
    gender: str = "n"


def words(text: str) -> Pool[str]:
    """The pool written as "a, b, ~held out"."""
    entries = [entry.strip() for entry in text.split(",")]
    return Pool(
        tuple(entry for entry in entries if not entry.startswith("~")),
        tuple(entry[1:] for entry in entries if entry.startswith("~")),
    )


def table(**rows: str) -> dict[str, Pool[str]]:
    """A pool for every value of an attribute."""
    return {value: words(text) for value, text in rows.items()}


def nouns(text: str) -> Pool[Noun]:
    """The pool written as "m:singular/plural, ..."; without a gender n, without a plural the English one."""
    pool = words(text)
    return Pool(tuple(map(_noun, pool.train)), tuple(map(_noun, pool.heldout)))


class Chooser:
    """Random choices of one caption. In held-out captions, half of the choices fall on held-out entries."""

    def __init__(self, draw: random.Random, split: str) -> None:
        self._draw = draw
        self._heldout = split == "heldout"

    def one(self, pool: Pool[Entry]) -> Entry:
        """An entry of `pool`; lists begin with the commonest words, and those come oftenest."""
        if self._heldout and pool.heldout and self._draw.random() < 0.5:
            return self._draw.choice(pool.heldout)
        return pool.train[int(len(pool.train) * self._draw.random() ** COMMONNESS)]

    def among(self, options: Sequence[Entry]) -> Entry:
        """One of `options`, which are the same in both splits."""
        return self._draw.choice(options)

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return self._draw.random() < probability

    def weighted(self, weights: Mapping[str, float]) -> str:
        """A key of `weights`, as likely as its value says."""
        return self._draw.choices(tuple(weights), tuple(weights.values()))[0]

    def shuffled(self, entries: Sequence[Entry]) -> list[Entry]:
        """`entries` in random order."""
        return self._draw.sample(list(entries), len(entries))


# (noun, thing, whether its count is told, its colour if told, chooser) -> "two red boats"
NounPhrase = Callable[[Noun, Thing, bool, str | None, Chooser], str]


@dataclass(frozen=True)
class Lexicon:
    """A language. Tables go from attribute to value to pool; templates hold the marks named beside them."""

    subjects: dict[str, Pool[str]]  # with the article they need: "a lake", "mountains"
    adjectives: dict[str, dict[str, Pool[str]]]  # before the subject: "snowy"
    clauses: dict[str, dict[str, Pool[str]]]  # after it: "in the snow"
    items: dict[str, dict[str, Pool[str]]]  # in a list: "snow"
    style_openings: dict[str, Pool[str]]  # "a watercolour of"
    kinds: dict[str, Pool[Noun]]
    sides: dict[str, Pool[str]]  # after a thing: "on the left"
    noun_phrase: NounPhrase
    denials: Pool[str]  # "without {one}", "no {many}"
    articles: tuple[str, ...]
    joining: Pool[str]  # "with"
    conjunctions: Pool[str]  # "and"
    prepositions: Pool[str]  # of a thing at a place: "by"
    nowhere: Pool[str]  # the noun when no subject is told: "a landscape"
    openings: Pool[str]  # without meaning: "a view of"
    praise: Pool[str]  # before a noun
    fillers: Pool[str]  # at the end of a list
    presence: Pool[str]  # "there is {thing}"
    adjectives_follow: bool = False
    backdrops: dict[str, Pool[str]] = field(default_factory=dict)  # "on a hill", of a castle
    # Words that say a time and a weather at once: before, after, item.
    pairs: dict[tuple[str, str], tuple[Pool[str], Pool[str], Pool[str]]] = field(default_factory=dict)
    sentences: dict[str, dict[str, Pool[str]]] = field(default_factory=dict)  # "it is snowing"
    doing: dict[str, Pool[str]] = field(default_factory=dict)  # what a kind does: "sailing", of a boat
    strays: tuple[str, ...] = ()  # words without meaning, anywhere
    inflections: tuple[tuple[str, str], ...] = ()  # words and what a sentence makes of them: "is", "was"
    introductions: Pool[str] = Pool(("{core}",))
    asides: Pool[str] = Pool(())  # sentences without meaning


def _noun(text: str) -> Noun:
    gender, _, forms = text.rpartition(":")
    singular, _, plural = forms.partition("/")
    return Noun(singular, plural or _english_plural(singular), gender or "n")


def _english_plural(singular: str) -> str:
    if singular.endswith("y") and singular[-2] not in "aeiou":
        return singular[:-1] + "ies"
    return singular + ("es" if singular.endswith(("s", "x", "ch", "sh")) else "s")
