"""The words that have an effect, by attribute and value: for the app's chips and underlining.

    python -m tools.world.vocabulary --work DIR [--out vocabulary.json]

A word is listed when the trained encoders, given it and next to nothing else, read what it means. English comes first,
and of each value the word the scene itself uses. Under `nothing` stand words that captions carry besides: `joining`
ones, which say how many or where or only hold a sentence together, and `ignored` ones, which were said at random.
"""

import argparse
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tools.world import english_things, french, german, spanish
from tools.world.captions import LANGUAGES
from tools.world.grammar import compose
from tools.world.lexicon import Chooser, Lexicon, Pool
from tools.world.reader import QUESTIONS
from tools.world.scene import ATTRIBUTES, COLOURS, KINDS, SIDES
from tools.world.text import Readers, load, random_told

# What a word without a noun of its own is tried on.
TRIALS = {"english": "a {} cabin", "german": "{} hütte", "french": "cabane {}", "spanish": "cabaña {}"}
SIDE_TRIALS = {"english": "a cabin {}", "german": "hütte {}", "french": "cabane {}", "spanish": "cabaña {}"}
TRIAL_KIND = "cabin"
_COLOURS = {module.__name__.rpartition(".")[2]: module.COLOURS for module in (french, german, spanish)} | {
    "english": english_things.COLOURS
}
_BATCH = 256
_SINGLE = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
# What captions say at random.
_MEANINGLESS = ("openings", "praise", "fillers", "asides")


@dataclass(frozen=True)
class Word:
    """A word or phrase, the question it answers and how; `trial` is the prompt it is tried in."""

    text: str
    attribute: str
    value: str
    trial: str
    question: str


def words(readers: Readers | None = None) -> dict[str, dict[str, list[str]]]:
    """attribute -> value -> words; with `readers`, only those which they read as meant."""
    every = list(dict.fromkeys(_every_word()))
    kept = every if readers is None else _understood(every, readers)
    table: dict[str, dict[str, list[str]]] = {}
    for word in kept:
        entries = table.setdefault(word.attribute, {}).setdefault(word.value, [])
        if word.text not in entries:
            entries.append(word.text)
    return table


def nothing(captions: int = 3000, seed: int = 0) -> dict[str, list[str]]:
    """The words of captions that name no value: `ignored` those that are said at random, `joining` the rest."""
    meant = _singles(text for values in words().values() for told in values.values() for text in told)
    draw, ignored, joining = random.Random(seed), set[str](), set[str]()
    for lexicon in LANGUAGES.values():
        pools = {name: getattr(lexicon, name) for name in _MEANINGLESS}
        ignored |= _singles((*lexicon.strays, *(text for pool in pools.values() for text in _entries(pool))))
        plain = replace(lexicon, strays=(), **dict.fromkeys(pools, Pool(("",))))
        for split in ("train", "heldout"):
            choose = Chooser(draw, split)
            joining |= _singles(compose(random_told(draw), plain, choose) for _ in range(captions))
    return {"joining": sorted(joining - meant), "ignored": sorted(ignored - joining - meant)}


def _singles(texts: Iterable[str]) -> set[str]:
    return {word.lower() for text in texts for word in _SINGLE.findall(text)}


def _every_word() -> Iterator[Word]:
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            yield Word(value, attribute, value, value, attribute)
    for kind in KINDS:
        yield Word(kind, "kind", kind, kind, f"{kind} presence")
    for language, lexicon in LANGUAGES.items():
        yield from _attribute_words(lexicon)
        for kind in KINDS:
            for noun in _entries(lexicon.kinds[kind]):
                for form in (noun.singular, noun.plural):
                    yield Word(form, "kind", kind, form, f"{kind} presence")
        for colour in COLOURS:
            for form in _colour_forms(language, colour):
                yield Word(form, "colour", colour, TRIALS[language].format(form), f"{TRIAL_KIND} colour")
        for side in SIDES:
            for phrase in _entries(lexicon.sides[side]):
                yield Word(phrase, "side", side, SIDE_TRIALS[language].format(phrase), f"{TRIAL_KIND} side")


def _attribute_words(lexicon: Lexicon) -> Iterator[Word]:
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            if attribute == "subject":
                found = [_bare(entry, lexicon) for entry in _entries(lexicon.subjects[value])]
            else:
                tables = (lexicon.items, lexicon.adjectives, lexicon.clauses)
                pools = [table[attribute][value] for table in tables if attribute in table]
                found = [entry for pool in pools for entry in _entries(pool)]
            for text in found:
                yield Word(text, attribute, value, text, attribute)


def _colour_forms(language: str, colour: str) -> list[str]:
    entries = _entries(_COLOURS[language][colour])
    if language == "german":
        return [entry + ending for entry in entries for ending in ("", "e", "er", "es", "en", "em")]
    return [form for entry in entries for form in entry.split("/")]


def _entries(pool: Pool) -> tuple:
    return (*pool.train, *pool.heldout)


def _bare(noun: str, lexicon: Lexicon) -> str:
    article, _, rest = noun.partition(" ")
    return rest if rest and article in lexicon.articles else noun


def _understood(every: list[Word], readers: Readers) -> list[Word]:
    names, kept = list(QUESTIONS), []
    for k in range(0, len(every), _BATCH):
        batch = every[k : k + _BATCH]
        for word, read in zip(batch, readers.read([word.trial for word in batch]).tolist(), strict=True):
            wanted = "said" if word.attribute == "kind" else word.value
            column = names.index(word.question)
            if QUESTIONS[word.question][read[column]] == wanted:
                kept.append(word)
    return kept


def main(asked: list[str] | None = None) -> None:
    """Write the table and say how many words of how many are understood."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(asked)
    table, everything = words(load(arguments.work)), words()
    out = arguments.out or arguments.work / "vocabulary.json"
    out.write_text(json.dumps({**table, "nothing": nothing()}, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for attribute, values in everything.items():
        of, kept = (sum(map(len, rows.values())) for rows in (values, table.get(attribute, {})))
        print(f"{attribute:8s} {kept} of {of}")


if __name__ == "__main__":
    main()
