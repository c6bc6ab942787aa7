"""`python -m benchmarks masks`: BudCache's masks as its paper searches and uses them."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.rows import write_rows
from trajflow.cli.shared import ModelName, load_model, make_folder
from trajflow.errors import RequestError


def masks(
    budget: Annotated[int, typer.Option(min=2, help="Steps to compute.")] = 8,
    prompts: Annotated[int, typer.Option(min=1, help="Calibration prompts that a search looks at.")] = 2,
    heldout: Annotated[int, typer.Option(min=1, help="Held-out prompts that masks are judged on.")] = 8,
    iterations: Annotated[int, typer.Option(min=1, help="Of annealing on real runs.")] = 40,
    starts: Annotated[int, typer.Option(min=0, help="Random starts of the surrogate's search.")] = 5,
    only: Annotated[str, typer.Option(help="Parts to measure, commas between. Default: all.")] = "",
    masks_of: Annotated[Path | None, typer.Option(help="Another model's profile; its mask is moved here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """BudCache's masks: surrogate against real runs, random starts, a second-order solver, moved elsewhere."""
    from tqdm import tqdm

    from benchmarks.masks import PARTS, markdown, measure
    from trajflow.assets import WORLD, asset
    from trajflow.calibration import read_profile
    from trajflow.learning.calibrate import check_apart, check_counts
    from trajflow.learning.pairs import read_pairs

    parts = [part.strip() for part in only.split(",") if part.strip()] or list(PARTS)
    if strange := [part for part in parts if part not in PARTS]:
        raise RequestError(f"There is no part {strange[0]!r}. Choose from: {', '.join(PARTS)}.")
    foreign = None
    if masks_of is not None:
        profile = read_profile(masks_of)
        policy = profile.budcache(profile.steps, budget)
        if policy is None:
            raise RequestError(f"{masks_of} has no mask of {budget} steps. Choose another budget.")
        foreign = policy.mask, profile.steps
    seen, unseen = (read_pairs(asset(name)) for name in (WORLD.calibration_session, WORLD.heldout_session))
    check_apart(seen, unseen)
    searching, judging = (list(dict.fromkeys((pair.target, pair.seed) for pair in pairs)) for pairs in (seen, unseen))
    searching, judging = (each[:: max(1, len(each) // n)][:n] for each, n in ((searching, prompts), (judging, heldout)))
    if json_file is not None:
        make_folder(json_file.parent)
    model = load_model(model_name)
    check_counts([budget], model.defaults.steps)
    command = f"python -m benchmarks masks --budget {budget} --prompts {prompts} --heldout {heldout}"
    command += f" --iterations {iterations} --starts {starts}" + (f" --only {only}" if only else "")
    command += "" if masks_of is None else f" --masks-of {masks_of}"
    rows = []
    measured = measure(
        model, searching, judging, budget, parts=parts, iterations=iterations, starts=starts, foreign=foreign
    )
    for row in tqdm(measured, unit="mask", disable=None):
        rows.append(row)
        write_rows(json_file, command, model_name, rows)
    typer.echo(markdown(rows))
