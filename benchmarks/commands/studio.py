"""`python -m benchmarks studio`: the waits that a person has in the studio, measured in a browser."""

from pathlib import Path
from typing import Annotated

import typer


def studio(
    runs: Annotated[int, typer.Option(min=1, help="Edits to make; the medians are over them.")] = 10,
    chromium: Annotated[Path | None, typer.Option(help="The browser. Default: the chromium that is found.")] = None,
    address: Annotated[str | None, typer.Option(help="A studio that runs already. Default: one of its own.")] = None,
) -> None:
    """Drive the studio in Chromium and print the medians that a person waits, and how far the page moved."""
    from benchmarks.studio import measure, served

    if address is not None:
        rows = measure(address, runs, chromium)
    else:
        with served() as own:
            rows = measure(own, runs, chromium)
    for row in rows:
        verdict = "reached" if row.measured <= row.most else "missed"
        typer.echo(f"{row.name:<32} {row.measured:8.3f} {row.unit:<3} at most {row.most:g}: {verdict}")
