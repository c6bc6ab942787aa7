"""Serialization: records as bytes, to travel between the process that holds the sessions and the one that has the GPU.

Tensors leave for the CPU and arrive on the device that is asked for. The model never travels: each side puts its own in
the place of the other's, so that a field arrives bound to the model that can evaluate it. A conditioning travels as its
words, and is what the model of the other side makes of them.
"""

import io
import pickle
from typing import Any

import torch
from torch import Tensor

from trajflow.base import Conditioning, Model

# What records hold beside our own classes, tensors, numbers, text, lists and mappings.
PLAIN = {("PIL.Image", "Image"), ("builtins", "frozenset"), ("builtins", "object"), ("builtins", "set")}


def pack(value: Any, model: Model) -> bytes:
    """`value`, plain records, as bytes; equal bits for every tensor in it, and none of their storage beyond them."""
    packer = _Packer(model)
    packer.dump(value)
    tensors = io.BytesIO()
    torch.save(packer.tensors, tensors)
    written = packer.written.getvalue()
    return len(written).to_bytes(8, "big") + written + tensors.getvalue()


def unpack(serialized: bytes, model: Model, device: torch.device) -> Any:
    """What was packed, with `model` where the other side's was. For bytes of a process that is our own fork only.

    Raises UnpicklingError for anything but our own records, errors and pictures.
    """
    end = 8 + int.from_bytes(serialized[:8], "big")
    written, tensors = serialized[8:end], serialized[end:]
    return _Unpacker(written, model, torch.load(io.BytesIO(tensors), map_location=device, weights_only=True)).load()


class _Packer(pickle.Pickler):
    """Puts every tensor aside, once however often it occurs."""

    def __init__(self, model: Model) -> None:
        self.written = io.BytesIO()
        super().__init__(self.written)
        self.tensors: list[Tensor] = []
        self._model = model
        self._places: dict[int, tuple[int, Tensor]] = {}

    def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
        if value is self._model:
            return ("model",)
        if isinstance(value, Conditioning):
            return ("words", value.prompt, value.negative_prompt, value.guidance)
        if not isinstance(value, Tensor):
            return None
        if id(value) not in self._places:
            # The original is held, so that nothing else can take its id.
            self._places[id(value)] = (len(self.tensors), value)
            self.tensors.append(value.detach().cpu().clone())
        return ("tensor", self._places[id(value)][0])


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "trajflow"


class _Unpacker(pickle.Unpickler):
    """Puts the tensors and the model back."""

    def __init__(self, written: bytes, model: Model, tensors: list[Tensor]) -> None:
        super().__init__(io.BytesIO(written))
        self._model = model
        self._tensors = tensors

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if _is_ours(module) or (module, name) in PLAIN else None
        if not isinstance(found, type):
            raise pickle.UnpicklingError(f"{module}.{name} does not travel: only trajflow's own records do.")
        return found

    def persistent_load(self, place: tuple[Any, ...]) -> Any:
        kind, *about = place
        if kind == "words":
            return self._model.encode(*about)
        return self._model if kind == "model" else self._tensors[about[0]]
