"""`trajflow bench frontier | ablation`: strategies, and the ingredients of transport, on pairs of prompts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from trajflow.cli.bench.rows import write_rows
from trajflow.cli.shared import ModelName, Steps, load_model, machine, make_folder, read_budgets


def frontier(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers, or the word auto, with commas between.")] = "3,5,7,10",
    strategies: Annotated[str, typer.Option(help="Names with commas between.")] = "resume,fewer-steps,difference,basis",
    steps: Steps = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    per_pair: Annotated[Path | None, typer.Option(help="Write one CSV line for each target here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Fidelity against evaluations: each strategy at each budget on each pair, as a table."""
    from tqdm import tqdm

    from trajflow.bench.frontier import measure, runs
    from trajflow.bench.table import markdown, summarise, write_per_pair
    from trajflow.learning.pairs import read_pairs

    edits = read_pairs(pairs)
    counts, names = read_budgets(budgets), [name.strip() for name in strategies.split(",")]
    for path in (json_file, per_pair):
        if path is not None:
            make_folder(path.parent)
    flow = load_model(model)
    measured = measure(flow, edits, strategies=names, budgets=counts, steps=steps)
    total = len(edits) * len(runs(names, counts))
    measurements = list(tqdm(measured, total=total, unit="picture", disable=None))
    rows = summarise(measurements)
    typer.echo(markdown(rows))
    if per_pair is not None:
        write_per_pair(per_pair, measurements)
    if json_file is not None:
        about = {"model": model, "pairs_file": str(pairs), "steps": steps or flow.defaults.steps, **machine()}
        json_file.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def ablation(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7,10",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """What each ingredient of transport is worth, on edits of one attribute."""
    from tqdm import tqdm

    from trajflow.bench.ablation import ablate, markdown, summarise, variants
    from trajflow.calibration import Profile
    from trajflow.learning.pairs import read_pairs

    edits = [pair for pair in read_pairs(pairs) if pair.kind not in ("paraphrase", "praise")]
    counts = [count for count in read_budgets(budgets) if count is not None]
    if json_file is not None:
        make_folder(json_file.parent)
    flow = load_model(model)
    total = len(edits) * len(counts) * len(variants(Profile(), flow.defaults.steps, 3))
    rows = summarise(list(tqdm(ablate(flow, edits, counts), total=total, unit="picture", disable=None)))
    typer.echo(markdown(rows))
    write_rows(json_file, f"trajflow bench ablation --pairs {pairs} --budgets {budgets}", model, rows)
