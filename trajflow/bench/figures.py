"""Figures to reach: one row each of what was tried, what has to come of it, and what came."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

COLUMNS = ("what", "figure to reach", "measured", "ok")


@dataclass(frozen=True)
class Figure:
    """One row. `to_reach` and `measured` are words; `numbers` holds what was measured, for who reads the file."""

    what: str
    to_reach: str
    measured: str
    is_ok: bool
    numbers: Mapping[str, float]


def table(figures: Iterable[Figure]) -> str:
    """The rows as Markdown.

    >>> print(table([Figure("a walk", "under 1 h", "0.5 h", True, {"hours": 0.5})]))
    | what   | figure to reach   | measured   | ok   |
    |:-------|:------------------|:-----------|:-----|
    | a walk | under 1 h         | 0.5 h      | yes  |
    """
    rows = [(each.what, each.to_reach, each.measured, "yes" if each.is_ok else "NO") for each in figures]
    return tabulate(rows, COLUMNS, tablefmt="pipe", disable_numparse=True)


def write(path: Path, figures: Sequence[Figure], about: Mapping[str, Any]) -> None:
    """The rows as a file: JSON with all that is known where the name ends in .json, else the table as CSV."""
    if path.suffix == ".json":
        text = json.dumps({**about, "figures": [asdict(each) for each in figures]}, indent=1) + "\n"
        path.write_text(text, encoding="utf-8")
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        rows.writerows((each.what, each.to_reach, each.measured, "yes" if each.is_ok else "no") for each in figures)
