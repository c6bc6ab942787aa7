"""Prompts between two prompts: `a lake at dawn ~40%~ a lake at night` is told the network as 0.6 A + 0.4 B.

The text encoders' tensors are mixed, so the picture is transported like any other: its path is cached under the whole
text, and neighbours on the way from A to B share theirs. The text travels to where the model is, and is taken apart
there.
"""

import re
from typing import cast

import torch

from trajflow.base import Conditioning, Model
from trajflow.sampler import RemoteModel

BETWEEN = re.compile(r"(?s)(.+?)\s+~(\d{1,3})%~\s+(.+)")


class BlendingModel:
    """A model that also understands prompts between two prompts; everything else is the model's own."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        if name == "_model":
            raise AttributeError(name)
        return getattr(self._model, name)

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Run the text encoders, for a prompt between two on both."""
        found = BETWEEN.fullmatch(prompt)
        if found is None:
            return self._model.encode(prompt, negative_prompt, guidance)
        first, percent, second = found.groups()
        a = self._model.encode(first.strip(), negative_prompt, guidance)
        b = self._model.encode(second.strip(), negative_prompt, guidance)
        share = min(100, int(percent)) / 100
        tensors = {
            name: torch.lerp(tensor, b.tensors[name], share)
            if tensor.is_floating_point() and tensor.shape == b.tensors[name].shape
            else (a if share < 0.5 else b).tensors[name]
            for name, tensor in a.tensors.items()
        }
        warnings = tuple(dict.fromkeys(a.warnings + b.warnings))
        uneven = [t for name, t in a.tensors.items() if t.is_floating_point() and t.shape != b.tensors[name].shape]
        if uneven and 0 < share < 1:
            nearer = (first if share < 0.5 else second).strip()
            warnings += (
                "This model reads the two prompts as texts of different lengths, which cannot be mixed: it draws "
                f'"{nearer}" alone.',
            )
        return Conditioning(prompt, negative_prompt, guidance, tensors, warnings)


def blending(model: Model) -> Model:
    """The model, also for prompts between two prompts; one that is elsewhere understands them there."""
    return model if isinstance(model, RemoteModel) else cast(Model, BlendingModel(model))
