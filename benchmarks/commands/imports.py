"""`python -m benchmarks import-time`: what the package costs before anything is asked of it."""

from typing import Annotated

import typer


def import_time(
    repeats: Annotated[int, typer.Option(min=1, help="New processes of which medians are taken.")] = 5,
) -> None:
    """Seconds that `import trajflow` adds to `import diffusers`."""
    from benchmarks.import_time import markdown, measure

    typer.echo(markdown(*measure(repeats)))
