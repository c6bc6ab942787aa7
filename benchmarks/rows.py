"""Measured rows as a file."""

import json
from pathlib import Path
from typing import Any

from trajflow.cli.shared import machine


def write_rows(path: Path | None, command: str, model: str, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON with the command that makes them and the machine that made them."""
    if path is not None:
        about = {"command": command, "model": model, **machine()}
        path.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
