"""The judge of the first small world: a classifier reads the attributes of a drawn landscape back.

The bundled weights were trained on renders only (`python -m tools.tiny.judge`), and know which attributes the
held-out prompts ask for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair

Attributes = Mapping[str, Sequence[str]]
SIDE = 128


class AttributeClassifier(nn.Module):
    """Pictures [B, 3, 128, 128] in [-1, 1] to logits per attribute; 0.4 M parameters."""

    def __init__(self, attributes: Attributes) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 128, 160)
        self.trunk = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(widths)
                for layer in (nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.GroupNorm(8, outputs), nn.SiLU())
            ),
            nn.Flatten(),
        )
        self.heads = nn.ModuleDict({name: nn.Linear(160 * 16, len(values)) for name, values in attributes.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits [B, classes] of every attribute."""
        features = self.trunk(images)
        return {name: head(features) for name, head in self.heads.items()}


def as_batch(pictures: Sequence[np.ndarray]) -> Tensor:
    """uint8 pictures [H, W, 3] as [B, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures).astype(np.float32) / 127.5 - 1.0).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Judge:
    """A trained classifier, the values of each attribute, and what each known prompt asks for."""

    classifier: AttributeClassifier
    attributes: Attributes
    asked: Mapping[str, Mapping[str, str]]

    @torch.no_grad()
    def read(self, picture: Image) -> dict[str, str]:
        """The value of every attribute as seen in a picture, at 128 x 128 pixels."""
        logits = self.classifier(as_batch([np.asarray(picture.convert("RGB").resize((SIDE, SIDE)))]))
        return {name: self.attributes[name][int(values.argmax())] for name, values in logits.items()}

    def knows(self, prompt: str) -> bool:
        """Whether it is known what `prompt` asks for."""
        return prompt in self.asked

    def obeyed(self, picture: Image, prompt: str, negative: str = "") -> dict[str, bool]:
        """For every attribute, whether it is read as `prompt` asks. Raises RequestError for an unknown prompt."""
        if prompt not in self.asked:
            raise RequestError(f"What {prompt!r} asks for is not known; use the bundled held-out pairs.")
        read = self.read(picture)
        return {name: read[name] == value for name, value in self.asked[prompt].items()}

    def edit_obeyed(self, picture: Image, pair: Pair) -> bool | None:
        """Whether the attribute is read as asked that the pair's kind is named after; None for other kinds."""
        return self.obeyed(picture, pair.target).get(pair.kind)


def restore(about: Mapping[str, str], weights: Mapping[str, Tensor]) -> Judge:
    """The judge of a file's metadata and weights. Raises KeyError, ValueError or RuntimeError for another file's."""
    attributes, asked = json.loads(about["attributes"]), json.loads(about["asked"])
    classifier = AttributeClassifier(attributes).eval()
    classifier.load_state_dict(dict(weights))
    return Judge(classifier, attributes, asked)
