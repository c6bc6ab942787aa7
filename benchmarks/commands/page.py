"""`python -m benchmarks evidence | rivals`: the page of measurements, and the searched rivals it compares with."""

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.data import RIVALS
from trajflow.assets import WORLD
from trajflow.cli.shared import ModelName, Steps, load_model, make_folder, read_budgets

CHECKOUT = Path(__file__).parents[2]


def evidence(
    out: Annotated[Path, typer.Option(help="Folder for evidence.md and evidence/.")] = CHECKOUT / "docs",
    quick: Annotated[bool, typer.Option("--quick", help="Two pairs, one budget: only a trial.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes to measure in, one thread each.")] = 2,
    only: Annotated[str, typer.Option(help="Parts to measure, commas between.")] = "",
    methods: Annotated[str, typer.Option(help="Of the contest only these; other rows stay.")] = "",
    redraw: Annotated[bool, typer.Option("--redraw", help="Only write the page again from its rows.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Only say what the parts are and what they cost.")] = False,
) -> None:
    """Measure what the documentation claims, on the bundled model, and write it with its figures.

    A run that is stopped goes on where it was when the same is asked again.
    """
    from benchmarks.evidence import describe, regenerate
    from benchmarks.evidence import redraw as rewrite

    if listed:
        typer.echo(describe())
        return
    chosen, named = ([name.strip() for name in text.split(",") if name.strip()] for text in (only, methods))
    page = rewrite(out) if redraw else regenerate(out, is_quick=quick, workers=workers, only=chosen, methods=named)
    typer.echo(f"{page}")


def rivals(
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = RIVALS,
    pairs: Annotated[Path, typer.Option(help="Calibration pairs; every few of its targets are used.")] = (
        Path("assets") / WORLD.calibration
    ),
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts the search looks at.")] = 4,
    counts: Annotated[str, typer.Option(help="Numbers of steps to search for.")] = "3,5,7,10",
    iterations: Annotated[int, typer.Option(min=0, help="Of annealing, for each search.")] = 60,
    rounds: Annotated[int, typer.Option(min=0, help="Of hill climbing, at most.")] = 2,
    known: Annotated[
        Path | None, typer.Option(help="A file of searched steps to start from; what is not searched anew stays.")
    ] = None,
    steps: Steps = None,
    model_name: ModelName = "tiny",
) -> None:
    """Search the best steps for the from-scratch solvers, on calibration prompts, and store them for the evidence."""
    from tqdm import tqdm

    from benchmarks.steps import SOLVERS, read_rows, read_steps, search_steps, write_steps
    from trajflow.learning.pairs import read_pairs

    chosen = read_pairs(pairs)
    chosen = chosen[:: max(1, len(chosen) // prompts)][:prompts]
    numbers = [count for count in read_budgets(counts) if count is not None]
    make_folder(out.parent)
    model = load_model(model_name)
    total = steps or model.defaults.steps
    known_steps, rows = (0, []) if known is None else read_rows(known)
    search = search_steps(
        model,
        chosen,
        counts=numbers,
        steps=total,
        iterations=iterations,
        rounds=rounds,
        known=None if known is None else read_steps(known),
        known_steps=known_steps,
    )
    command = f"python -m benchmarks rivals --prompts {prompts} --iterations {iterations} --rounds {rounds}"
    command += f" --counts {counts}" + ("" if known is None else f" --known {known}")
    command += "" if steps is None else f" --steps {steps}"
    about: dict[str, Any] = {"command": command, "model": model_name, "steps": total, "pairs_file": str(pairs)}
    about["prompts"] = [pair.target for pair in chosen]
    found = []
    for each in tqdm(search, total=len(SOLVERS) * len(numbers), unit="search", disable=None):
        found.append(each)
        write_steps(out, found, about, rows if known_steps == total else ())
    typer.echo(f"{out}: {len(found)} searches")
