"""Pairs of prompts of the harder kinds, drawn from the new world: 96 edits, with sessions of one, five or ten pictures.

    python -m tools.world.pairs --split heldout --pictures 5 --out assets/pairs/world_heldout_5.csv

Twelve kinds of eight: two attributes at once, a thing added, taken away, counted, coloured or moved, another style, a
negative prompt, a contradiction, a long prompt edited, a paraphrase, a word of praise. `heldout` pairs tell of scenes
no picture was trained on, in words and templates the training captions do not use; `calibration` pairs are the
opposite, and have other noise seeds. A longer session begins with the pictures of a shorter one.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.world.edits import EDITS, FIELDS, Edit, draw_scene, other
from tools.world.english import PRAISE
from tools.world.scene import ATTRIBUTES, KINDS, Told, draw_thing
from tools.world.wordings import Voice
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, write_pairs

PER_KIND = 8
PICTURES = (1, 5, 10)
FIRST_SEEDS = {"heldout": 9000, "calibration": 9200}


def draw_pairs(split: str, pictures: int = 1, seed: int = 11) -> tuple[Pair, ...]:
    """96 pairs, the target asked for after `pictures` others. Raises RequestError for a split or number not offered."""
    for value, allowed in ((split, FIRST_SEEDS), (pictures, PICTURES)):
        if value not in allowed:
            raise RequestError(f"{value!r} is unknown; choose one of {', '.join(map(str, allowed))}")
    return tuple(draw_pair(split, number, pictures, seed) for number in range(len(EDITS) * PER_KIND))


def draw_pair(split: str, number: int, pictures: int = 1, seed: int = 11) -> Pair:
    """One of them, which does not depend on the others."""
    kind, edit, voice, rng = _begun(split, number, seed)
    source, target = texts(kind, edit, voice)
    history: list[str] = []
    for told in _session(edit, rng):
        if len(history) == max(PICTURES) - 1:
            break
        text = voice.near(told, source) if rng.random() < 0.5 else voice.plain(told)
        if text not in (source, target, *history) and "|" not in text:
            history.append(text)
    return Pair(kind, source, target, FIRST_SEEDS[split] + number, tuple(history[: pictures - 1]), edit.negative)


def edit_of(split: str, number: int, seed: int = 11) -> Edit:
    """What that pair's source and target tell."""
    return _begun(split, number, seed)[1]


def _begun(split: str, number: int, seed: int) -> tuple[str, Edit, Voice, np.random.Generator]:
    """The kind and the edit of a pair, and the randomness of its words and of its session."""
    kind = list(EDITS)[number // PER_KIND]
    rng = np.random.default_rng([seed, FIRST_SEEDS[split], number])
    voice = Voice("heldout" if split == "heldout" else "train", random.Random(int(rng.integers(2**62))))
    return kind, EDITS[kind](draw_scene(split, rng), rng), voice, rng


def texts(kind: str, edit: Edit, voice: Voice) -> tuple[str, str]:
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


def _session(edit: Edit, rng: np.random.Generator) -> Iterator[Told]:
    """What else was asked for before: a walk of single edits from the source, now and then to another place."""
    told = edit.source
    while True:
        names = [name for name in ATTRIBUTES if getattr(told, name)]
        if rng.random() < 0.25:
            kinds = [kind for kind in KINDS if kind not in {thing.kind for thing in told.things}]
            thing = draw_thing(str(rng.choice(kinds)), rng)
            told = replace(told, things=(thing,), open_=frozenset((thing.kind, name) for name in FIELDS))
        else:
            name = str(rng.choice(names))
            told = replace(told, **{name: other(ATTRIBUTES[name], getattr(told, name), rng)})
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
