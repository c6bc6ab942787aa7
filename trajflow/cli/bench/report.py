"""`trajflow bench report`: a short report on a model of one's own, to keep or to send."""

import json
from pathlib import Path
from typing import Annotated

import typer

from trajflow.cli.shared import ModelName, Steps, load_model, machine, make_folder, read_numbers


def report(
    out: Annotated[Path, typer.Option(help="Folder for report.md and report.json.")],
    pairs: Annotated[
        Path | None, typer.Option(help="CSV file: kind,source,target,seed,history. Default: pairs that come along.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Only so many pairs, spread over the file.")] = 8,
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7,10",
    judge: Annotated[str | None, typer.Option(help="module:function of a picture and its prompt, for a score.")] = None,
    steps: Steps = None,
    model_name: ModelName = "tiny",
) -> None:
    """What the methods are worth on a model: fidelity, overheads, scores, the velocities' difference, the floor."""
    from trajflow.assets import WORLD, asset
    from trajflow.bench.report import markdown
    from trajflow.bench.report import report as measure
    from trajflow.bench.scores import find_scores
    from trajflow.learning.pairs import read_pairs

    counts = read_numbers(budgets)
    scores, absent = find_scores(judge)
    default = WORLD.heldout if model_name == "tiny" else "pairs/general_forecasting.csv"
    chosen = [pair for pair in read_pairs(pairs or asset(default)) if pair.is_of_prompts]
    chosen = chosen[:: max(1, len(chosen) // limit)][:limit]
    make_folder(out)
    found = measure(load_model(model_name), chosen, budgets=counts, steps=steps, scores=scores, absent=absent)
    found = {**found, "model": model_name, **machine()}
    (out / "report.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = markdown(found)
    (out / "report.md").write_text(text, encoding="utf-8")
    typer.echo(text)
