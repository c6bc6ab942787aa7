"""`python -m benchmarks import-time` and `request-path`: what it takes to load the package, and to read it."""

from typing import Annotated

import typer


def import_time(
    repeats: Annotated[int, typer.Option(min=1, help="New processes of which medians are taken.")] = 5,
) -> None:
    """Seconds that `import trajflow` adds to `import diffusers`."""
    from benchmarks.import_time import markdown, measure

    typer.echo(markdown(*measure(repeats)))


def request_path() -> None:
    """The files that one cached request of the library runs through."""
    from benchmarks.request_path import markdown, measure
    from trajflow.cli.shared import load_model

    typer.echo(markdown(measure(load_model("tiny"))))
