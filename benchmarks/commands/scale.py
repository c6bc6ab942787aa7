"""`python -m benchmarks scale`: many replicas simulated, and two measured against their simulation."""

from dataclasses import replace
from typing import Annotated

import typer
from tabulate import tabulate

# A hundred GPUs that people come to, as docs/scale.md has them.
HUNDRED = {"replicas": 100, "seconds": 240.0, "sessions_per_second": 7.0, "before_seconds": 90.0}
CASES = {
    "as it is": {},
    "a path of 460 KB": {"path_bytes": 4.6e5},
    "10 GPUs more after two minutes": {"joining": 10},
    "half as many people": {"sessions_per_second": 3.5},
    "a quarter more people": {"sessions_per_second": 8.75},
    "1 GB at hand at each": {"warm_bytes": 1e9},
    "2 stores of 1 GB/s": {"store_servers": 2},
}
SHOWN = ("", "runs/s", "GPUs busy", "wait s", "95 %", "at home", "at hand", "read GB/s", "written GB/s", "moved")


def scale(
    measured: Annotated[bool, typer.Option("--measured", help="Also measure 1 and 2 replicas here.")] = False,
    seconds: Annotated[float, typer.Option(min=5.0, help="Seconds of each measurement.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
) -> None:
    """A hundred GPUs, simulated; with --measured also what two replicas do here, beside their simulation."""
    from benchmarks.scale.simulation import Work, simulate

    rows = []
    for name, changes in CASES.items():
        told = simulate(replace(Work(**HUNDRED, seed=seed), **changes))
        rows.append(
            (
                name,
                f"{told.runs_per_second:.1f}",
                f"{told.busy_share:.0%}",
                f"{told.wait_mean:.2f}",
                f"{told.wait_p95:.2f}",
                f"{told.at_home_share:.0%}",
                f"{told.warm_share:.0%}",
                f"{told.store_read_bytes / 1e9:.2f}",
                f"{told.store_written_bytes / 1e9:.2f}",
                f"{told.moved_share:.1%}" if "joining" in changes else "",
            )
        )
    typer.echo(tabulate(rows, SHOWN, tablefmt="pipe", disable_numparse=True))
    if not measured:
        return
    from benchmarks.scale.measurement import one_and_two

    rows = []
    for seen, told in one_and_two(seconds=seconds):
        rows.append(
            (
                str(seen.replicas),
                *(f"{seen.runs_per_second:.2f}", f"{told.runs_per_second:.2f}"),
                *(f"{seen.latency_mean:.2f}", f"{told.latency_mean:.2f}"),
                *(f"{seen.warm_share:.0%}", f"{told.warm_share:.0%}"),
            )
        )
    shown = ("replicas", "runs/s", "simulated", "seconds a run", "simulated", "at hand", "simulated")
    typer.echo("\n" + tabulate(rows, shown, tablefmt="pipe", disable_numparse=True))
