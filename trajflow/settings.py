"""A request made definite: every field checked at the boundary, every None filled with the model's default."""

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

from trajflow.base import Defaults, Request
from trajflow.errors import RequestError
from trajflow.methods import METHODS

LONGEST_PROMPT = 2000
MOST_STEPS = 200
MOST_GUIDANCE = 30.0
LEAST_FIDELITY, MOST_FIDELITY = 10.0, 60.0


@dataclass(frozen=True)
class Settings:
    """What a run is made with; sizes in pixels.

    `budget` is a ceiling on evaluations, None the planner's choice for a PSNR of `fidelity` dB (None: its default).
    """

    prompt: str
    negative_prompt: str
    seed: int
    steps: int
    guidance: float
    height: int
    width: int
    strategy: str
    budget: int | None
    fidelity: float | None = None


def resolve_request(request: Request, defaults: Defaults) -> Settings:
    """Check a request and fill in the defaults.

    Raises RequestError with one sentence that says what was given, what is allowed and what to do.
    """
    if request.prompt is None or (isinstance(request.prompt, str) and not request.prompt.strip()):
        raise RequestError("The prompt is empty. Describe the picture in a few words.")
    prompt = _text("prompt", request.prompt)
    negative = _text("negative prompt", request.negative_prompt)
    steps = _whole("steps", defaults.steps if request.steps is None else request.steps, 1, MOST_STEPS)
    guidance = defaults.guidance if request.guidance is None else request.guidance
    if isinstance(guidance, bool) or not isinstance(guidance, int | float):
        raise RequestError(f"The guidance must be a number, got {_shown(guidance)}.")
    if isinstance(guidance, float) and not math.isfinite(guidance):
        raise RequestError(f"The guidance must be a number, got {_shown(guidance)}.")
    if not 0 <= guidance <= MOST_GUIDANCE:
        raise RequestError(f"The guidance is {_shown(guidance)}. Choose a value from 0 to {MOST_GUIDANCE:g}.")
    if not isinstance(request.strategy, str) or request.strategy not in METHODS:
        raise RequestError(f"There is no strategy {_shown(request.strategy)}. Choose one of: {', '.join(METHODS)}.")
    if not isinstance(request.compare, bool):
        raise RequestError(f"compare must be True or False, got {_shown(request.compare)}.")
    if not isinstance(request.refine, bool):
        raise RequestError(f"refine must be True or False, got {_shown(request.refine)}.")
    if request.refine and not METHODS[request.strategy].is_anytime:
        raise RequestError(f"The strategy {request.strategy!r} cannot be refined. Choose one of: {_anytime()}.")
    if request.refine and request.budget is not None:
        raise RequestError("A refined run goes on to the from-scratch picture: give no budget, and stop it early.")
    return Settings(
        prompt=prompt,
        negative_prompt=negative,
        seed=_whole("seed", request.seed, 0, 2**63 - 1),
        steps=steps,
        guidance=float(guidance),
        height=_side("height", defaults.height if request.height is None else request.height, defaults),
        width=_side("width", defaults.width if request.width is None else request.width, defaults),
        strategy=request.strategy,
        budget=None if request.budget is None else _whole("budget", request.budget, 1, steps),
        fidelity=_fidelity(request),
    )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f"The {name} must be text, got {type(value).__name__}.")
    if len(value) > LONGEST_PROMPT:
        raise RequestError(f"The {name} has {len(value):,} characters. Use at most {LONGEST_PROMPT:,}.")
    for position, letter in enumerate(value):
        # Half a character, or what steers a terminal.
        if unicodedata.category(letter) in ("Cs", "Cc") and not letter.isspace():
            raise RequestError(f"The {name} holds a broken character at position {position}; delete it.")
    return value.strip()


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"The {name} must be a whole number, got {_shown(value)}.")
    if not least <= value <= most:
        verb = "are" if name == "steps" else "is"
        raise RequestError(f"The {name} {verb} {_shown(value)}. Choose a whole number from {least} to {most}.")
    return value


def _shown(value: Any) -> str:
    """A value as a sentence may show it: in short, and of what is no plain value only the type."""
    if type(value) is int and value.bit_length() > 64:
        return f"a number of {value.bit_length():,} bits"
    if value is None or type(value) in (int, float, bool):
        return repr(value)
    return repr(value[:40]) if type(value) is str else type(value).__name__


def _fidelity(request: Request) -> float | None:
    value = request.fidelity
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not LEAST_FIDELITY <= value <= MOST_FIDELITY:
        raise RequestError(f"The fidelity is {_shown(value)}. Choose from {LEAST_FIDELITY:g} to {MOST_FIDELITY:g} dB.")
    if not METHODS[request.strategy].is_anytime:
        raise RequestError(f"The strategy {request.strategy!r} cannot aim at a fidelity. Choose one of: {_anytime()}.")
    if request.budget is not None:
        raise RequestError("Ask for a budget or for a fidelity, not for both: one decides the other.")
    return float(value)


def _anytime() -> str:
    return ", ".join(name for name, strategy in METHODS.items() if strategy.is_anytime)


def _side(name: str, value: Any, defaults: Defaults) -> int:
    multiple = defaults.size_multiple
    side = _whole(name, value, multiple, defaults.largest_side)
    if side % multiple:
        near = max(multiple, round(side / multiple) * multiple)
        raise RequestError(f"The {name} is {side} pixels. Choose a multiple of {multiple}, such as {near}.")
    return side
