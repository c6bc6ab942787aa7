"""Pairs of prompts and their CSV file: `kind,source,target,seed,history`, with `|` between the prompts of a history.

A sixth column, `negative`, may follow: what the target is asked for with as its negative prompt.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trajflow.errors import RequestError

COLUMNS = ("kind", "source", "target", "seed", "history")
NEGATIVE = "negative"
ALL_KINDS = "all"
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Pair:
    """An edit: `target` is asked for when `source` and every prompt of `history` are cached with the same `seed`.

    What is cached was made without a negative prompt, the target is made with `negative`. Raises RequestError for an
    empty prompt, a seed out of range, or a target that is among its own sources; one with a negative prompt may be.
    """

    kind: str
    source: str
    target: str
    seed: int
    history: tuple[str, ...] = ()
    negative: str = ""

    def __post_init__(self) -> None:
        for name in ("kind", "source", "target"):
            if not getattr(self, name).strip():
                raise RequestError(f"The {name} is empty. Give it some text.")
        if not all(prompt.strip() for prompt in self.history):
            raise RequestError("The history has an empty prompt. Put one | between two prompts and none at the ends.")
        if self.kind == ALL_KINDS:
            raise RequestError(f"The kind is {ALL_KINDS!r}, which names the figures over every kind. Choose another.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise RequestError(f"The seed is {self.seed}. Choose a whole number from 0 to {LARGEST_SEED}.")
        if not self.negative and self.target.strip() in {prompt.strip() for prompt in self.cached}:
            raise RequestError(f"The target {self.target!r} is also cached before. Take it out of source and history.")

    @property
    def cached(self) -> tuple[str, ...]:
        """The prompts made before the target: the source, then the history."""
        return (self.source, *self.history)

    @property
    def is_of_prompts(self) -> bool:
        """Whether it edits the prompt, with no negative prompt: velocities of two prompts are compared, no more."""
        return not self.negative


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """The pairs of a file, in its order. Raises RequestError that names the file and the line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) not in (COLUMNS, (*COLUMNS, NEGATIVE)):
                raise RequestError(
                    f"{path}, line 1: the columns must be {','.join(COLUMNS)}, and {NEGATIVE} if need be."
                )
            pairs = tuple(_read_row(row, f"{path}, line {reader.line_num}") for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} could not be read as a CSV file: {error}.") from error
    if not pairs:
        raise RequestError(f"{path} has no pairs. Add at least one row below the columns.")
    return pairs


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write the pairs as `read_pairs` reads them. Raises RequestError when a prompt of a history contains `|`."""
    pairs = tuple(pairs)
    has_negatives = any(pair.negative for pair in pairs)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, NEGATIVE) if has_negatives else COLUMNS)
        for pair in pairs:
            if any("|" in prompt for prompt in pair.history):
                raise RequestError(f"A history cannot hold a prompt with | in it: {pair.history}.")
            row = (pair.kind, pair.source, pair.target, pair.seed, "|".join(pair.history))
            writer.writerow((*row, pair.negative) if has_negatives else row)


def _read_row(row: dict[str, str], where: str) -> Pair:
    # csv puts surplus fields under None and fills missing ones with None.
    if None in row or None in row.values():
        named = ",".join(name for name in row if name)
        raise RequestError(f"{where}: a row has as many fields as there are columns, {named}. Quote text with commas.")
    try:
        seed = int(row["seed"])
    except ValueError as error:
        raise RequestError(f"{where}: the seed must be a whole number, got {row['seed']!r}.") from error
    history = tuple(row["history"].split("|")) if row["history"] else ()
    try:
        return Pair(row["kind"], row["source"], row["target"], seed, history, row.get(NEGATIVE, ""))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error
