"""Which words change what the text encoders say, for a model that has no list of its words.

A word is replaced by a neutral one, T(w -> the), and d(w) = T(w) - T(the) is what it brings: T are the pooled vectors
and the means of the token states. Two things are asked, both on the scale of this very model and prompt:

    small:    |d(w)| <= max |d(n)| for other neutral words n, in every tensor
    strange:  cos of d(w) between this sentence and others <= that of made-up words

A word that means something moves the text the same way whatever stands around it; one that falls into letters does not.
Dropping a word instead would also move all that follow it, which is more than most words do.
"""

import time
from collections.abc import Generator, Sequence
from itertools import combinations

import torch
from torch import Tensor

from trajflow.base import Model
from trajflow.ui.desk import TURN, Event

PLAIN = "the"
NEUTRAL = ("a", "and")
MADE_UP = ("zxqv", "blorp")
FRAMES = (("", ""), ("a picture of ", ""))
# Words that only hold others together are not worth a remark.
JOINING = frozenset(
    ("a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or", "that", "the",
     "this", "to", "with")
)  # fmt: skip
NO_EFFECT, NOT_READ = "small", "strange"
Vectors = tuple[Tensor, ...]


def judge(
    model: Model, prompt: str, places: Sequence[tuple[int, int]], deadline: float
) -> Generator[Event, None, list[tuple[int, int, str]]]:
    """The words at `places` that have no effect, each with its kind; yields `TURN` before each use of the model.

    What is not judged by `deadline` (monotonic seconds) is not reproached.
    """
    seen: dict[str, Vectors] = {}

    def read(frame: tuple[str, str], word: str) -> Generator[Event, None, Vectors]:
        text = word.join(frame)
        if text not in seen:
            yield TURN
            seen[text] = _vectors(model, text)
        return seen[text]

    def brings(frame: tuple[str, str], word: str) -> Generator[Event, None, Vectors]:
        whole, plain = (yield from read(frame, word)), (yield from read(frame, PLAIN))
        return tuple(a - b for a, b in zip(whole, plain, strict=True))

    found = []
    for start, end in places:
        here, word = (prompt[:start], prompt[end:]), prompt[start:end]
        if word.lower() in JOINING:
            continue
        own = yield from brings(here, word)
        neutral = []
        for other in NEUTRAL:
            neutral.append((yield from brings(here, other)))
        steady = []
        for each in (word, *MADE_UP):
            ways = []
            for frame in (here, *FRAMES):
                ways.append((yield from brings(frame, each)))
            steady.append(_steadiness(ways))
        if time.monotonic() > deadline:
            break
        if _is_small(own, neutral):
            found.append((start, end, NO_EFFECT))
        elif any(a.any() for a in own) and steady[0] <= sum(steady[1:]) / len(MADE_UP):
            found.append((start, end, NOT_READ))
    return found


def _vectors(model: Model, text: str) -> Vectors:
    """One vector of each floating-point tensor that the encoders made, means over tokens."""
    tensors = model.encode(text, "", 1.0).tensors.values()
    return tuple(t.float().reshape(-1, t.shape[-1]).mean(0) for t in tensors if t.is_floating_point() and t.ndim > 1)


def _is_small(own: Vectors, neutral: Sequence[Vectors]) -> bool:
    return bool(own) and all(bool(a.norm() <= max(n[i].norm() for n in neutral)) for i, a in enumerate(own))


def _steadiness(ways: Sequence[Vectors]) -> float:
    """The mean cosine between what a word brings in one sentence and in another, over all tensors it moves."""
    found = [
        torch.cosine_similarity(a, b, dim=0)
        for first, second in combinations(ways, 2)
        for a, b in zip(first, second, strict=True)
        if a.any() and b.any()
    ]
    return float(torch.stack(found).mean()) if found else 1.0
