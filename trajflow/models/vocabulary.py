"""`vocabulary.json` beside a model's weights: the words it was trained on, by what they mean.

    {"time": {"night": ["night", "at night"], ...}, ..., "nothing": {"joining": ["a", ...], "ignored": ["lovely", ...]}}

Under `nothing` stand the words that draw nothing by themselves (see `Vocabulary`); it may be left out.
"""

import json
from pathlib import Path
from typing import Any

from trajflow.base import Vocabulary
from trajflow.errors import ModelError

FILE = "vocabulary.json"
NOTHING = "nothing"


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """What the folder's file says, None where there is none. Raises ModelError when it cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table = json.loads(path.read_text("utf-8"))
        nothing = {value: frozenset(_phrases(told)) for value, told in table.pop(NOTHING, {}).items()}
        meanings = {
            str(attribute): {str(value): _phrases(told) for value, told in values.items()}
            for attribute, values in table.items()
        }
        return Vocabulary(meanings, **nothing)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} must hold one JSON object: attribute, then value, then a list of its words: {error}."
        ) from error


def _phrases(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(phrase, str) and phrase.strip() for phrase in told):
        raise ValueError(f"{told!r:.60} is no list of words")
    return tuple(phrase.lower() for phrase in told)
