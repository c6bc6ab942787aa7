"""`python -m benchmarks`: a command for each section of the evidence."""

import typer

from benchmarks.commands.ablation import ablation
from benchmarks.commands.imports import import_time, request_path
from benchmarks.commands.masks import masks
from benchmarks.commands.one_source import one_source
from benchmarks.commands.page import evidence, rivals
from benchmarks.commands.policies import block_caches, policies
from benchmarks.commands.scale import scale
from benchmarks.commands.sessions import chains, planner, refinement
from benchmarks.commands.studio import film, studio
from trajflow.cli import Sentences

app = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    add_completion=False,
    help="Measure what the documentation claims.",
    rich_markup_mode=None,
)
COMMANDS = (
    *(evidence, rivals, chains, planner, ablation, refinement, policies, block_caches, masks, one_source),
    *(import_time, request_path, studio, film),
    scale,
)
for command in COMMANDS:
    app.command()(command)
