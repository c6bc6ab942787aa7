"""Pairs of prompts of the harder kinds, as far as the small model understands them, with sessions of any length.

    python -m tools.tiny.hard_pairs --pictures 5 --out assets/pairs/hard_heldout_5.csv

Seven kinds of eight: two attributes at once, a foreground added or taken away, a negative prompt, a contradiction, a
paraphrase, a word of praise. All targets are scenes and wordings that the model never saw. A longer session begins with
the pictures of a shorter one.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.tiny.captions import FOREGROUND_NOUNS, HELDOUT_SCENES, TIME_CLAUSES, WEATHER_CLAUSES, WEATHER_ITEMS
from tools.tiny.pairs import PER_KIND, VALUES, nearest_wording, plain_caption, texts
from tools.tiny.scenes import ALL_SCENES, Scene
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair, write_pairs

KINDS = ("two attributes", "adding", "removing", "negative", "contradiction", "paraphrase", "praise")
PICTURES = (1, 5, 10)
FIRST_SEED = 9400
_NONE = "none"


def draw_pairs(pictures: int = 1, seed: int = 11) -> tuple[Pair, ...]:
    """56 pairs, the target asked for after `pictures` others. Raises RequestError for a number not offered."""
    if pictures not in PICTURES:
        raise RequestError(f"{pictures} pictures are not offered; choose one of {', '.join(map(str, PICTURES))}")
    pairs, seen = [], set()
    for number, kind in enumerate(kind for kind in KINDS for _ in range(PER_KIND)):
        rng = np.random.default_rng([seed, FIRST_SEED, number])
        while (drawn := _draw(kind, rng))[2] in seen:
            pass
        scene, source, target, negative = drawn
        seen.add(target)
        history = _session(scene, {source, target}, rng)[: pictures - 1]
        pairs.append(Pair(kind, source, target, FIRST_SEED + number, history, negative))
    return tuple(pairs)


def _draw(kind: str, rng: np.random.Generator) -> tuple[Scene, str, str, str]:
    """The target's scene, the source's text, the target's, and the negative prompt."""
    wanted = {"adding": set(FOREGROUND_NOUNS) - {_NONE}, "removing": {_NONE}}.get(kind)
    choices = [each for each in HELDOUT_SCENES if wanted is None or each.foreground in wanted]
    scene = choices[rng.integers(len(choices))]
    if kind == "adding":
        source = replace(scene, foreground=_NONE)
    elif kind == "removing":
        source = replace(scene, foreground=_other("foreground", _NONE, rng))
    elif kind == "two attributes":
        names = map(str, rng.choice(list(VALUES), 2, replace=False))
        source = replace(scene, **{name: _other(name, getattr(scene, name), rng) for name in names})
    else:
        source = scene
    if kind in ("paraphrase", "praise"):
        return scene, *texts(kind, scene, scene, "heldout", rng), ""
    text = plain_caption(scene, rng, "heldout")
    if kind == "negative":
        return scene, text, text, _absent(scene, rng)
    if kind == "contradiction":
        return scene, text, f"{text}, {_opposite(scene, rng)}", ""
    return scene, nearest_wording(source, text, "heldout", rng), text, ""


def _other(name: str, value: str, rng: np.random.Generator) -> str:
    others = [each for each in VALUES[name] if each != value]
    return others[rng.integers(len(others))]


def _absent(scene: Scene, rng: np.random.Generator) -> str:
    """Something the scene does not ask for."""
    foreground = _other("foreground", scene.foreground, rng)
    weather = _other("weather", scene.weather, rng)
    named = [*WEATHER_ITEMS[weather][:2], *(FOREGROUND_NOUNS[foreground][:2] if foreground != _NONE else ())]
    return str(rng.choice(named))


def _opposite(scene: Scene, rng: np.random.Generator) -> str:
    """Another time or weather than the scene's."""
    name, clauses = (("time", TIME_CLAUSES), ("weather", WEATHER_CLAUSES))[int(rng.integers(2))]
    return str(rng.choice(clauses[_other(name, getattr(scene, name), rng)]))


def _session(scene: Scene, taken: set[str], rng: np.random.Generator) -> tuple[str, ...]:
    """What else was asked for: a walk of single edits from the scene, one prompt each."""
    prompts: list[str] = []
    while len(prompts) < max(PICTURES) - 1:
        name = str(rng.choice(list(VALUES)))
        scene = replace(scene, **{name: _other(name, getattr(scene, name), rng)})
        assert scene in ALL_SCENES
        text = plain_caption(scene, rng, "heldout")
        if text not in {*taken, *prompts}:
            prompts.append(text)
    return tuple(prompts)


def main() -> None:
    """Write one file of pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, choices=PICTURES, default=1, help="in the session before the target")
    parser.add_argument("--seed", type=int, default=11, help="of the drawing")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write_pairs(arguments.out, draw_pairs(arguments.pictures, arguments.seed))


if __name__ == "__main__":
    main()
