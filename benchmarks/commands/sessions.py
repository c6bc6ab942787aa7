"""`python -m benchmarks chains | planner | refinement`: what a session does with its requests."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.rows import write_rows
from trajflow.cli.shared import ModelName, Steps, load_model, make_folder, read_budgets, read_numbers
from trajflow.errors import RequestError


def chains(
    sessions: Annotated[Path, typer.Option(help="CSV file: seed,kind,prompt; rows of one seed are one session.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "5,7",
    first: Annotated[int | None, typer.Option(min=1, help="Only so many sessions, from the top.")] = None,
    steps: Steps = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """Recorded sessions of edits, each made from those before it: fidelity, drift and evaluations of every mode."""
    from tqdm import tqdm

    from benchmarks.chains import RIVALS, WAYS, markdown_chains, measure_chains, read_chains, summarise_chains

    recorded = read_chains(sessions)[:first]
    counts = read_numbers(budgets)
    if json_file is not None:
        make_folder(json_file.parent)
    model = load_model(model_name)
    measured = measure_chains(model, recorded, budgets=counts, steps=steps)
    total = (1 + len(RIVALS)) * len(recorded) * len(counts) * len(WAYS)
    rows = summarise_chains(list(tqdm(measured, total=total, unit="session", disable=None)))
    typer.echo(markdown_chains(rows))
    asked = f"--sessions {sessions} --budgets {budgets}"
    asked += (f" --first {first}" if first else "") + (f" --steps {steps}" if steps else "")
    write_rows(json_file, f"python -m benchmarks chains {asked}", model_name, rows)


def planner(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7",
    fidelities: Annotated[str, typer.Option(help="PSNR in dB to ask for, with commas between.")] = "36,40,44",
    kinds: Annotated[str | None, typer.Option(help="Only pairs of these kinds, with commas between.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """Whether the planner keeps its word: forecasts against measurements, fidelities asked for against reached."""
    from tqdm import tqdm

    from benchmarks.planner import judge_planner, markdown, summarise
    from trajflow.learning.pairs import read_pairs

    wanted_kinds = None if kinds is None else {kind.strip() for kind in kinds.split(",")}
    requests = [pair for pair in read_pairs(pairs) if wanted_kinds is None or pair.kind in wanted_kinds]
    if not requests:
        raise RequestError(f"{pairs} has no pairs of the kinds {kinds!r}.")
    counts = [count for count in read_budgets(budgets) if count is not None]
    try:
        wanted = [float(each) for each in fidelities.split(",")]
    except ValueError as error:
        raise RequestError(f"The fidelities are {fidelities!r}. Give numbers of dB with commas between.") from error
    if json_file is not None:
        make_folder(json_file.parent)
    judged = judge_planner(load_model(model_name), requests, counts, wanted)
    total = len(requests) * (len(counts) + len(wanted))
    rows = summarise(list(tqdm(judged, total=total, unit="picture", disable=None)))
    typer.echo(markdown(rows))
    asked = f"--pairs {pairs} --budgets {budgets} --fidelities {fidelities}" + (f" --kinds {kinds}" if kinds else "")
    write_rows(json_file, f"python -m benchmarks planner {asked}", model_name, rows)


def refinement(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """How near each picture of a refined run is, from many cached runs, from one and from none."""
    from tqdm import tqdm

    from benchmarks.refinement import markdown, refine_pairs, summarise
    from trajflow.learning.pairs import read_pairs

    edits = read_pairs(pairs)
    if json_file is not None:
        make_folder(json_file.parent)
    rows = summarise(list(tqdm(refine_pairs(load_model(model_name), edits), unit="run", disable=None)))
    typer.echo(markdown(rows))
    write_rows(json_file, f"python -m benchmarks refinement --pairs {pairs}", model_name, rows)
