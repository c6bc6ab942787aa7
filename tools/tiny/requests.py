"""Requests as they come in sessions, to learn and to test what fidelity to expect.

    python -m tools.tiny.requests --split heldout --sessions 50 --out assets/pairs/requests_heldout.csv

A session has one seed and `CACHED` prompts around a scene; each of its `REQUESTS` requests edits one of them, with none
to all of the others cached as well. `calibration` and `heldout` differ in scenes, wordings and noise seeds, and neither
shares a seed with the pairs and chains.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.tiny.pairs import KINDS, SPLITS, VALUES, edited, plain_caption, texts
from tools.tiny.scenes import Scene
from trajflow.learning.pairs import Pair, write_pairs

CACHED = 6
REQUESTS = 6
FIRST_SEEDS = {"heldout": 6000, "calibration": 5000}


def draw_requests(split: str, sessions: int, seed: int = 11) -> tuple[Pair, ...]:
    """`sessions` times `REQUESTS` pairs, those of a session one after the other."""
    rng = np.random.default_rng([seed, FIRST_SEEDS[split]])
    return tuple(pair for number in range(sessions) for pair in _session(split, FIRST_SEEDS[split] + number, rng))


def _session(split: str, seed: int, rng: np.random.Generator) -> list[Pair]:
    material = SPLITS[split]
    targets = [material.targets[i] for i in rng.permutation(len(material.targets))[:REQUESTS]]
    cached: dict[Scene, str] = {}
    while len(cached) < CACHED:
        start = targets[rng.integers(len(targets))]
        scene = edited(start, str(rng.choice(list(VALUES))), material.scenes, rng)
        for _ in range(rng.integers(3)):
            scene = edited(scene, str(rng.choice(list(VALUES))), material.scenes, rng)
        cached.setdefault(scene, plain_caption(scene, rng, material.wordings))
    pairs: list[Pair] = []
    while len(pairs) < REQUESTS:
        kind = KINDS[rng.integers(len(KINDS))]
        source = list(cached)[rng.integers(CACHED)]
        scene = edited(source, kind, material.scenes, rng) if kind in VALUES else replace(source)
        text, target = texts(kind, source, scene, material.wordings, rng)
        others = [prompt for other, prompt in cached.items() if other != source and prompt != target]
        history = [others[i] for i in rng.permutation(len(others))[: rng.integers(CACHED)]]
        first = cached[source] if kind in VALUES else text
        if target not in {first, *history}:
            pairs.append(Pair(kind, first, target, seed, tuple(history)))
    return pairs


def main() -> None:
    """Write one file of requests."""
    parser = argparse.ArgumentParser(description="Draw requests of sessions.")
    parser.add_argument("--split", choices=FIRST_SEEDS, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_pairs(arguments.out, draw_requests(arguments.split, arguments.sessions, arguments.seed))


if __name__ == "__main__":
    main()
