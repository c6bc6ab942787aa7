"""`trajflow bench`: what the methods are worth on your own model and machine."""

import typer

from trajflow.cli.bench.frontier import frontier
from trajflow.cli.bench.gpu import gpu
from trajflow.cli.bench.report import report

group = typer.Typer(no_args_is_help=True, help="Measure what the methods are worth.", rich_markup_mode=None)
for command in (frontier, gpu, report):
    group.command()(command)
