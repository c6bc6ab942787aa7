"""Which words of a prompt the model does not take in: unknown to it, or past what its text encoders read."""

import re
import time
from collections.abc import Collection, Iterator
from typing import Protocol, runtime_checkable

import torch

from trajflow.base import Conditioning, Model
from trajflow.sampler import RemoteModel
from trajflow.ui.blending import BETWEEN
from trajflow.ui.desk import TURN, Event

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
MOST_SECONDS = 1.0


@runtime_checkable
class Speaking(Protocol):
    """A model that knows its words."""

    def vocabulary(self) -> Collection[str]:
        """Every word it was trained on, in lower case."""


def unknown(prompt: str, vocabulary: Collection[str]) -> list[tuple[int, int]]:
    """Where the words are that are not in the vocabulary: (start, end) each."""
    return [found.span() for found in WORD.finditer(prompt) if found.group().lower() not in vocabulary]


def unheard(model: Model, prompt: str) -> Iterator[Event]:
    """Tell which words have no effect on this prompt, in one event `words`.

    Past the encoders' length nothing changes what they say: the first such word is found by halving.
    """
    spans: list[dict[str, object]] = []
    if isinstance(model, Speaking):
        words = model.vocabulary()
        reason = "This model has never seen the word."
        spans += [{"start": start, "end": end, "reason": reason} for start, end in unknown(prompt, words)]
    ends = [found.end() for found in WORD.finditer(prompt)]
    if ends and not isinstance(model, RemoteModel) and BETWEEN.fullmatch(prompt) is None:
        deadline = time.monotonic() + MOST_SECONDS
        whole = model.encode(prompt, "", 1.0)
        low, high = 0, len(ends)
        # Invariant: the first `high` words say it all, the first `low` words do not.
        while high - low > 1 and time.monotonic() < deadline:
            yield TURN
            middle = (low + high) // 2
            if _is_same(model.encode(prompt[: ends[middle - 1]], "", 1.0), whole):
                high = middle
            else:
                low = middle
        if high - low <= 1 and high < len(ends):
            reason = "Past the length this model's text encoders read: it changes nothing."
            start = next(found.start() for found in WORD.finditer(prompt) if found.end() > ends[high - 1])
            spans.append({"start": start, "end": len(prompt), "reason": reason})
    yield {"type": "words", "prompt": prompt, "spans": spans}


def _is_same(a: Conditioning, b: Conditioning) -> bool:
    return all(torch.equal(a.tensors[name], tensor) for name, tensor in b.tensors.items())
