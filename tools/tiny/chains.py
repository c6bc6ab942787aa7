"""Recorded sessions: chains of one-attribute edits, drawn from the world of the small model.

    python -m tools.tiny.chains --split heldout --seed 11 --out assets/pairs/chains_heldout.csv

A chain is a walk over scenes that never returns to one; each prompt keeps as much of the text before it as the wordings
allow. `calibration` walks over scenes of the training set in its wordings; `heldout` in wordings the model never saw,
through a scene that it never saw wherever one is a single edit away. Their noise seeds differ too.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.chains import Chain, write_chains
from tools.tiny.captions import HELDOUT_SCENES, TRAIN_SCENES, is_heldout
from tools.tiny.pairs import VALUES, nearest_wording, plain_caption
from tools.tiny.scenes import ALL_SCENES, Scene
from trajflow.errors import RequestError

CHAINS = 4
EDITS = 20


@dataclass(frozen=True)
class Split:
    """Where a chain may begin and go, its wordings, and the first noise seed."""

    starts: tuple[Scene, ...]
    scenes: tuple[Scene, ...]
    wordings: str
    first_seed: int


SPLITS = {
    "heldout": Split(HELDOUT_SCENES, ALL_SCENES, "heldout", 3000),
    "calibration": Split(TRAIN_SCENES, TRAIN_SCENES, "train", 4000),
}


def draw_chains(split: str, seed: int) -> tuple[Chain, ...]:
    """`CHAINS` chains of `EDITS` edits each. Raises RequestError for an unknown split."""
    if split not in SPLITS:
        raise RequestError(f"{split!r} is unknown; choose one of {', '.join(SPLITS)}")
    return tuple(_draw(SPLITS[split], np.random.default_rng([seed, number]), number) for number in range(CHAINS))


def _draw(split: Split, rng: np.random.Generator, number: int) -> Chain:
    scene = split.starts[rng.integers(len(split.starts))]
    visited, kinds, prompts = {scene}, ["first"], [plain_caption(scene, rng, split.wordings)]
    for _ in range(EDITS):
        edits = _edits(scene, visited, split)
        kind, scene = edits[rng.integers(len(edits))]
        visited.add(scene)
        kinds.append(kind)
        prompts.append(nearest_wording(scene, prompts[-1], split.wordings, rng))
    return Chain(split.first_seed + number, tuple(kinds), tuple(prompts))


def _edits(scene: Scene, visited: set[Scene], split: Split) -> list[tuple[str, Scene]]:
    """The edits that lead somewhere new, those to a scene unknown to the model if there are any."""
    new = [
        (kind, edited)
        for kind, values in VALUES.items()
        for edited in (replace(scene, **{kind: value}) for value in values)
        if edited in split.scenes and edited not in visited
    ]
    return [(kind, edited) for kind, edited in new if is_heldout(edited)] or new


def main() -> None:
    """Write one file of chains."""
    parser = argparse.ArgumentParser(description="Draw chains of edits to measure sessions on.")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--seed", type=int, default=11, help="of the drawing; the noise seeds belong to the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_chains(arguments.out, draw_chains(arguments.split, arguments.seed))


if __name__ == "__main__":
    main()
