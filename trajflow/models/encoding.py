"""What every adapter's `encode` and `decode` keep to: one thread at a time at the tokenizers, and no NaN in or out."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from trajflow.base import Conditioning
from trajflow.errors import NumericalError

Adapter = TypeVar("Adapter")
# Pipelines may share their tokenizers, so one lock for all of them.
_TOKENIZERS = threading.Lock()


def encoding(
    encode: Callable[[Adapter, str, str, float], Conditioning],
) -> Callable[[Adapter, str, str, float], Conditioning]:
    """An adapter's `encode`, safe to call from any thread. Raises NumericalError for NaN in what it returns."""

    @wraps(encode)
    def in_turn(self: Adapter, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        with _TOKENIZERS:
            conditioning = encode(self, prompt, negative_prompt, guidance)
        for tensor in conditioning.tensors.values():
            _check(tensor, "text encoders")
        return conditioning

    return in_turn


def finite(pixels: Tensor) -> Tensor:
    """The decoder's pixels as they are. Raises NumericalError for NaN, which a picture would show as some colour."""
    _check(pixels, "decoder")
    return pixels


def _check(tensor: Tensor, part: str) -> None:
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise NumericalError(
            f"The model's {part} returned NaN or infinity, so nothing of this run is kept. Try again; if it stays so, "
            "load the model in another dtype."
        )
