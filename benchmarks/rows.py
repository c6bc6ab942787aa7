"""Measured rows as files: JSON with the command that makes them, or CSV, in which lists and the like are JSON."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trajflow.cli.shared import machine
from trajflow.errors import RequestError


def write_rows(path: Path | None, command: str, model: str, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON with the command that makes them and the machine that made them."""
    if path is not None:
        about = {"command": command, "model": model, **machine()}
        path.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as CSV, with a column for whatever any of them has; nothing where there is nothing."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Rows as `write_csv` wrote them. Raises RequestError when they cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    except (OSError, csv.Error, ValueError) as error:
        raise RequestError(f"{path} holds no rows: {error}.") from error


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _value(cell: str) -> Any:
    if not cell:
        return None
    try:
        return json.loads(cell)
    except ValueError:
        return cell
