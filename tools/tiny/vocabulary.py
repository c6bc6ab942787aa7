"""The words of the bundled model, by attribute and value, as its captions use them: for the app's chips and remarks.

    python -m tools.tiny.vocabulary [--out assets/tiny/vocabulary.json]

Read out of the training grammar, not of the weights: every phrase that names a value, then the words that join phrases,
then those of the openings, praise and fillers, which captions carry at random and which therefore mean nothing. `none`
and what stands for it have no words. tests/ui/test_words.py compares the list with what the text encoders say.
"""

import argparse
import json
import re
from pathlib import Path

from tools.tiny.captions import (
    BLUE_SKY_CLAUSES,
    FILLERS,
    FOREGROUND_NOUNS,
    OPENINGS,
    PRAISE,
    SUBJECT_NOUNS,
    TEMPLATES,
    TIME_ADJECTIVES,
    TIME_CLAUSES,
    TIME_ITEMS,
    WEATHER_ADJECTIVES,
    WEATHER_CLAUSES,
    WEATHER_ITEMS,
)

OUT = Path("assets/tiny/vocabulary.json")
WORD = re.compile(r"[a-z0-9]+")
# Written by `captions._fill`, not by a template.
ARTICLES = ("a", "an", "the", "is", "are")

Table = dict[str, dict[str, list[str]]]


def words() -> Table:
    """attribute -> value -> phrases, and `nothing` -> joining and ignored words."""
    weather_clauses = {**WEATHER_CLAUSES, "clear": WEATHER_CLAUSES["clear"] + BLUE_SKY_CLAUSES}
    table = {
        "subject": _together(SUBJECT_NOUNS),
        "time": _together(TIME_ITEMS, TIME_ADJECTIVES, TIME_CLAUSES),
        "weather": _together(WEATHER_ADJECTIVES, WEATHER_ITEMS, weather_clauses),
        "foreground": _together(FOREGROUND_NOUNS),
    }
    frames = {re.sub(r"\{\w+\}", " ", each.template) for split in TEMPLATES.values() for each in split}
    phrases = {phrase for values in table.values() for told in values.values() for phrase in told}
    meant = _singles(phrases)
    joining = (_singles(frames) | set(ARTICLES)) - meant
    ignored = _singles((*OPENINGS, *PRAISE, *FILLERS)) - meant - joining
    return table | {"nothing": {"joining": sorted(joining), "ignored": sorted(ignored)}}


def _together(*tables: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """value -> the phrases of all tables, each once, in their order."""
    return {value: list(dict.fromkeys(phrase for table in tables for phrase in table[value])) for value in tables[0]}


def _singles(phrases) -> set[str]:
    return {word for phrase in phrases for word in WORD.findall(phrase)}


def write(path: Path) -> None:
    """The table as the file beside the weights."""
    path.write_text(json.dumps(words(), ensure_ascii=False, indent=1) + "\n", "utf-8")


def main() -> None:
    """Write the file and say how much is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    write(parser.parse_args().out)
    for attribute, values in words().items():
        print(f"{attribute:10s} {', '.join(f'{value} {len(phrases)}' for value, phrases in values.items())}")


if __name__ == "__main__":
    main()
