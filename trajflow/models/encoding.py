"""What every adapter's `encode` keeps to: one thread at a time, for tokenizers refuse concurrent use."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from trajflow.base import Conditioning

Adapter = TypeVar("Adapter")
# Pipelines may share their tokenizers, so one lock for all of them.
_TOKENIZERS = threading.Lock()


def encoding(
    encode: Callable[[Adapter, str, str, float], Conditioning],
) -> Callable[[Adapter, str, str, float], Conditioning]:
    """An adapter's `encode`, safe to call from any thread."""

    @wraps(encode)
    def in_turn(self: Adapter, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        with _TOKENIZERS:
            return encode(self, prompt, negative_prompt, guidance)

    return in_turn
