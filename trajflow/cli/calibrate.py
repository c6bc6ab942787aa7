"""`trajflow calibrate`: what is learned of a model once, kept as its profile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import trajflow
from trajflow.cli.shared import ModelName, Steps, load_model, make_folder, read_numbers
from trajflow.errors import RequestError
from trajflow.extras import require

if TYPE_CHECKING:
    from trajflow.base import Model
    from trajflow.calibration import Profile


def calibrate(
    budgets: Annotated[str, typer.Option(help="Budgets to prepare for runs without a source; empty for none.")] = (
        "3,4,5,6,7,8,10,14"
    ),
    nodes: Annotated[str, typer.Option(help="Evaluations to prepare for runs with sources; empty for none.")] = (
        "3,4,5,6,7,8,10,14"
    ),
    placing: Annotated[Path | None, typer.Option(help="CSV of pairs to learn from.")] = None,
    forecasting: Annotated[Path | None, typer.Option(help="CSV of other pairs to learn forecasts on.")] = None,
    strategies: Annotated[
        str, typer.Option(help="What --budgets learns: of budcache, aligned, solver, tcc; the others stay.")
    ] = "budcache,aligned,solver,tcc",
    full: Annotated[bool, typer.Option("--full", help="Search masks by annealing on real runs: hours.")] = False,
    guidance: Annotated[
        bool, typer.Option(help="Measure what forecasts are off by at other guidance than the model's own.")
    ] = True,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: where trajflow finds it by itself.")] = None,
    model_name: ModelName = "tiny",
) -> None:
    """Learn what to compute on a model and what fidelity to expect; kept as its profile, beside what it held before."""
    from trajflow.assets import WORLD, asset
    from trajflow.calibration import profile_folder, write_profile
    from trajflow.learning.calibrate import calibrate as learn
    from trajflow.learning.calibrate import check_counts
    from trajflow.learning.guidance import measure_guidance
    from trajflow.learning.masks import Memo
    from trajflow.learning.pairs import read_pairs
    from trajflow.learning.without_sources import calibrate_alone, check_strategies

    alone, counts = (sorted(set(read_numbers(text))) if text.strip() else [] for text in (budgets, nodes))
    if not alone and not counts and not guidance:
        raise RequestError("There is nothing to learn: give --budgets, --nodes or --guidance.")
    if counts:
        require("calibrate", "Learning what to expect")
    ways = tuple(name.strip() for name in strategies.split(","))
    check_strategies(ways)
    make_folder(out.parent if out else profile_folder())
    prompts = (WORLD.calibration_session, WORLD.requests_calibration)
    if model_name != "tiny":
        prompts = ("pairs/general_placing.csv", "pairs/general_forecasting.csv")
    learn_from, forecast_on = (
        read_pairs(given or asset(default)) for given, default in zip((placing, forecasting), prompts, strict=True)
    )
    model = load_model(model_name)
    total = model.defaults.steps if steps is None else steps
    for each in filter(None, (alone, counts)):
        check_counts(each, total)
    path, profile = _begun(model, out, total)
    if counts:
        learned = learn(model, learn_from, forecast_on, counts, steps=steps, seed=seed, profile=profile, report=_bars)
        made = {**profile.made, **learned.made}
        profile = replace(
            profile,
            single={**profile.single, **learned.single},
            several={**profile.several, **learned.several},
            made=made,
        )
        write_profile(path, profile)
        typer.echo(f"{path}: {len(counts)} placements, {profile.made['sets_tried']} sets of nodes tried")
    if alone:
        memo = path.with_suffix(".losses.jsonl")
        judged = ran = 0
        for budget, caching, tried in calibrate_alone(
            model,
            learn_from,
            forecast_on,
            alone,
            steps=profile.steps,
            strategies=ways,
            seed=seed,
            is_full=full,
            memo=Memo(memo),
            report=_bars,
        ):
            held = profile.without_sources.get(budget, caching)
            caching = replace(
                caching,
                policies={**held.policies, **caching.policies},
                forecasts={**held.forecasts, **caching.forecasts},
            )
            judged, ran = judged + tried.judged, ran + tried.run
            seconds = profile.made.get("seconds", {})
            made = {
                **profile.made,
                "trajflow": trajflow.__version__,
                "masks_judged": judged,
                "masks_run": ran,
                "seconds": {**seconds, str(budget): {**seconds.get(str(budget), {}), **tried.seconds}},
            }
            profile = replace(profile, without_sources={**profile.without_sources, budget: caching}, made=made)
            write_profile(path, profile)
            took = ", ".join(f"{name} {each:.0f} s" for name, each in tried.seconds.items())
            typer.echo(f"{budget} of {profile.steps}: {tried.judged} masks judged, {tried.run} run; {took}")
        memo.unlink(missing_ok=True)
        typer.echo(f"{path}: {len(alone)} budgets, {judged} masks judged, {ran} of them run")
    if guidance:
        shifts = measure_guidance(model, forecast_on, profile, report=_bars)
        profile = replace(profile, guidance=model.defaults.guidance, shifts=shifts)
        write_profile(path, profile)
        typer.echo(f"{path}: what forecasts are off by at {len(shifts)} values of guidance")


def _begun(model: "Model", out: Path | None, steps: int) -> tuple[Path, "Profile"]:
    """The file to write, and the profile to go on from: what it holds, or what is found for the model by itself.

    Raises CacheError where that is another model's, RequestError where it is of another number of steps: neither is
    overwritten.
    """
    from trajflow.calibration import Profile, find_profile, model_digest, profile_folder, read_profile

    digest = model_digest(model.identity())
    path, new = out or profile_folder() / f"{digest}.json", Profile(digest, steps)
    held = new
    if path.exists():
        held = read_profile(path, digest)
    elif out is None:
        held = find_profile(model.identity())
    is_empty = not (held.single or held.several or held.without_sources)
    if held.steps != steps and not is_empty:
        raise RequestError(
            f"What is known of this model was learned for {held.steps} steps. Give --out a file for {steps} steps."
        )
    return path, new if is_empty else held


@contextmanager
def _bars(what: str, total: int) -> Iterator[Callable[[], object]]:
    """A progress bar for one stage of a long command."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, disable=None) as bar:
        yield bar.update
