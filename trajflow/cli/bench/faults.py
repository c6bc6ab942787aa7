"""`trajflow bench faults`: what is stopped, killed, damaged or out of memory."""

import typer

from trajflow.cli.bench.reporting import Only, Out, Quick, read_parts, report
from trajflow.cli.shared import ModelName, load_model
from trajflow.extras import missing, require


def faults(only: Only = None, quick: Quick = False, out: Out = None, model: ModelName = "tiny") -> None:
    """Runs, replicas and stores killed, files damaged, memory full, NaN, slow disks, clocks: nothing else is harmed.

    Without the packages of an extra its parts are left out, unless they are named.
    """
    require("bench", "This benchmark")
    from trajflow.bench.faults.measure import NEEDS, PARTS, QUICK, Size, measure

    parts = read_parts(only, tuple(PARTS))
    absent = {part: extra for part in parts for extra in NEEDS.get(part, ()) if missing(extra)}
    if only is None:
        parts = tuple(part for part in parts if part not in absent)
        for part, extra in absent.items():
            typer.echo(f'{part} is left out: pip install "trajflow[{extra}]"', err=True)
    for part, extra in absent.items():
        if part in parts:
            require(extra, f"The part {part}")
    report(measure(load_model(model), model, QUICK if quick else Size(), parts), out)
