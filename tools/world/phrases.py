"""How many of 300 phrasings, typed by hand as people type, are read entirely as meant.

    python -m tools.world.phrases --work DIR

prints the score and every failure. The phrases are never trained on. What a phrase does not say must be read as not
said; two readings are free: a thing whose count the phrase does not insist on may be read as one ("a boat"), and what
a phrase lists under "may".
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.world.reader import FIELDS, QUESTIONS
from tools.world.scene import ATTRIBUTES, KINDS
from tools.world.text import Readers, load

PHRASES = Path(__file__).parents[2] / "tests" / "tools" / "world" / "phrases.json"


@dataclass(frozen=True)
class Phrase:
    """A text and, for every question, the answers that read it as meant."""

    text: str
    accepted: dict[str, frozenset[object]]


def load_phrases(path: Path = PHRASES) -> tuple[Phrase, ...]:
    """All phrases of `path`. Raises KeyError for a word that is no answer to its question."""
    return tuple(parse(row) for row in json.loads(path.read_text("utf-8")))


def parse(row: Mapping) -> Phrase:
    """A phrase as the file has it: "text", attributes, "things", "without", and the free readings "may"."""
    accepted: dict[str, set[object]] = {name: {row.get(name, "not said")} for name in ATTRIBUTES}
    things = {thing["kind"]: thing for thing in row.get("things", ())}
    denied, may = set(row.get("without", ())), row.get("may", {})
    for name in ATTRIBUTES:
        accepted[name] |= set(may.get(name, ()))
    for kind in KINDS:
        thing = things.get(kind)
        accepted[f"{kind} presence"] = {"said" if thing else "denied" if kind in denied else "not said"}
        for name in ("count", "colour", "side"):
            accepted[f"{kind} {name}"] = {(thing or {}).get(name, "not said")}
        if thing and "count" not in thing:
            accepted[f"{kind} count"].add(1)
        if kind in may.get("kinds", ()):
            accepted[f"{kind} presence"].add("said")
            accepted[f"{kind} count"].add(1)
    for question, values in accepted.items():
        if not values <= set(QUESTIONS[question]):
            raise KeyError(f"{row['text']!r}: {sorted(map(str, values))} is no answer to {question}")
    return Phrase(row["text"], {question: frozenset(values) for question, values in accepted.items()})


def misread(phrase: Phrase, answer: Sequence[int]) -> dict[str, object]:
    """The questions that `answer` (classes in the order of QUESTIONS) gets wrong, with what was read.

    Count, colour and side of a kind matter where the kind is read as said.
    """
    read = {name: values[k] for (name, values), k in zip(QUESTIONS.items(), answer, strict=True)}
    return {name: value for name, value in read.items() if _matters(name, read) and value not in phrase.accepted[name]}


def score(readers: Readers, phrases: Sequence[Phrase]) -> list[dict[str, object]]:
    """What is misread of each phrase; an empty dictionary is a phrase read as meant."""
    read = readers.read([phrase.text for phrase in phrases]).tolist()
    return [misread(phrase, answer) for phrase, answer in zip(phrases, read, strict=True)]


def _matters(question: str, read: Mapping[str, object]) -> bool:
    kind, _, field = question.partition(" ")
    return field not in FIELDS or field == "presence" or read[f"{kind} presence"] == "said"


def main() -> None:
    """Print the score and the failures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    phrases = load_phrases()
    results = score(load(arguments.work), phrases)
    for phrase, wrong in zip(phrases, results, strict=True):
        if wrong:
            said = ", ".join(f"{name} {value}" for name, value in wrong.items())
            print(f"{phrase.text!r}: {said}")
    right = sum(not wrong for wrong in results)
    print(f"{right} of {len(phrases)} read as meant ({100 * right / len(phrases):.1f} %)")


if __name__ == "__main__":
    main()
