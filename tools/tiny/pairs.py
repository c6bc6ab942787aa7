"""Pairs of prompts to measure the methods on, drawn from the world of the small model.

    python -m tools.tiny.pairs --split heldout --seed 11 --out assets/pairs/heldout.csv

`heldout` pairs have targets whose scenes and wordings the model never saw in training; `calibration` pairs have scenes
and wordings of the training set, and other noise seeds, so that nothing chosen on them has seen a held-out pair.
Every attribute edit changes one attribute of the scene and as little of the text as the wordings allow.
"""

import argparse
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from tools.tiny.captions import FILLERS, HELDOUT_SCENES, PRAISE, TRAIN_SCENES, caption
from tools.tiny.scenes import ALL_SCENES, FOREGROUNDS, SUBJECTS, TIMES, WEATHERS, Scene
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, write_pairs

KINDS = ("paraphrase", "praise", "time", "weather", "foreground", "subject")
PER_KIND = 8
VALUES = {"time": TIMES, "weather": WEATHERS, "foreground": FOREGROUNDS, "subject": SUBJECTS}
# In how many attributes each prompt of a history differs from the target.
HISTORIES = {"none": (), "related": (1, 1, 2, 2), "unrelated": (3, 3, 4, 4)}
WORDINGS_TRIED = 4000
WORDINGS_RANKED = 16


@dataclass(frozen=True)
class Split:
    """Where pairs come from: scenes of the targets, scenes of everything else, wordings, and the first noise seed."""

    targets: tuple[Scene, ...]
    scenes: tuple[Scene, ...]
    wordings: str
    first_seed: int


# A filler as a caption begins and ends with it.
FILLED_BEFORE, FILLED_BEHIND = tuple(f"{filler}, " for filler in FILLERS), tuple(f", {filler}" for filler in FILLERS)
SPLITS = {
    "heldout": Split(HELDOUT_SCENES, ALL_SCENES, "heldout", 1000),
    "calibration": Split(TRAIN_SCENES, TRAIN_SCENES, "train", 2000),
}


def draw_pairs(split: str, seed: int, history: str = "none") -> tuple[Pair, ...]:
    """`PER_KIND` pairs of each kind; `history` is "none", "related" or "unrelated" and leaves the rest as it is.

    Raises RequestError for an unknown split or history.
    """
    for name, allowed in ((split, SPLITS), (history, HISTORIES)):
        if name not in allowed:
            raise RequestError(f"{name!r} is unknown; choose one of {', '.join(allowed)}")
    targets = _spread(SPLITS[split].targets, len(KINDS) * PER_KIND, np.random.default_rng(seed))
    return tuple(_draw(SPLITS[split], scene, seed, number, history) for number, scene in enumerate(targets))


def _draw(material: Split, scene: Scene, seed: int, number: int, history: str) -> Pair:
    """The pair of that number, whose target asks for `scene`; the others do not decide it."""
    kind = KINDS[number // PER_KIND]
    edits, others = (np.random.default_rng([seed, number, purpose]) for purpose in (0, 1))
    source_scene = edited(scene, kind, material.scenes, edits) if kind in VALUES else scene
    source, target = texts(kind, source_scene, scene, material.wordings, edits)
    scenes = _neighbours(scene, source_scene, HISTORIES[history], material.scenes, others)
    prompts = tuple(plain_caption(other, others, material.wordings) for other in scenes)
    return Pair(kind, source, target, material.first_seed + number, prompts)


def targets_of(split: str, seed: int = 11) -> tuple[tuple[str, Scene], ...]:
    """Target prompts of a split's pairs with the scenes they ask for, as drawn with the default seed."""
    scenes = _spread(SPLITS[split].targets, len(KINDS) * PER_KIND, np.random.default_rng(seed))
    return tuple((pair.target, scene) for pair, scene in zip(draw_pairs(split, seed), scenes, strict=True))


def distance(a: Scene, b: Scene) -> int:
    """In how many attributes two scenes differ."""
    return sum(getattr(a, attribute.name) != getattr(b, attribute.name) for attribute in fields(Scene))


def _spread(scenes: Sequence[Scene], count: int, rng: np.random.Generator) -> list[Scene]:
    """`count` scenes in random order, none used again before all have been."""
    rounds = -(-count // len(scenes))
    return [scenes[i] for _ in range(rounds) for i in rng.permutation(len(scenes))][:count]


def edited(scene: Scene, attribute: str, allowed: Sequence[Scene], rng: np.random.Generator) -> Scene:
    """An allowed scene that differs in this attribute only."""
    edited = [replace(scene, **{attribute: value}) for value in VALUES[attribute]]
    choices = [other for other in edited if other != scene and other in allowed]
    return choices[rng.integers(len(choices))]


def _neighbours(
    scene: Scene, source: Scene, distances: Sequence[int], allowed: Sequence[Scene], rng: np.random.Generator
) -> list[Scene]:
    """One allowed scene at each distance from `scene`, none of them twice and none the source's."""
    chosen: list[Scene] = []
    for wanted in distances:
        choices = [other for other in allowed if distance(scene, other) == wanted and other not in (source, *chosen)]
        chosen.append(choices[rng.integers(len(choices))])
    return chosen


def texts(kind: str, source: Scene, target: Scene, wordings: str, rng: np.random.Generator) -> tuple[str, str]:
    """Source and target prompts."""
    text = plain_caption(target, rng, wordings)
    if kind == "paraphrase":
        other = text
        while _words(other) == _words(text):
            other = plain_caption(source, rng, wordings)
        return other, text
    if kind == "praise":
        while wordings == "train" and not text.startswith(("a ", "an ")):
            text = plain_caption(target, rng, wordings)
        praised = _praised(text, PRAISE[rng.integers(len(PRAISE))])
        return (text, praised) if rng.random() < 0.5 else (praised, text)
    return nearest_wording(source, text, wordings, rng), text


def plain_caption(scene: Scene, rng: np.random.Generator, wordings: str) -> str:
    """A caption without capital, full stop, filler or praise, which would be a second change besides the edit."""
    while True:
        text = caption(scene, rng, wordings)
        has_filler = text.startswith(FILLED_BEFORE) or text.endswith(FILLED_BEHIND)
        if not has_filler and not _words(text) & set(PRAISE) and text == text.lower().rstrip("."):
            return text


def _praised(text: str, word: str) -> str:
    """The same text with a word of praise after its leading article, or put in front of it."""
    if text.startswith(("a ", "an ", "the ")):
        return re.sub(r"^(an?|the) ", lambda article: f"{article[1].replace('an', 'a')} {word} ", text)
    return f"{word}, {text}"


def nearest_wording(scene: Scene, text: str, wordings: str, rng: np.random.Generator) -> str:
    """Of many captions of `scene` the one that someone editing `text` would most likely type: the most words kept."""
    tried = {plain_caption(scene, rng, wordings): None for _ in range(WORDINGS_TRIED)}
    words = _words(text)

    def overlap(other: str) -> float:
        return len(words & _words(other)) / len(words | _words(other))

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, text.split(), other.split()).ratio()

    return max(sorted(tried, key=overlap, reverse=True)[:WORDINGS_RANKED], key=likeness)


def _words(text: str) -> set[str]:
    return set(text.replace(",", "").split())


def main() -> None:
    """Write one file of pairs."""
    parser = argparse.ArgumentParser(description="Draw pairs of prompts to measure the methods on.")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--history", choices=HISTORIES, default="none", help="what else the session holds")
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_pairs(arguments.out, draw_pairs(arguments.split, arguments.seed, arguments.history))


if __name__ == "__main__":
    main()
