"""Does a picture show what its prompt tells? What is not told is not asked."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tools.world.codes import is_heldout
from tools.world.judge import Judge
from tools.world.scene import ATTRIBUTES, COLOURS, KINDS, SIDES, SINGLE, UNCOUNTED, Scene, Told, draw, tell


def heldout_requests(count: int, seed: int = 9) -> list[tuple[Scene, Told]]:
    """Scenes whose combination was never trained on, and what is told of each."""
    rng = np.random.default_rng(seed)
    requests: list[tuple[Scene, Told]] = []
    while len(requests) < count:
        scene = draw(rng)
        if is_heldout(scene):
            requests.append((scene, tell(scene, rng)))
    return requests


@torch.no_grad()
def obeyed(judge: Judge, images: Tensor, told: Sequence[Told]) -> dict[str, list[bool]]:
    """Whether each thing told is seen, by attribute and by presence, count, colour, side and absence."""
    answers: dict[str, list[bool]] = {
        name: [] for name in (*ATTRIBUTES, "present", "count", "colour", "side", "absent")
    }
    for number, one in enumerate(told):
        read = {name: logits[0].argmax(-1) for name, logits in judge(images[number : number + 1]).items()}
        for name, values in ATTRIBUTES.items():
            if wanted := getattr(one, name):
                answers[name].append(values[int(read[name])] == wanted)
        for thing in one.things:
            kind = KINDS.index(thing.kind)
            seen = {"count": int(read["count"][kind]), "side": SIDES[int(read["side"][kind])]}
            seen["colour"] = COLOURS[int(read["colour"][kind])]
            answers["present"].append(seen["count"] > 0)
            for name, value in seen.items():
                counted = name != "count" or thing.kind not in SINGLE | UNCOUNTED
                if (thing.kind, name) not in one.open_ and getattr(thing, name) is not None and counted:
                    answers[name].append(value == getattr(thing, name))
        answers["absent"] += [int(read["count"][KINDS.index(kind)]) == 0 for kind in one.without]
    return answers


def shares(answers: dict[str, list[bool]]) -> dict[str, float]:
    """The share obeyed of each kind of request that was made."""
    return {name: round(float(np.mean(values)), 4) for name, values in answers.items() if values}
