"""`python -m benchmarks ablation`: the ingredients of transport, on pairs of prompts."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.rows import write_rows
from trajflow.cli.shared import ModelName, load_model, make_folder, read_budgets


def ablation(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7,10",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """What each ingredient of transport is worth, on edits of one attribute."""
    from tqdm import tqdm

    from benchmarks.ablation import ablate, markdown, summarise, variants
    from trajflow.assets import WORLD
    from trajflow.calibration import Profile
    from trajflow.learning.pairs import read_pairs

    edits = [pair for pair in read_pairs(pairs) if pair.is_of_prompts and pair.kind not in WORLD.light]
    counts = [count for count in read_budgets(budgets) if count is not None]
    if json_file is not None:
        make_folder(json_file.parent)
    model = load_model(model_name)
    total = len(edits) * len(counts) * len(variants(Profile(), model.defaults.steps, 3))
    rows = summarise(list(tqdm(ablate(model, edits, counts), total=total, unit="picture", disable=None)))
    typer.echo(markdown(rows))
    write_rows(json_file, f"python -m benchmarks ablation --pairs {pairs} --budgets {budgets}", model_name, rows)
