"""`trajflow bench faults`: what is stopped, killed, damaged or out of memory."""

from trajflow.cli.bench.reporting import Only, Out, Quick, read_parts, report
from trajflow.cli.shared import ModelName, load_model
from trajflow.extras import require


def faults(only: Only = None, quick: Quick = False, out: Out = None, model: ModelName = "tiny") -> None:
    """Runs stopped and killed, files damaged, memory full, NaN, slow disks, clocks: nothing else is harmed."""
    from trajflow.bench.faults import PARTS, QUICK, Size, measure

    parts = read_parts(only, tuple(PARTS))
    if "hang-ups" in parts:
        require("ui", "The app that is measured")
    report(measure(load_model(model), model, QUICK if quick else Size(), parts), out)
