"""The words that a model knows, where it was trained on few enough to list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Protocol, cast, runtime_checkable

# Shorter words have too many that are alike.
_SHORTEST = 4
_ALIKE = 0.8


@dataclass(frozen=True)
class Vocabulary:
    """`meanings`: attribute -> value -> the words and phrases for it, as in time -> night -> ("night", "at night").

    `joining` are the words that hold phrases together, `ignored` those that the model was taught to pass over: both are
    known, and draw nothing by themselves. All in lower case.

    >>> known = Vocabulary({"time": {"night": ("at night",)}}, frozenset({"a"}), frozenset({"lovely"}))
    >>> "night" in known, "castle" in known
    (True, False)
    """

    meanings: Mapping[str, Mapping[str, tuple[str, ...]]]
    joining: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    @cached_property
    def words(self) -> frozenset[str]:
        """Every single word that is known."""
        phrases = (phrase for values in self.meanings.values() for phrases in values.values() for phrase in phrases)
        return frozenset(word for phrase in phrases for word in phrase.split()) | self.joining | self.ignored

    def nearest(self, word: str) -> str | None:
        """The known word that `word`, in lower case, may be a slip for; None where none is alike.

        >>> Vocabulary({"time": {"sunset": ("sunset",)}}).nearest("sunste")
        'sunset'
        """
        return next(iter(get_close_matches(word, self.words, 1, _ALIKE)), None) if len(word) >= _SHORTEST else None

    def __contains__(self, word: object) -> bool:
        return word in self.words


@runtime_checkable
class Speaking(Protocol):
    """A model that may know its words: more than `Model` asks for. Ask `vocabulary_of`, wrapped models included."""

    def vocabulary(self) -> Vocabulary | None:
        """The words that have an effect, or None where nobody has listed them."""


def vocabulary_of(model: object) -> Vocabulary | None:
    """What a model says of its words; None for one that says nothing."""
    # By name: from Python 3.12 on `isinstance` does not see what a model around another one forwards.
    return cast(Speaking, model).vocabulary() if hasattr(model, "vocabulary") else None
