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


def film(
    out: Annotated[Path, typer.Option(help="Folder for app.png, phone.png and app.gif.")] = Path("assets/readme"),
    chromium: Annotated[Path | None, typer.Option(help="The browser. Default: the chromium that is found.")] = None,
) -> None:
    """Photograph a real session in the studio: a picture, a phone, and ten seconds of it."""
    from benchmarks.film import shoot
    from benchmarks.studio import served
    from trajflow.cli.shared import make_folder

    make_folder(out)
    with served() as address:
        for path in shoot(address, out, chromium):
            typer.echo(f"{path}: {path.stat().st_size / 2**10:.0f} KiB")
