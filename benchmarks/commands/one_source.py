"""`python -m benchmarks one-source`: one cached run against the learned solver."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from trajflow.assets import WORLD, asset


def one_source(
    pairs: Annotated[Path | None, typer.Option(help="CSV of pairs. Default: the held-out ones.")] = None,
    counts: Annotated[str, typer.Option(help="Numbers of evaluations.")] = "3,4,5,7,10",
    kinds: Annotated[str, typer.Option(help="Kinds of pairs to measure.")] = ",".join(WORLD.edits),
    limit: Annotated[int | None, typer.Option(min=1, help="So many pairs at most.")] = None,
    ahead: Annotated[bool, typer.Option("--ahead", help="Also from two pictures made ahead.")] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file for one line a target.")] = None,
    model_name: Annotated[str, typer.Option("--model", help="A model that `trajflow.load` knows.")] = "tiny",
) -> None:
    """Carry one cached run over to each target and set it beside the learned solver, at equal evaluations."""
    from benchmarks.one_source import measure, table
    from trajflow.bench.markdown import table as markdown
    from trajflow.calibration import find_profile
    from trajflow.cli.shared import load_model, make_folder, read_numbers
    from trajflow.learning.pairs import read_pairs

    wanted = kinds.split(",")
    every = read_pairs(pairs or asset(WORLD.heldout))
    chosen = [pair for pair in every if pair.is_of_prompts and pair.kind in wanted][:limit]
    model = load_model(model_name)
    rows = list(measure(model, chosen, read_numbers(counts), find_profile(model.identity()), is_ahead=ahead))
    typer.echo(markdown(["evaluations", "rows", "method", "dB, median / worst tenth", "gain"], table(rows)))
    if out is not None:
        make_folder(out.parent)
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("method", "evaluations", "rows", "kind", "source", "target", "seed", "psnr_db"))
            for row in rows:
                about = (row.pair.kind, row.pair.source, row.pair.target, row.pair.seed)
                writer.writerow((row.method, row.evaluations, row.rows, *about, round(row.psnr_db, 3)))
