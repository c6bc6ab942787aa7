"""`trajflow bench`: what the methods are worth on your own model and machine, and what the app holds up to."""

import typer

from trajflow.cli.bench.faults import faults
from trajflow.cli.bench.frontier import frontier
from trajflow.cli.bench.fuzz import fuzz
from trajflow.cli.bench.gpu import gpu
from trajflow.cli.bench.load import load

group = typer.Typer(
    no_args_is_help=True,
    help="Measure what the methods are worth, and what the app holds up to.",
    rich_markup_mode=None,
)
for command in (frontier, gpu, load, faults, fuzz):
    group.command()(command)
