"""Pairs of prompts of the harder kinds, drawn from the new world: 96 edits, with sessions of one, five or ten pictures.

    python -m tools.world.pairs --split heldout --pictures 5 --out assets/pairs/world_heldout_5.csv

Twelve kinds of eight: two attributes at once, a thing added, taken away, counted, coloured or moved, another style, a
negative prompt, a contradiction, a long prompt edited, a paraphrase, a word of praise. `heldout` pairs tell of scenes
no picture was trained on, in words and templates the training captions do not use; `calibration` pairs are the
opposite, and have other noise seeds. A longer session begins with the pictures of a shorter one.
"""

import argparse
import difflib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tools.world.captions import tidy
from tools.world.codes import is_heldout
from tools.world.english import ASIDES, ENGLISH, PRAISE
from tools.world.grammar import compose
from tools.world.lexicon import Chooser, words
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    MOST_OF_A_KIND,
    SIDES,
    SINGLE,
    UNCOLOURED,
    UNCOUNTED,
    Scene,
    Thing,
    Told,
    draw,
    draw_thing,
)
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, write_pairs

PER_KIND = 8
PICTURES = (1, 5, 10)
FIRST_SEEDS = {"heldout": 9000, "calibration": 9200}
WORDINGS_TRIED = 150
COUPLES_TRIED = 60
LONG_WORDS = (26, 44)
_FIELDS = ("count", "colour", "side")
# A word no caption has: texts in which the grammar filled in what nobody asked for are drawn again.
_MARK = "\N{SECTION SIGN}"
_PLAIN = replace(
    ENGLISH, strays=(), inflections=(), fillers=words(_MARK), praise=words(_MARK), asides=words(_MARK), doing={}
)


@dataclass(frozen=True)
class Edit:
    """What the source tells, what the target tells; `text` turns the target's wording into what is typed."""

    source: Told
    target: Told
    added: str = ""
    negative: str = ""


@dataclass(frozen=True)
class Voice:
    """How a split words what is told: the grammar's split, and the random numbers of one prompt."""

    split: str
    rng: random.Random

    def plain(self, told: Told) -> str:
        """A caption of `told` without filler, praise, capital or slip."""
        while True:
            text = tidy(compose(told, _PLAIN, Chooser(self.rng, self.split))).rstrip(".! ").lower()
            if _MARK not in text and 2 <= len(text.split()) <= 24:
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


def changes(text: str, other: str) -> int:
    """How many words have to be deleted, inserted or exchanged to make `other` of `text`."""
    steps = difflib.SequenceMatcher(None, text.split(), other.split()).get_opcodes()
    return sum(max(b - a, d - c) for name, a, b, c, d in steps if name != "equal")


def draw_pairs(split: str, pictures: int = 1, seed: int = 11) -> tuple[Pair, ...]:
    """96 pairs, the target asked for after `pictures` others. Raises RequestError for a split or number not offered."""
    for value, allowed in ((split, FIRST_SEEDS), (pictures, PICTURES)):
        if value not in allowed:
            raise RequestError(f"{value!r} is unknown; choose one of {', '.join(map(str, allowed))}")
    kinds = (kind for kind in EDITS for _ in range(PER_KIND))
    return tuple(draw_pair(split, number, kind, pictures, seed) for number, kind in enumerate(kinds))


def draw_pair(split: str, number: int, kind: str, pictures: int = 1, seed: int = 11) -> Pair:
    """One of them, which does not depend on the others."""
    rng = np.random.default_rng([seed, FIRST_SEEDS[split], number])
    voice = Voice("heldout" if split == "heldout" else "train", random.Random(int(rng.integers(2**62))))
    edit = EDITS[kind](_scene(split, rng), rng)
    source, target = _texts(kind, edit, voice)
    history: list[str] = []
    for told in _session(edit, rng):
        if len(history) == max(PICTURES) - 1:
            break
        text = voice.near(told, source) if rng.random() < 0.5 else voice.plain(told)
        if text not in (source, target, *history) and "|" not in text:
            history.append(text)
    return Pair(kind, source, target, FIRST_SEEDS[split] + number, tuple(history[: pictures - 1]), edit.negative)


def _texts(kind: str, edit: Edit, voice: Voice) -> tuple[str, str]:
    """What is typed for the source and for the target; no | in either."""
    while True:
        source, target = _worded(kind, edit, voice)
        if "|" not in source + target:
            return source, target


def _worded(kind: str, edit: Edit, voice: Voice) -> tuple[str, str]:
    if kind == "long":
        return voice.long(edit.source, edit.target)
    if edit.source != edit.target:
        return voice.edited(edit.source, edit.target)
    source = voice.plain(edit.source)
    if kind == "paraphrase":
        return source, voice.far(edit.target, source)
    if kind == "praise":
        praised = f"{voice.rng.choice(PRAISE.train)}, {source}"
        return (source, praised) if voice.rng.random() < 0.5 else (praised, source)
    return source, f"{source}, {edit.added}" if edit.added else source


def _scene(split: str, rng: np.random.Generator) -> Scene:
    """A random scene of the split with at least one thing that is counted and coloured."""
    while True:
        scene = draw(rng)
        if is_heldout(scene) == (split == "heldout") and any(map(_rich, scene.things)):
            return scene


def _rich(thing: Thing) -> bool:
    return thing.kind not in UNCOLOURED | UNCOUNTED | SINGLE


def _told(scene: Scene, rng: np.random.Generator, keep: tuple[str, ...] = (), things: int = 1, **fields: bool) -> Told:
    """The subject, the attributes of `keep` and one more, and `things` things with those `fields` told."""
    others = [name for name in ATTRIBUTES if name not in ("subject", *keep)]
    kept = {"subject", *keep, str(rng.choice(others))}
    attributes = {name: getattr(scene, name) if name in kept else None for name in ATTRIBUTES}
    first = sorted(scene.things, key=lambda thing: not _rich(thing))[:things]
    open_ = frozenset((thing.kind, name) for thing in first for name in _FIELDS if not fields.get(name, False))
    return Told(**attributes, things=tuple(first), open_=open_)


def _other(values: tuple, value: object, rng: np.random.Generator):
    return [each for each in values if each != value][int(rng.integers(len(values) - 1))]


def _two(scene: Scene, rng: np.random.Generator) -> Edit:
    """Two attributes at once."""
    names = tuple(map(str, rng.choice([name for name in ATTRIBUTES if name != "subject"], 2, replace=False)))
    told = _told(scene, rng, names, things=int(rng.random() < 0.4))
    return Edit(told, replace(told, **{name: _other(ATTRIBUTES[name], getattr(told, name), rng) for name in names}))


def _adding(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, colour=rng.random() < 0.5)
    return Edit(replace(told, things=(), open_=frozenset()), told)


def _removing(scene: Scene, rng: np.random.Generator) -> Edit:
    edit = _adding(scene, rng)
    return Edit(edit.target, edit.source)


def _counting(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, count=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, count=_other(_COUNTS, thing.count, rng)),)))


def _colouring(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, colour=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, colour=_other(COLOURS, thing.colour, rng)),)))


def _moving(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=1, side=True)
    thing = told.things[0]
    return Edit(told, replace(told, things=(replace(thing, side=_other(SIDES, thing.side, rng)),)))


def _style(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, ("style",), things=int(rng.random() < 0.5))
    return Edit(told, replace(told, style=_other(ATTRIBUTES["style"], told.style, rng)))


def _negative(scene: Scene, rng: np.random.Generator) -> Edit:
    """The same prompt, and one thing or mood that shall not be."""
    told = _told(scene, rng, things=int(rng.random() < 0.3))
    mentioned = {thing.kind for thing in told.things}
    choices = [f"{kind}s" for kind in ("bird", "tree", "rock", "cabin", "boat") if kind not in mentioned]
    for name in ("weather", "time", "season"):
        if getattr(told, name) is None:
            choices += [value for value in ATTRIBUTES[name] if value not in ("clear", "noon")]
    return Edit(told, told, negative=str(rng.choice(choices)))


def _contradiction(scene: Scene, rng: np.random.Generator) -> Edit:
    """What was told stays, and its opposite is added."""
    name = str(rng.choice(("time", "weather", "season")))
    told = _told(scene, rng, (name,), things=0)
    other = _other(ATTRIBUTES[name], getattr(told, name), rng)
    pool = ENGLISH.clauses[name][other]
    return Edit(told, told, added=str(rng.choice(pool.train[:6])))


def _long(scene: Scene, rng: np.random.Generator) -> Edit:
    """One attribute of a prompt that says much."""
    name = str(rng.choice(("time", "weather", "season", "style")))
    told = _told(scene, rng, (name, "subject"), things=len(scene.things), count=True, colour=True)
    return Edit(told, replace(told, **{name: _other(ATTRIBUTES[name], getattr(told, name), rng)}))


def _same(scene: Scene, rng: np.random.Generator) -> Edit:
    told = _told(scene, rng, things=int(rng.random() < 0.5))
    return Edit(told, told)


_COUNTS = tuple(range(1, MOST_OF_A_KIND + 1))
EDITS: dict[str, Callable[[Scene, np.random.Generator], Edit]] = {
    "two attributes": _two,
    "adding": _adding,
    "removing": _removing,
    "counting": _counting,
    "colouring": _colouring,
    "moving": _moving,
    "style": _style,
    "negative": _negative,
    "contradiction": _contradiction,
    "long": _long,
    "paraphrase": _same,
    "praise": _same,
}


def _session(edit: Edit, rng: np.random.Generator) -> Iterator[Told]:
    """What else was asked for before: a walk of single edits from the source, now and then to another place."""
    told = edit.source
    while True:
        names = [name for name in ATTRIBUTES if getattr(told, name)]
        if rng.random() < 0.25:
            kinds = [kind for kind in KINDS if kind not in {thing.kind for thing in told.things}]
            thing = draw_thing(str(rng.choice(kinds)), rng)
            told = replace(told, things=(thing,), open_=frozenset((thing.kind, name) for name in _FIELDS))
        else:
            name = str(rng.choice(names))
            told = replace(told, **{name: _other(ATTRIBUTES[name], getattr(told, name), rng)})
        if told not in (edit.source, edit.target):
            yield told


def main() -> None:
    """Write one file of pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=FIRST_SEEDS, required=True)
    parser.add_argument("--pictures", type=int, choices=PICTURES, default=1, help="in the session before the target")
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_pairs(arguments.out, draw_pairs(arguments.split, arguments.pictures, arguments.seed))


if __name__ == "__main__":
    main()
