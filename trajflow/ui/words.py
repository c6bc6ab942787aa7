"""Which words of a prompt the model does not take in: unknown to it, without effect, or past what its encoders read."""

import re
import time
from collections.abc import Generator, Iterator

import torch

from trajflow.base import Conditioning, Model, Vocabulary, vocabulary_of
from trajflow.engine.blending import BETWEEN
from trajflow.sampler import RemoteModel
from trajflow.ui.desk import TURN, Event
from trajflow.ui.effect import NO_EFFECT, NOT_READ, judge

# Words, and the share in a prompt between two, which is none.
WORD = re.compile(r"~\d{1,3}%~|[^\W_]+(?:['’-][^\W_]+)*")
MOST_SECONDS = 2.0
UNKNOWN, IGNORED, PAST = "unknown", "ignored", "past"
REASONS = {
    UNKNOWN: "This model has not learned the word.",
    IGNORED: "This model was taught to pass over it.",
    NO_EFFECT: "Without it this model reads next to the same.",
    NOT_READ: "This model reads it like a made-up word.",
    PAST: "Past the length this model's text encoders read: it changes nothing.",
}
Place = tuple[int, int]


def places(prompt: str) -> list[Place]:
    """Where the words are: (start, end) each."""
    return [found.span() for found in WORD.finditer(prompt) if not found.group().startswith("~")]


def unknown(prompt: str, vocabulary: Vocabulary) -> list[tuple[int, int, str]]:
    """The words that draw nothing by the model's own list, with the kind. A hyphen may join words that are known."""
    found = []
    for start, end in places(prompt):
        word = prompt[start:end].lower()
        parts = [word] if word in vocabulary else word.split("-")
        if not all(part in vocabulary for part in parts):
            found.append((start, end, UNKNOWN))
        elif all(part in vocabulary.ignored for part in parts):
            found.append((start, end, IGNORED))
    return found


def unheard(model: Model, prompt: str) -> Iterator[Event]:
    """Tell which words have no effect on this prompt, in one event `words`.

    A model that has no list of its words is asked by replacing each, if it is here to be asked.
    """
    vocabulary, deadline = vocabulary_of(model), time.monotonic() + MOST_SECONDS
    is_single = BETWEEN.fullmatch(prompt) is None
    cut = len(prompt)
    if not isinstance(model, RemoteModel) and is_single:
        cut = yield from _cut(model, prompt, deadline)
    found: list[tuple[int, int, str]] = []
    if vocabulary is not None:
        found = [each for each in unknown(prompt, vocabulary) if each[1] <= cut]
    elif not isinstance(model, RemoteModel) and is_single:
        found = yield from judge(model, prompt, [place for place in places(prompt) if place[1] <= cut], deadline)
    if cut < len(prompt):
        found.append((next(start for start, _ in places(prompt) if start >= cut), len(prompt), PAST))
    yield {"type": "words", "prompt": prompt, "spans": [_told(prompt, place, vocabulary) for place in found]}


def _told(prompt: str, found: tuple[int, int, str], vocabulary: Vocabulary | None) -> dict[str, object]:
    start, end, kind = found
    near = vocabulary.nearest(prompt[start:end].lower()) if vocabulary and kind == UNKNOWN else None
    meant = f" Did you mean “{near}”?" if near else ""
    return {"start": start, "end": end, "kind": kind, "reason": REASONS[kind] + meant, "near": near}


def _cut(model: Model, prompt: str, deadline: float) -> Generator[Event, None, int]:
    """Where the last word ends that the encoders read, the prompt's length if all are read; found by halving.

    Past the encoders' length nothing changes what they say. Of a model whose tensors do not tell the prompt nothing is
    said.
    """
    ends = [end for _, end in places(prompt)]
    if not ends:
        return len(prompt)
    whole = model.encode(prompt, "", 1.0)
    if _is_same(model.encode("", "", 1.0), whole):
        return len(prompt)
    low, high = 0, len(ends)
    # Invariant: the first `high` words say it all, the first `low` words do not.
    while high - low > 1 and time.monotonic() < deadline:
        yield TURN
        middle = (low + high) // 2
        if _is_same(model.encode(prompt[: ends[middle - 1]], "", 1.0), whole):
            high = middle
        else:
            low = middle
    return ends[high - 1] if high - low <= 1 and high < len(ends) else len(prompt)


def _is_same(a: Conditioning, b: Conditioning) -> bool:
    return all(torch.equal(a.tensors[name], tensor) for name, tensor in b.tensors.items())
