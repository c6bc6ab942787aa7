"""Requests that cannot be run: each one is valid but for one field, by hand and by hypothesis."""

import math
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trajflow.base import Defaults
from trajflow.methods import METHODS
from trajflow.settings import LONGEST_PROMPT, MOST_GUIDANCE, MOST_STEPS

VALID: dict[str, Any] = {"prompt": "a mountain", "seed": 7, "steps": 2}
# Longer than Python reads from text, and than any counter.
HUGE = 10**5000
STRANGE: tuple[Any, ...] = (
    [], {}, [1], {"a": 1}, ["a mountain"], {"prompt": "a"}, math.nan, math.inf, -math.inf, HUGE, -HUGE, 2**70, 1e308,
)  # fmt: skip
TEXTS: tuple[Any, ...] = ("x" * (LONGEST_PROMPT + 1), "a \ud800 b", "\udfff", "a\0b", "\x1b[2J", True, False, 0, 3.5)
WORDS: tuple[Any, ...] = ("", " ", "28", "nothing", "NaN", "1e9", "0x10", "٣", "\0", "true", "[]")
NUMBERS: dict[str, tuple[Any, ...]] = {
    "seed": (-2, -(2**40), 2**63, 1.5, 1e30, True),
    "steps": (0, -1, MOST_STEPS + 1, 10**9, 2.5, True, False),
    "guidance": (-0.1, MOST_GUIDANCE + 0.1, 1e9, True),
    "width": (0, -64, 13, 10**6, 64.5, True),
    "height": (0, -64, 13, 10**6, 64.5, True),
    "budget": (0, -1, 3, 10**6, 1.5, True),
    "fidelity": (0, 9.9, 60.1, -1, True),
}
BY_HAND: dict[str, tuple[Any, ...]] = {
    "prompt": ("", "   ", "\n\t", None, *TEXTS, *STRANGE),
    "negative_prompt": (*TEXTS, *STRANGE),
    "strategy": ("", "AUTO", "nothing", "__class__", "../auto", True, 0, *STRANGE),
    **{name: (*values, *WORDS, *STRANGE) for name, values in NUMBERS.items()},
}
# What stands for nothing was asked, or for a new seed, where plain words come in.
UNTOLD: dict[str, tuple[Any, ...]] = {"seed": ("", -1, "-1")}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def _is_broken(letter: str) -> bool:
    """Whether it is half a character, or a control character that is no space."""
    is_control = ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0
    return 0xD800 <= ord(letter) <= 0xDFFF or (is_control and not letter.isspace())


def is_bad(name: str, value: Any, defaults: Defaults) -> bool:
    """Whether no request may have that value in that field, told here anew and not by the library."""
    if value is None:
        return name == "prompt"
    if name in ("prompt", "negative_prompt"):
        is_text = isinstance(value, str) and len(value) <= LONGEST_PROMPT
        is_whole = is_text and not any(_is_broken(letter) for letter in value)
        return not is_whole or (name == "prompt" and not value.strip())
    if name == "strategy":
        return not isinstance(value, str) or value not in METHODS
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    if name == "guidance":
        return not 0 <= value <= MOST_GUIDANCE
    if name == "fidelity":
        return not 10 <= value <= 60
    if not isinstance(value, int):
        return True
    if name in ("width", "height"):
        return value % defaults.size_multiple != 0 or not defaults.size_multiple <= value <= defaults.largest_side
    most = {"seed": 2**63 - 1, "steps": MOST_STEPS, "budget": VALID["steps"]}[name]
    return not (0 if name == "seed" else 1) <= value <= most


def bad_requests(count: int, defaults: Defaults) -> Iterator[dict[str, Any]]:
    """So many of them: those by hand first, in turns of their fields, then those that hypothesis makes up."""
    by_hand = [(name, value) for name, values in BY_HAND.items() for value in values]
    by_hand = [(name, value) for name, value in by_hand if is_bad(name, value, defaults)]
    chosen = by_hand[:: max(1, math.ceil(len(by_hand) / count))]
    yield from ({**VALID, name: value} for name, value in chosen)
    made: list[dict[str, Any]] = []

    @settings(
        max_examples=4 * count + 10,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(list(BY_HAND)), anything)
    def make(name: str, value: Any) -> None:
        if is_bad(name, value, defaults):
            made.append({**VALID, name: value})

    if len(chosen) < count:
        make()
    yield from made[: count - len(chosen)]


def for_the_page(request: dict[str, Any]) -> bool:
    """Whether a request is as bad when the page sends it, which has words of its own for how much to spend."""
    return "budget" not in request and "fidelity" not in request and for_programs(request)


def for_programs(request: dict[str, Any]) -> bool:
    """Whether a request is as bad over the wire, where some values mean that nothing was asked."""
    return not any(type(request.get(name)) in (int, str) and request[name] in values for name, values in UNTOLD.items())
