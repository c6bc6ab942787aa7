"""`trajflow bench`: what the methods are worth."""

import typer

from trajflow.cli.bench.gpu import gpu
from trajflow.cli.bench.methods import ablation, frontier
from trajflow.cli.bench.page import evidence, rivals
from trajflow.cli.bench.policies import block_caches, policies
from trajflow.cli.bench.sessions import chains, planner, refinement

group = typer.Typer(no_args_is_help=True, help="Measure what the methods are worth.", rich_markup_mode=None)
for command in (frontier, evidence, rivals, chains, planner, ablation, refinement, policies, block_caches, gpu):
    group.command()(command)
