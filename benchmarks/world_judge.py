"""The judge of the new world: attributes and things are read, and held against what a prompt tells.

What is not told is not asked. What a prompt denies, by its words or as a negative prompt, must not be seen.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from benchmarks.world_network import Classes, Network
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair

NETWORK = "world"
SIDE = 192
THERE = "there"
Value = str | int


@dataclass(frozen=True)
class Wanted:
    """What is asked of a picture, by the names of a reading; `denied` are kinds and values that shall not be read."""

    told: Mapping[str, Value] = field(default_factory=dict)
    denied: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.told or self.denied)

    def held_against(self, reading: Mapping[str, Value]) -> dict[str, bool]:
        """Whether each is read so; what is denied goes by "no boat"."""
        seen = {*reading, *reading.values()}
        told = {name: reading.get(name) == value for name, value in self.told.items()}
        return told | {f"no {word}": word not in seen for word in self.denied}


@dataclass(frozen=True)
class Asked:
    """What a prompt with its negative prompt tells, and of that what the edit that led to it asks for.

    A thing that an edit takes away is denied by the edit alone: the new prompt says nothing of it.
    """

    prompt: str
    negative: str
    wanted: Wanted
    edit: Wanted = Wanted()


@dataclass(frozen=True)
class Judge:
    """A network with its classes, and what each known prompt asks for, by prompt and negative prompt."""

    network: Callable[[Tensor], Mapping[str, Tensor]]
    classes: Classes
    asked: Mapping[tuple[str, str], Asked]

    @torch.no_grad()
    def read(self, picture: Image) -> dict[str, Value]:
        """The scene as seen at 192 x 192 pixels: every attribute, and of each kind seen that it is there, its count,
        colour and side: {"time": "dusk", "boat": "there", "boat count": 2, ...}."""
        pixels = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), np.float32)
        logits = self.network(torch.from_numpy(pixels / 127.5 - 1.0).permute(2, 0, 1)[None])
        best = {name: values[0].argmax(-1).tolist() for name, values in logits.items()}
        reading: dict[str, Value] = {name: values[best[name]] for name, values in self.classes.attributes.items()}
        for number, kind in enumerate(self.classes.kinds):
            if self.classes.fields["count"][best["count"][number]]:
                reading[kind] = THERE
                for name, values in self.classes.fields.items():
                    if name != "colour" or kind not in self.classes.colourless:
                        reading[f"{kind} {name}"] = values[best[name][number]]
        return reading

    def knows(self, prompt: str) -> bool:
        """Whether it is known what `prompt`, without a negative prompt, asks for."""
        return (prompt, "") in self.asked

    def obeyed(self, picture: Image, prompt: str, negative: str = "") -> dict[str, bool]:
        """For everything told or denied, whether it is read so. Raises RequestError for a prompt that is not known."""
        return self._about(prompt, negative).wanted.held_against(self.read(picture))

    def edit_obeyed(self, picture: Image, pair: Pair) -> bool | None:
        """Whether all that the edit asks for is read so; None where it asks for nothing that can be read."""
        edit = self._about(pair.target, pair.negative).edit
        return all(edit.held_against(self.read(picture)).values()) if edit else None

    def _about(self, prompt: str, negative: str) -> Asked:
        if (prompt, negative) not in self.asked:
            raise RequestError(f"What {prompt!r} asks for is not known; use the bundled held-out pairs.")
        return self.asked[prompt, negative]


def store(network: Network, asked: Sequence[Asked]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """What `restore` reads: metadata, and weights in half precision."""
    weights = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    about = {"classes": json.dumps(asdict(network.classes)), "asked": json.dumps([asdict(each) for each in asked])}
    return {"network": NETWORK, **about}, weights


def restore(about: Mapping[str, str], weights: Mapping[str, Tensor]) -> Judge:
    """The judge of a file's metadata and weights. Raises KeyError, TypeError, ValueError or RuntimeError for others."""
    classes = Classes(**json.loads(about["classes"]))
    network = Network(classes).eval().requires_grad_(False)
    network.load_state_dict(dict(weights))
    asked = [_asked(row) for row in json.loads(about["asked"])]
    return Judge(network, classes, {(each.prompt, each.negative): each for each in asked})


def _asked(row: Mapping) -> Asked:
    wanted, edit = (Wanted(row[name]["told"], tuple(row[name]["denied"])) for name in ("wanted", "edit"))
    return Asked(row["prompt"], row["negative"], wanted, edit)
