"""Many pictures from one prompt: what `{dawn|noon} over a {lake|city}` stands for, and the order that shares the most.

A picture costs least when one near it has been made. So the first is the one nearest to all, and every next one is the
one nearest to any that is there (Prim's order over the cosine distances of the prompts' sentence vectors).
"""

import itertools
import math
import re
from collections.abc import Sequence

import numpy as np

from trajflow.errors import RequestError

MOST_CELLS = 96
CHOICE = re.compile(r"\{([^{}]*)\}")


def expand(template: str) -> list[str]:
    """Every prompt a template stands for, in the order of its choices. Raises RequestError for more than a page."""
    parts = CHOICE.split(template)
    fixed, choices = parts[::2], [[each.strip() for each in part.split("|")] for part in parts[1::2]]
    if any(mark in text for text in fixed for mark in "{}"):
        raise RequestError("A choice is written {this|that}, one inside another is not possible.")
    if math.prod(len(each) for each in choices) > MOST_CELLS:
        raise RequestError(f"These choices make more than {MOST_CELLS} pictures; use fewer.")
    prompts = ["".join(_woven(fixed, chosen)) for chosen in itertools.product(*choices)]
    return [" ".join(prompt.split()) for prompt in dict.fromkeys(prompts)]


def sharing_order(vectors: np.ndarray) -> list[int]:
    """The order in which to make pictures of prompts with these unit vectors [N, D]."""
    if not len(vectors):
        return []
    nearness = vectors @ vectors.T
    order = [int(nearness.sum(axis=0).argmax())]
    while len(order) < len(vectors):
        best = nearness[order].max(axis=0)
        best[order] = -np.inf
        order.append(int(best.argmax()))
    return order


def _woven(fixed: Sequence[str], chosen: Sequence[str]) -> list[str]:
    return [text for pair in itertools.zip_longest(fixed, chosen, fillvalue="") for text in pair]
