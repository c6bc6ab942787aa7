"""Requests as they come in sessions of the new world, to learn and to test what fidelity to expect.

    python -m tools.world.requests --split heldout --sessions 50 --out assets/pairs/world_requests_heldout.csv

A session has one seed and `CACHED` prompts around a scene; each of its requests edits one of them, with none to all of
the others cached as well. Two sessions together have every kind of `tools.world.edits` once. `calibration` and
`heldout` differ in scenes, wordings and noise seeds, and neither shares a seed with the pairs and chains.
"""

import argparse
import random
from collections.abc import Collection
from dataclasses import replace
from itertools import product
from operator import eq
from pathlib import Path

import numpy as np

from tools.world.codes import is_heldout
from tools.world.edits import EDITS, Edit, draw_scene
from tools.world.pairs import texts
from tools.world.scene import ATTRIBUTES, Scene
from tools.world.wanted import wanted_of
from tools.world.wordings import Voice
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, write_pairs

CACHED = REQUESTS = 6
SHARED = 3
FIRST_SEEDS = {"heldout": 9600, "calibration": 9700}
WORDINGS = {"heldout": "heldout", "calibration": "train"}


def draw_requests(split: str, sessions: int, seed: int = 11) -> tuple[Pair, ...]:
    """`sessions` times `REQUESTS` pairs, those of a session one after the other. Raises RequestError for a split that
    is not offered."""
    return tuple(pair for number in range(sessions) for pair in draw_session(split, number, seed))


def draw_session(split: str, number: int, seed: int = 11) -> tuple[Pair, ...]:
    """The requests of one session, which does not depend on the others."""
    edits = edits_of(split, number, seed)
    voice = Voice(WORDINGS[split], random.Random(f"{seed} {split} {number}"))
    sources: list[str] = []
    targets: list[str] = []
    for kind, edit in edits:
        source, target = _worded(kind, edit, voice, {*sources, *targets})
        sources.append(source)
        targets.append(target)
    rng = np.random.default_rng([seed, FIRST_SEEDS[split], number, 1])
    pairs = []
    for own, (kind, edit) in enumerate(edits):
        others = [place for place in rng.permutation(CACHED) if place != own][: int(rng.integers(CACHED))]
        history = tuple(sources[place] for place in others)
        pairs.append(Pair(kind, sources[own], targets[own], FIRST_SEEDS[split] + number, history, edit.negative))
    return tuple(pairs)


def edits_of(split: str, number: int, seed: int = 11) -> list[tuple[str, Edit]]:
    """The kinds of a session's requests and what they tell; no two sources tell the same.

    Raises RequestError for a split that is not offered.
    """
    if split not in FIRST_SEEDS:
        raise RequestError(f"{split!r} is unknown; choose one of {', '.join(FIRST_SEEDS)}")
    kinds = np.random.default_rng([seed, FIRST_SEEDS[split], number // 2, 2]).permutation(list(EDITS))
    rng = np.random.default_rng([seed, FIRST_SEEDS[split], number])
    scene = draw_scene(split, rng)
    places = _places(scene, split)
    edits: list[tuple[str, Edit]] = []
    for kind in map(str, kinds[number % 2 * REQUESTS :][:REQUESTS]):
        while True:
            things = scene.things if rng.random() < 0.5 else draw_scene(split, rng).things
            edit = EDITS[kind](replace(places[int(rng.integers(len(places)))], things=things), rng)
            if wanted_of(edit.source) not in [wanted_of(other.source) for _, other in edits]:
                edits.append((kind, edit))
                break
    return edits


def _places(scene: Scene, split: str) -> list[Scene]:
    """Everything of the split that has at least `SHARED` attributes of `scene`, without things."""
    own = [getattr(scene, name) for name in ATTRIBUTES]
    near = (each for each in product(*ATTRIBUTES.values()) if sum(map(eq, each, own)) >= SHARED)
    return [place for place in (Scene(*each) for each in near) if is_heldout(place) == (split == "heldout")]


def _worded(kind: str, edit: Edit, voice: Voice, said: Collection[str]) -> tuple[str, str]:
    """Source and target in words that the session has not had."""
    while True:
        source, target = texts(kind, edit, voice)
        if source not in said and target not in said:
            return source, target


def main() -> None:
    """Write one file of requests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=FIRST_SEEDS, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_pairs(arguments.out, draw_requests(arguments.split, arguments.sessions, arguments.seed))


if __name__ == "__main__":
    main()
