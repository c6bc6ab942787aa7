"""Recorded sessions of the new world: chains of edits, each of one attribute or one thing.

    python -m tools.world.chains --split heldout --out assets/pairs/world_chains_heldout.csv

A chain is a walk that tells nothing twice: it begins with a subject and a mood, tells up to three moods and two things
and changes any of them, every kind of edit about as often. Each prompt is worded as nearly as can be like the one
before. `heldout` chains tell, at every step, of scenes that no picture was trained on, in held-out wordings;
`calibration` chains the opposite, from other noise seeds.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.chains import Chain, write_chains
from tools.world.codes import is_heldout
from tools.world.edits import COUNTS, FIELDS, draw_scene
from tools.world.grammar import MOODS
from tools.world.scene import (
    ATTRIBUTES,
    COLOURS,
    KINDS,
    SIDES,
    SINGLE,
    UNCOLOURED,
    UNCOUNTED,
    Scene,
    Told,
    draw_thing,
)
from tools.world.wanted import wanted_of
from tools.world.wordings import Voice
from trajflow.errors import RequestError

CHAINS = 4
EDITS = 20
MOST_MOODS = 3
MOST_THINGS = 2
OPEN = 0.7
TRIED = 60
FIRST_SEEDS = {"heldout": 9500, "calibration": 9520}
WORDINGS = {"heldout": "heldout", "calibration": "train"}
# A random edit of its kind, or None where there is nothing to edit.
Move = Callable[[Told, np.random.Generator], Told | None]
Value = TypeVar("Value")


def draw_chains(split: str, seed: int = 11) -> tuple[Chain, ...]:
    """`CHAINS` chains of `EDITS` edits each. Raises RequestError for an unknown split."""
    return tuple(draw_chain(split, number, seed) for number in range(CHAINS))


def draw_chain(split: str, number: int, seed: int = 11, edits: int = EDITS) -> Chain:
    """One of them, which does not depend on the others; with fewer `edits` its beginning."""
    kinds, tolds = zip(*walk(split, number, seed)[: edits + 1], strict=True)
    voice = Voice(WORDINGS[split], random.Random(f"{seed} {split} {number}"))
    wordings = [voice.worded(tolds[0])]
    for told in tolds[1:]:
        said = {wording.text for wording in wordings}
        wordings.append(voice.reworded(told, wordings[-1], said))
    return Chain(FIRST_SEEDS[split] + number, kinds, tuple(wording.text for wording in wordings))


def walk(split: str, number: int, seed: int = 11) -> list[tuple[str, Told]]:
    """What each prompt of a chain tells, with the kind of the edit that led to it; "first" for the first.

    Raises RequestError for an unknown split.
    """
    if split not in FIRST_SEEDS:
        raise RequestError(f"{split!r} is unknown; choose one of {', '.join(FIRST_SEEDS)}")
    rng = np.random.default_rng([seed, FIRST_SEEDS[split], number])
    scene = draw_scene(split, rng)
    mood = _one(MOODS, rng)
    steps = [("first", Told(**{"subject": scene.subject, mood: getattr(scene, mood)}))]
    while len(steps) <= EDITS:
        steps.append(_step(steps, split, rng))
    return steps


def could_be(told: Told, split: str) -> bool:
    """Whether some scene of the split, held out or not, is one that `told` tells of."""
    values = [(getattr(told, name),) if getattr(told, name) else every for name, every in ATTRIBUTES.items()]
    return any(is_heldout(Scene(*each)) == (split == "heldout") for each in product(*values))


def _step(steps: Sequence[tuple[str, Told]], split: str, rng: np.random.Generator) -> tuple[str, Told]:
    """An edit of the kind that came least often so far, among those that lead somewhere new."""
    told, often = steps[-1][1], Counter(kind for kind, _ in steps)
    before = [wanted_of(earlier) for _, earlier in steps]
    kinds = sorted(rng.permutation(list(MOVES)), key=lambda kind: often[kind])
    for kind in kinds:
        for _ in range(TRIED):
            new = MOVES[kind](told, rng)
            if new is not None and could_be(new, split) and wanted_of(new) not in before:
                return str(kind), new
    raise AssertionError("a thing can always be added, or taken away and another one added")


def _attribute(name: str) -> Move:
    def move(told: Told, rng: np.random.Generator) -> Told | None:
        is_new = getattr(told, name) is None
        if is_new and sum(getattr(told, mood) is not None for mood in MOODS) == MOST_MOODS:
            return None
        return replace(told, **{name: _one([each for each in ATTRIBUTES[name] if each != getattr(told, name)], rng)})

    return move


def _adding(told: Told, rng: np.random.Generator) -> Told | None:
    if len(told.things) == MOST_THINGS:
        return None
    thing = draw_thing(_one([kind for kind in KINDS if kind not in {each.kind for each in told.things}], rng), rng)
    left_open = {(thing.kind, name) for name in FIELDS if rng.random() < OPEN}
    return replace(told, things=(*told.things, thing), open_=told.open_ | left_open)


def _removing(told: Told, rng: np.random.Generator) -> Told | None:
    if not told.things:
        return None
    gone = _one(told.things, rng)
    left_open = frozenset(pair for pair in told.open_ if pair[0] != gone.kind)
    return replace(told, things=tuple(thing for thing in told.things if thing != gone), open_=left_open)


def _field(name: str, values: Sequence, without: frozenset[str]) -> Move:
    """An edit of one field of a thing whose kind is not in `without`; the field is told from then on."""

    def move(told: Told, rng: np.random.Generator) -> Told | None:
        things = [thing for thing in told.things if thing.kind not in without]
        if not things:
            return None
        chosen = _one(things, rng)
        said = None if (chosen.kind, name) in told.open_ else getattr(chosen, name)
        changed = replace(chosen, **{name: _one([value for value in values if value != said], rng)})
        everything = tuple(changed if thing == chosen else thing for thing in told.things)
        return replace(told, things=everything, open_=told.open_ - {(chosen.kind, name)})

    return move


def _one(values: Sequence[Value], rng: np.random.Generator) -> Value:
    return values[int(rng.integers(len(values)))]


MOVES: dict[str, Move] = {
    **{name: _attribute(name) for name in ATTRIBUTES},
    "adding": _adding,
    "removing": _removing,
    "counting": _field("count", COUNTS, SINGLE | UNCOUNTED),
    "colouring": _field("colour", COLOURS, UNCOLOURED),
    "moving": _field("side", SIDES, SINGLE),
}


def main() -> None:
    """Write one file of chains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=FIRST_SEEDS, required=True)
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_chains(arguments.out, draw_chains(arguments.split, arguments.seed))


if __name__ == "__main__":
    main()
