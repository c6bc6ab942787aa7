"""`trajflow bench frontier`: strategies on pairs of prompts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from trajflow.cli.shared import ModelName, Steps, load_model, machine, make_folder, read_budgets


def frontier(
    pairs: Annotated[
        Path | None, typer.Option(help="CSV file: kind,source,target,seed,history. Default: 48 pairs that come along.")
    ] = None,
    budgets: Annotated[str, typer.Option(help="Numbers, or the word auto, with commas between.")] = "3,5,7,10",
    strategies: Annotated[str, typer.Option(help="Names with commas between.")] = "resume,fewer-steps,difference,basis",
    steps: Steps = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    per_pair: Annotated[Path | None, typer.Option(help="Write one CSV line for each target here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """Fidelity against evaluations: each strategy at each budget on each pair, as a table."""
    from tqdm import tqdm

    from trajflow.assets import WORLD, asset
    from trajflow.bench.frontier import measure, runs
    from trajflow.bench.table import markdown, summarise, write_per_pair
    from trajflow.learning.pairs import read_pairs

    chosen = pairs or asset(WORLD.heldout)
    edits = read_pairs(chosen)
    counts, names = read_budgets(budgets), [name.strip() for name in strategies.split(",")]
    model = load_model(model_name)
    measured = measure(model, edits, strategies=names, budgets=counts, steps=steps)
    for path in (json_file, per_pair):
        if path is not None:
            make_folder(path.parent)
    total = len(edits) * len(runs(names, counts))
    measurements = list(tqdm(measured, total=total, unit="picture", disable=None))
    rows = summarise(measurements)
    typer.echo(markdown(rows))
    if per_pair is not None:
        write_per_pair(per_pair, measurements)
    if json_file is not None:
        about = {"model": model_name, "pairs_file": str(chosen), "steps": steps or model.defaults.steps, **machine()}
        json_file.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n", encoding="utf-8")
