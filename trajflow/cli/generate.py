"""`trajflow generate`: pictures as files, made in one session."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trajflow.cli.shared import ModelName, Steps, load_model, make_folder, read_tiers
from trajflow.errors import RequestError

if TYPE_CHECKING:
    from trajflow.base import Result

LONGEST_SLUG = 60


def generate(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="Prompts, made one after the other.")],
    seed: Annotated[int, typer.Option(help="Seed of the noise, shared by all prompts.")] = 0,
    steps: Steps = None,
    budget: Annotated[
        int | None, typer.Option(help="Most evaluations per picture. Default: chosen by the planner.")
    ] = None,
    fidelity: Annotated[
        float | None, typer.Option(help="PSNR in dB to reach instead of a budget. Default: 40.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="How to use what is cached.")] = "auto",
    tiers: Annotated[
        str,
        typer.Option(
            help="How far to resume: published, conservative, aggressive, learned, or own as 0.9:0.6,0.7:0.3."
        ),
    ] = "published",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("pictures"),
    compare: Annotated[bool, typer.Option("--compare", help="Also run from scratch, and say how close it is.")] = False,
    model_name: ModelName = "tiny",
) -> None:
    """Make pictures in one session, each from those before it, and print one line for each."""
    from trajflow.base import Request
    from trajflow.cache import tier_table
    from trajflow.session import Session
    from trajflow.settings import resolve_request

    wanted = read_tiers(tiers)
    tier_table(wanted)
    model = load_model(model_name)
    options: dict[str, Any] = {
        "seed": seed,
        "steps": steps,
        "budget": budget,
        "fidelity": fidelity,
        "strategy": strategy,
        "compare": compare,
    }
    for prompt in prompts:
        resolve_request(Request(prompt, **options), model.defaults)
    make_folder(out)
    session = Session(model, tiers=wanted)
    for number, prompt in enumerate(prompts, 1):
        result = session.generate(prompt, **options)
        path = out / f"{number:02d}-{_slug(prompt)}-seed{seed}.png"
        try:
            result.image.save(path)
            if result.baseline is not None:
                result.baseline.save(path.with_stem(f"{path.stem}-from-scratch"))
        except OSError as error:
            raise RequestError(f"{path} cannot be written: {error.strerror or error}. Choose another --out.") from error
        typer.echo(f"{path}: {_line(result, steps or model.defaults.steps)}")
        for warning in result.warnings:
            typer.echo(f"trajflow: {warning}", err=True)


def _slug(prompt: str) -> str:
    return re.sub(r"\W+", "-", prompt.lower())[:LONGEST_SLUG].strip("-") or "picture"


def _line(result: "Result", steps: int) -> str:
    seconds = sum(result.seconds.values())
    parts = [f"{result.cost.nfe} of {steps} evaluations", f"{seconds:.2f} s"]
    if result.forecast is not None:
        parts.append(f"{result.forecast.low_db:.0f} to {result.forecast.high_db:.0f} dB expected")
    if result.metrics is not None:
        same = "identical to" if result.metrics.identical else "against"
        parts.append(f"{result.metrics.psnr_db:.1f} dB {same} from scratch")
    return f"{', '.join(parts)}. {result.plan.reason}"
