"""`trajflow bench load`: many people at once."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from trajflow.cli.bench.reporting import Only, Out, Quick, read_parts, report
from trajflow.cli.shared import ModelName, load_model
from trajflow.extras import require


class Target(StrEnum):
    """What is measured."""

    app = "app"
    library = "library"


def load(
    people: Annotated[int | None, typer.Option(min=2, help="People in the closed loop. Default: 50, quick 6.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Of each phase. Default: 60, quick 6.")] = None,
    on: Annotated[Target, typer.Option(help="The served app, or sessions in one process.")] = Target.app,
    only: Only = None,
    quick: Quick = False,
    out: Out = None,
    model: ModelName = "tiny",
) -> None:
    """Throughput and fairness for many people, memory over time, a full queue, and whose pictures are whose."""
    require("bench", "This benchmark")
    if on is Target.app:
        require("ui", "The app that is measured")
    from trajflow.bench.load.measure import PARTS, QUICK, Size, measure_app, measure_library

    parts, size = read_parts(only, PARTS), QUICK if quick else Size()
    size = replace(size, people=people or size.people, seconds=seconds or size.seconds)
    if on is Target.app:
        report(measure_app(model, size, parts), out)
    else:
        report(measure_library(load_model(model), size, parts), out)
