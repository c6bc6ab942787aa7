"""`python -m benchmarks policies | block-caches`: what step reuse without a source is worth."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.rows import write_rows
from trajflow.cli.shared import ModelName, Steps, load_model, machine, make_folder, read_numbers
from trajflow.errors import RequestError


def policies(
    pairs: Annotated[Path, typer.Option(help="CSV file of held-out pairs, whose targets are made.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "6,8,10,14",
    steps: Steps = None,
    profile: Annotated[Path | None, typer.Option(help="Profile to take. Default: the one found by itself.")] = None,
    rivals: Annotated[Path | None, typer.Option(help="The solvers' searched steps. Default: the bundled ones.")] = None,
    learn_from: Annotated[Path | None, typer.Option(help="CSV file of calibration pairs.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many prompts, spread over the file.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here, beside other grids'.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """Runs without a source at equal evaluations: solvers, interval reuse, searched masks, priors, aligned grids."""
    from tqdm import tqdm

    from benchmarks.data import RIVALS
    from benchmarks.judge import load_judge
    from benchmarks.policies import COMPARED, Learned, measure
    from benchmarks.steps import read_rows, read_steps
    from benchmarks.verdicts import markdown, merge, summarise
    from trajflow.assets import WORLD, asset
    from trajflow.calibration import find_profile, model_digest, read_profile
    from trajflow.learning.calibrate import check_apart, check_counts
    from trajflow.learning.pairs import read_pairs

    unseen, seen = read_pairs(pairs), read_pairs(learn_from or asset(WORLD.calibration_session))
    check_apart(seen, unseen)
    asked, prompts = (list(dict.fromkeys((pair.target, pair.seed) for pair in each)) for each in (unseen, seen))
    if limit is not None:
        asked = asked[:: max(1, len(asked) // limit)][:limit]
    counts = read_numbers(budgets)
    searched_file = rivals or RIVALS
    searched_on, _ = read_rows(searched_file)
    if json_file is not None:
        make_folder(json_file.parent)
    model = load_model(model_name)
    total = steps or model.defaults.steps
    check_counts(counts, total)
    searched = read_steps(searched_file) if searched_on == total else {}
    identity = model.identity()
    known = find_profile(identity) if profile is None else read_profile(profile, model_digest(identity))
    measured = measure(model, asked, total, counts, Learned(prompts, known, searched), load_judge(), tqdm.write)
    bar = tqdm(measured, total=1 + len(COMPARED) * len(counts), unit="way", disable=None)
    rows = summarise(list(bar), total)
    if json_file is not None:
        given = (("--profile", profile), ("--rivals", rivals), ("--learn-from", learn_from), ("--limit", limit))
        command = f"python -m benchmarks policies --pairs {pairs} --budgets {budgets} --steps {total}"
        command += "".join(f" {name} {value}" for name, value in given if value is not None)
        merge(json_file, rows, command, {"model": model_name, **machine()})
    typer.echo(markdown(rows))


def block_caches(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each method, every one from another noise.")] = 5,
    steps: Annotated[int, typer.Option(min=4, help="Steps of a run.")] = 28,
    budget: Annotated[int, typer.Option(min=2, help="Steps to compute, as nearly as each method can.")] = 10,
    side: Annotated[int, typer.Option(min=1, help="Side of the picture in tokens.")] = 12,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: Annotated[
        str | None, typer.Option("--model", help="Measure on it instead, picture by picture.")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="With --model: held-out pairs, whose targets are made.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="With --model: so many prompts, spread over the file.")] = 8,
    budgets: Annotated[str, typer.Option(help="With --model: steps to compute, commas between.")] = "7,10,14",
    methods: Annotated[str, typer.Option(help="With --model: only these, semicolons between.")] = "",
) -> None:
    """Caches of diffusers and of trajflow: on a FLUX-shaped network of random weights, time and agreement only.

    With --model, which has to be a Stable Diffusion 3, on held-out prompts: dB, share of the computation, and time.
    """
    from tqdm import tqdm

    from benchmarks.block_caches import COMPARED, Size, compare_caches, markdown

    if json_file is not None:
        make_folder(json_file.parent)
    if model_name is not None:
        _caches_on(model_name, pairs, limit, steps, budgets, methods, json_file)
        return
    with tqdm(total=repeats * len(COMPARED), unit="run", disable=None) as bar:
        rows = compare_caches(Size(side=side), steps=steps, budget=budget, repeats=repeats, on_run=bar.update)
    typer.echo(markdown(rows))
    asked = f"--repeats {repeats} --steps {steps} --budget {budget} --side {side}"
    write_rows(json_file, f"python -m benchmarks block-caches {asked}", "FLUX-shaped, random weights", rows)


def _caches_on(
    name: str, pairs: Path | None, limit: int, steps: int, budgets: str, methods: str, json_file: Path | None
) -> None:
    from tqdm import tqdm

    from benchmarks.attached_caches import OURS, THEIRS, compare, markdown
    from trajflow.assets import WORLD, asset
    from trajflow.calibration import find_profile
    from trajflow.learning.calibrate import check_apart, check_counts
    from trajflow.learning.pairs import read_pairs

    known = (*THEIRS, *OURS)
    chosen = [method.strip() for method in methods.split(";") if method.strip()] or list(known)
    if strange := [method for method in chosen if method not in known]:
        raise RequestError(f"There is no method {strange[0]!r}. Choose from: {'; '.join(known)}.")
    unseen = read_pairs(pairs or asset(WORLD.heldout_session))
    seen = read_pairs(asset(WORLD.calibration_session))
    check_apart(seen, unseen)
    asked, learning = (list(dict.fromkeys((pair.target, pair.seed) for pair in each)) for each in (unseen, seen))
    asked = asked[:: max(1, len(asked) // limit)][:limit]
    counts = read_numbers(budgets)
    check_counts(counts, steps)
    model = load_model(name)
    command = f"python -m benchmarks block-caches --model {name} --limit {limit} --steps {steps} --budgets {budgets}"
    command += "" if pairs is None else f" --pairs {pairs}"
    rows = []
    with tqdm(total=len(asked) * (1 + len(counts) * len(chosen)), unit="run", disable=None) as bar:
        profile = find_profile(model.identity())
        measured = compare(model, asked, learning, counts, profile, steps=steps, methods=chosen, on_run=bar.update)
        for row in measured:
            rows.append(row)
            write_rows(json_file, command, name, rows)
    typer.echo(markdown(rows))
