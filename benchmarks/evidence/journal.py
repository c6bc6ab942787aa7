"""What was measured so far, line by line, so that a measurement that was stopped goes on where it was.

Each line is a unit of a part with its rows; the first says what they were made of: rows of other weights, another
profile or another scale are not gone on with.
"""

import json
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


class Journal:
    """The file at `path`, which is begun anew unless it was made of the same."""

    def __init__(self, path: Path, made_of: str) -> None:
        self._path = path
        self._units: dict[tuple[str, int], tuple[dict[str, Rows], float]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if lines and _read(lines[0]) == {"made_of": made_of}:
            for line in lines[1:]:
                # The last one may have been cut off while it was written.
                if (held := _read(line)) is not None:
                    self._units[held["part"], held["unit"]] = held["tables"], held["seconds"]
        path.write_text(json.dumps({"made_of": made_of}) + "\n", encoding="utf-8")
        for (part, unit), (tables, seconds) in self._units.items():
            self._append(part, unit, tables, seconds)

    def __contains__(self, part_and_unit: tuple[str, int]) -> bool:
        return part_and_unit in self._units

    def add(self, part: str, unit: int, tables: dict[str, Rows], seconds: float) -> None:
        """Keep what a unit gave, and the seconds that it took."""
        self._units[part, unit] = tables, seconds
        self._append(part, unit, tables, seconds)

    def tables(self, part: str) -> dict[str, Rows]:
        """All rows of a part by table, units in their order."""
        found: dict[str, Rows] = {}
        for _, (tables, _) in sorted((key, held) for key, held in self._units.items() if key[0] == part):
            for name, rows in tables.items():
                found.setdefault(name, []).extend(rows)
        return found

    def minutes(self, part: str) -> float:
        """Minutes that the part took, all its units together."""
        return sum(seconds for (name, _), (_, seconds) in self._units.items() if name == part) / 60

    def close(self) -> None:
        """Everything is measured and stored: nothing to go on with."""
        self._path.unlink()

    def _append(self, part: str, unit: int, tables: dict[str, Rows], seconds: float) -> None:
        line = {"part": part, "unit": unit, "seconds": seconds, "tables": tables}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's own."""
    return value.item()


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
