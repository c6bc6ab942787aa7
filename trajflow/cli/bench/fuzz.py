"""`trajflow bench fuzz`: what nobody would ask for."""

from trajflow.cli.bench.reporting import Only, Out, Quick, read_parts, report
from trajflow.cli.shared import ModelName, load_model
from trajflow.extras import require


def fuzz(only: Only = None, quick: Quick = False, out: Out = None, model: ModelName = "tiny") -> None:
    """Bad requests by hand and made up, a cache between two threads, scripts in every text: nothing gives way."""
    require("bench", "This benchmark")
    require("ui", "The app that is tried")
    from trajflow.bench.fuzz.measure import PARTS, QUICK, Size, measure

    parts = read_parts(only, tuple(PARTS))
    report(measure(load_model(model), model, QUICK if quick else Size(), parts), out)
