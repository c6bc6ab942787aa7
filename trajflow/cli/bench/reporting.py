"""What `load`, `faults` and `fuzz` share: a line for each figure as it comes, the table, the file and the exit."""

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trajflow.cli.shared import machine, make_folder
from trajflow.errors import RequestError

if TYPE_CHECKING:
    from trajflow.bench.figures import Figure

Quick = Annotated[bool, typer.Option("--quick", help="Everything, but less of it: about a minute.")]
Out = Annotated[Path | None, typer.Option(help="Write the table here, as .csv or .json.")]
Only = Annotated[str | None, typer.Option(help="Some of the parts, with commas between. Default: all.")]


def read_parts(given: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """The parts that were named, or all. Raises RequestError for one that there is not."""
    named = known if given is None else tuple(name.strip() for name in given.split(","))
    for name in named:
        if name not in known:
            raise RequestError(f"There is no part {name!r}. Choose from: {', '.join(known)}.")
    return named


def report(figures: Iterator["Figure"], out: Path | None) -> None:
    """Tell the figures. Exits with 1 when one of them is not reached."""
    from trajflow.bench.figures import table, write

    if out is not None:
        make_folder(out.parent)
    began, rows = time.monotonic(), []
    try:
        for figure in figures:
            rows.append(figure)
            seconds, missed = time.monotonic() - began, "" if figure.is_ok else "  MISSED"
            typer.echo(f"{seconds:7.1f} s  {figure.what}: {figure.measured}{missed}", err=True)
    finally:
        # A part that cannot run takes nothing from those before it.
        if rows:
            typer.echo(table(rows))
        if rows and out is not None:
            command = shlex.join(["trajflow", *sys.argv[1:]])
            write(out, rows, {"command": command, "seconds": round(time.monotonic() - began, 1), **machine()})
    count = sum(not figure.is_ok for figure in rows)
    if count:
        typer.echo(f"{count} of {len(rows)} figures are not reached.", err=True)
        raise typer.Exit(1)
