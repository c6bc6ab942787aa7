"""The command line: `trajflow ui | serve | generate | calibrate | bench | cache | doctor`.

Heavy libraries are imported inside the commands, so that help and usage errors answer at once.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from trajflow.cli import bench, cache, calibrate, doctor, generate, serve, ui
from trajflow.errors import TrajflowError


class Sentences(TyperGroup):
    """Tells what went wrong in one sentence on stderr, with exit code 2 and no traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TrajflowError as error:
            typer.echo(f"trajflow: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    add_completion=False,
    help="Tweak a prompt, pay a fraction.",
    rich_markup_mode=None,
)
for command in (ui.ui, serve.serve, generate.generate, calibrate.calibrate, doctor.doctor):
    app.command()(command)
app.add_typer(bench.group, name="bench")
app.add_typer(cache.group, name="cache")


def main() -> None:
    """The console entry point."""
    app()
