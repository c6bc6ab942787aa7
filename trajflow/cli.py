"""The command line: `trajflow ui | generate | calibrate | bench | doctor`.

Heavy libraries are imported inside the commands, so that help and usage errors answer at once.
"""

import json
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

import trajflow
from trajflow.errors import RequestError, TrajflowError

if TYPE_CHECKING:
    from trajflow.base import Model, Result

PACKAGES = (
    "torch", "diffusers", "transformers", "sentence-transformers", "numpy", "scikit-image", "gradio",
    "plotly", "typer",
)  # fmt: skip
LONGEST_SLUG = 60


class Sentences(TyperGroup):
    """Tells what went wrong in one sentence on stderr, with exit code 2 and no traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except TrajflowError as error:
            typer.echo(f"trajflow: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    add_completion=False,
    help="Tweak a prompt, pay a fraction.",
    rich_markup_mode=None,
)
bench = typer.Typer(no_args_is_help=True, help="Measure what the methods are worth.", rich_markup_mode=None)
app.add_typer(bench, name="bench")

ModelName = Annotated[str, typer.Option("--model", help='"tiny" (bundled), a diffusers folder, or a hub id.')]
Steps = Annotated[int | None, typer.Option(help="Steps of the from-scratch run. Default: the model's own.")]


@app.command()
def ui(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: this machine only.")] = None,
    port: Annotated[int | None, typer.Option(help="Port. Default: the first free one from 7860.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Serve the app in the browser."""
    from trajflow.ui import launch

    launch(_load(model), host, port)


@app.command()
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
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("pictures"),
    compare: Annotated[bool, typer.Option("--compare", help="Also run from scratch, and say how close it is.")] = False,
    model: ModelName = "tiny",
) -> None:
    """Make pictures in one session, each from those before it, and print one line for each."""
    from trajflow.base import Request
    from trajflow.session import Session
    from trajflow.settings import settle

    _make_folder(out)
    flow = _load(model)
    options: dict[str, Any] = {
        "seed": seed,
        "steps": steps,
        "budget": budget,
        "fidelity": fidelity,
        "strategy": strategy,
        "compare": compare,
    }
    for prompt in prompts:
        settle(Request(prompt, **options), flow.defaults)
    session = Session(flow)
    for number, prompt in enumerate(prompts, 1):
        result = session.generate(prompt, **options)
        path = out / f"{number:02d}-{_slug(prompt)}-seed{seed}.png"
        result.image.save(path)
        if result.baseline is not None:
            result.baseline.save(path.with_stem(f"{path.stem}-from-scratch"))
        typer.echo(f"{path}: {_line(result, steps or flow.defaults.steps)}")


@bench.command()
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
    from trajflow.bench.pairs import read_pairs
    from trajflow.bench.table import markdown, summarise, write_per_pair

    edits = read_pairs(pairs)
    counts, names = _budgets(budgets), [name.strip() for name in strategies.split(",")]
    for path in (json_file, per_pair):
        if path is not None:
            _make_folder(path.parent)
    flow = _load(model)
    measured = measure(flow, edits, strategies=names, budgets=counts, steps=steps)
    total = len(edits) * len(runs(names, counts))
    measurements = list(tqdm(measured, total=total, unit="picture", disable=None))
    rows = summarise(measurements)
    typer.echo(markdown(rows))
    if per_pair is not None:
        write_per_pair(per_pair, measurements)
    if json_file is not None:
        about = {"model": model, "pairs_file": str(pairs), "steps": steps or flow.defaults.steps, **_machine()}
        json_file.write_text(json.dumps({**about, "rows": rows}, indent=2) + "\n", encoding="utf-8")


@bench.command()
def evidence(
    out: Annotated[Path, typer.Option(help="Folder for evidence.md and evidence/.")] = Path("docs"),
    quick: Annotated[bool, typer.Option("--quick", help="Two pairs, one budget: only a trial.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes to measure in, one thread each.")] = 2,
    redraw: Annotated[bool, typer.Option("--redraw", help="Only write the page again from its rows.")] = False,
) -> None:
    """Measure what the documentation claims, on the bundled model, and write it with its figures."""
    from trajflow.bench.evidence import redraw as rewrite
    from trajflow.bench.evidence import regenerate

    _make_folder(out)
    page = rewrite(out) if redraw else regenerate(out, is_quick=quick, workers=workers)
    typer.echo(f"{page}")


@bench.command()
def rivals(
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("assets/rivals.json"),
    pairs: Annotated[Path, typer.Option(help="Calibration pairs; every few of its targets are used.")] = Path(
        "assets/pairs/calibration.csv"
    ),
    prompts: Annotated[int, typer.Option(min=1, help="How many prompts the search looks at.")] = 4,
    counts: Annotated[str, typer.Option(help="Numbers of steps to search for.")] = "3,5,7,10",
    iterations: Annotated[int, typer.Option(min=0, help="Of annealing, for each search.")] = 60,
    rounds: Annotated[int, typer.Option(min=0, help="Of hill climbing, at most.")] = 2,
    steps: Steps = None,
    model: ModelName = "tiny",
) -> None:
    """Search the best steps for the from-scratch solvers, on calibration prompts, and store them for the evidence."""
    from tqdm import tqdm

    from trajflow.bench.pairs import read_pairs
    from trajflow.bench.steps import SOLVERS, search_steps, write_steps

    chosen = read_pairs(pairs)
    chosen = chosen[:: max(1, len(chosen) // prompts)][:prompts]
    numbers = [count for count in _budgets(counts) if count is not None]
    _make_folder(out.parent)
    flow = _load(model)
    total = steps or flow.defaults.steps
    search = search_steps(flow, chosen, counts=numbers, steps=total, iterations=iterations, rounds=rounds)
    command = f"trajflow bench rivals --prompts {prompts} --iterations {iterations} --rounds {rounds}"
    about: dict[str, Any] = {"command": command, "model": model, "steps": total, "pairs_file": str(pairs)}
    about["prompts"] = [pair.target for pair in chosen]
    found = []
    for each in tqdm(search, total=len(SOLVERS) * len(numbers), unit="search", disable=None):
        found.append(each)
        write_steps(out, found, about)
    typer.echo(f"{out}: {len(found)} searches")


@bench.command()
def chains(
    sessions: Annotated[Path, typer.Option(help="CSV file: seed,kind,prompt; rows of one seed are one session.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "5,7",
    first: Annotated[int | None, typer.Option(min=1, help="Only so many sessions, from the top.")] = None,
    steps: Steps = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Recorded sessions of edits, each made from those before it: fidelity, drift and evaluations of every mode."""
    from tqdm import tqdm

    from trajflow.bench.chains import WAYS, markdown_chains, measure_chains, read_chains, summarise_chains

    recorded = read_chains(sessions)[:first]
    counts = [count for count in _budgets(budgets) if count is not None]
    if len(counts) < budgets.count(",") + 1:
        raise RequestError(f"The budgets are {budgets!r}. Give whole numbers with commas between.")
    if json_file is not None:
        _make_folder(json_file.parent)
    flow = _load(model)
    measured = measure_chains(flow, recorded, budgets=counts, steps=steps)
    total = 2 * len(recorded) * len(counts) * len(WAYS)
    rows = summarise_chains(list(tqdm(measured, total=total, unit="session", disable=None)))
    typer.echo(markdown_chains(rows))
    asked = f"--sessions {sessions} --budgets {budgets}"
    asked += (f" --first {first}" if first else "") + (f" --steps {steps}" if steps else "")
    _write_rows(json_file, f"trajflow bench chains {asked}", model, rows)


@bench.command()
def planner(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7",
    fidelities: Annotated[str, typer.Option(help="PSNR in dB to ask for, with commas between.")] = "36,40,44",
    kinds: Annotated[str | None, typer.Option(help="Only pairs of these kinds, with commas between.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Whether the planner keeps its word: forecasts against measurements, fidelities asked for against reached."""
    from tqdm import tqdm

    from trajflow.bench.pairs import read_pairs
    from trajflow.bench.planner import judge_planner, markdown, summarise

    wanted_kinds = None if kinds is None else {kind.strip() for kind in kinds.split(",")}
    requests = [pair for pair in read_pairs(pairs) if wanted_kinds is None or pair.kind in wanted_kinds]
    if not requests:
        raise RequestError(f"{pairs} has no pairs of the kinds {kinds!r}.")
    counts = [count for count in _budgets(budgets) if count is not None]
    try:
        wanted = [float(each) for each in fidelities.split(",")]
    except ValueError as error:
        raise RequestError(f"The fidelities are {fidelities!r}. Give numbers of dB with commas between.") from error
    if json_file is not None:
        _make_folder(json_file.parent)
    judged = judge_planner(_load(model), requests, counts, wanted)
    total = len(requests) * (len(counts) + len(wanted))
    rows = summarise(list(tqdm(judged, total=total, unit="picture", disable=None)))
    typer.echo(markdown(rows))
    asked = f"--pairs {pairs} --budgets {budgets} --fidelities {fidelities}" + (f" --kinds {kinds}" if kinds else "")
    _write_rows(json_file, f"trajflow bench planner {asked}", model, rows)


@bench.command()
def ablation(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    budgets: Annotated[str, typer.Option(help="Numbers with commas between.")] = "3,5,7,10",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """What each ingredient of transport is worth, on edits of one attribute."""
    from tqdm import tqdm

    from trajflow.bench.ablation import ablate, markdown, summarise, variants
    from trajflow.bench.pairs import read_pairs
    from trajflow.calibration import Profile

    edits = [pair for pair in read_pairs(pairs) if pair.kind not in ("paraphrase", "praise")]
    counts = [count for count in _budgets(budgets) if count is not None]
    if json_file is not None:
        _make_folder(json_file.parent)
    flow = _load(model)
    total = len(edits) * len(counts) * len(variants(Profile(), flow.defaults.steps, 3))
    rows = summarise(list(tqdm(ablate(flow, edits, counts), total=total, unit="picture", disable=None)))
    typer.echo(markdown(rows))
    _write_rows(json_file, f"trajflow bench ablation --pairs {pairs} --budgets {budgets}", model, rows)


@bench.command()
def refinement(
    pairs: Annotated[Path, typer.Option(help="CSV file: kind,source,target,seed,history.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
    model: ModelName = "tiny",
) -> None:
    """How near each picture of a refined run is, from many cached runs, from one and from none."""
    from tqdm import tqdm

    from trajflow.bench.pairs import read_pairs
    from trajflow.bench.refinement import markdown, refine_pairs, summarise

    edits = read_pairs(pairs)
    if json_file is not None:
        _make_folder(json_file.parent)
    rows = summarise(list(tqdm(refine_pairs(_load(model), edits), unit="run", disable=None)))
    typer.echo(markdown(rows))
    _write_rows(json_file, f"trajflow bench refinement --pairs {pairs}", model, rows)


def _write_rows(path: Path | None, command: str, model: str, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON with the command that makes them and the machine that made them."""
    if path is not None:
        about = {"command": command, "model": model, **_machine()}
        path.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


@app.command()
def calibrate(
    budgets: Annotated[str, typer.Option(help="Numbers of evaluations to prepare, with commas.")] = "3,4,5,6,7,8,10,14",
    placing: Annotated[Path | None, typer.Option(help="CSV of pairs to place evaluations on.")] = None,
    forecasting: Annotated[Path | None, typer.Option(help="CSV of other pairs to learn forecasts on.")] = None,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: where trajflow finds it by itself.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Learn where to evaluate on a model and what fidelity to expect; kept as the model's profile."""
    from trajflow.assets import asset
    from trajflow.bench.calibrate import calibrate as learn
    from trajflow.bench.pairs import read_pairs
    from trajflow.calibration import profile_folder, write_profile

    counts = sorted({count for count in _budgets(budgets) if count is not None})
    if None in _budgets(budgets):
        raise RequestError(f"The budgets are {budgets!r}. Give whole numbers with commas between.")
    _make_folder(out.parent if out else profile_folder())
    prompts = ("calibration_session.csv", "requests_calibration.csv")
    if model != "tiny":
        prompts = ("general_placing.csv", "general_forecasting.csv")
    place_on, forecast_on = (
        read_pairs(given or asset("pairs") / default)
        for given, default in zip((placing, forecasting), prompts, strict=True)
    )
    profile = learn(_load(model), place_on, forecast_on, counts, steps=steps, seed=seed, report=_bars)
    path = out or profile_folder() / f"{profile.model}.json"
    write_profile(path, profile)
    typer.echo(
        f"{path}: {len(counts)} budgets on {profile.steps} steps, {profile.made['sets_tried']} sets of nodes tried"
    )


@contextmanager
def _bars(what: str, total: int) -> Iterator[Callable[[], object]]:
    """A progress bar for one stage of a long command."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, disable=None) as bar:
        yield bar.update


@app.command()
def doctor() -> None:
    """Check packages, device, bundled model and sentence encoder. Exit code 1 when something is broken."""
    typer.echo(f"trajflow {trajflow.__version__}")
    checks: list[tuple[str, Callable[[], str]]] = [(name, partial(version, name)) for name in PACKAGES]
    checks += [("faiss", _check_faiss), ("device", _check_device), ("model", _check_model), ("encoder", _check_encoder)]
    healthy = [_report(name, check) for name, check in checks]
    raise typer.Exit(0 if all(healthy) else 1)


def _report(name: str, check: Callable[[], str]) -> bool:
    """Print what a check found; whether it found all well."""
    try:
        found, is_well = check(), True
    # Whatever a broken installation raises is what the user came to see.
    except Exception as error:
        found, is_well = f"{type(error).__name__}: {error}", False
    typer.echo(f"{'ok  ' if is_well else 'FAIL'} {name:<22}{found}")
    return is_well


def _check_faiss() -> str:
    import faiss

    return str(faiss.__version__)


def _check_device() -> str:
    return "{device}, {threads} threads, Python {python}".format(**_machine())


def _check_model() -> str:
    from trajflow.models.registry import bundled_folder
    from trajflow.session import Session

    result = Session(_load("tiny")).generate("a mountain", steps=2, strategy="baseline")
    return f"{bundled_folder()}, {result.image.width} x {result.image.height} pixels, {result.cost.nfe} steps run"


def _check_encoder() -> str:
    from trajflow.cache import SentenceEncoder

    vector = SentenceEncoder().encode("a mountain")
    return f"all-MiniLM-L6-v2, {len(vector)} numbers a prompt, loaded offline"


def _machine() -> dict[str, Any]:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})"
    return {
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _load(model: str) -> "Model":
    """The model, loaded without the bars and notices that the libraries print meanwhile."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    from diffusers.utils import logging as diffusers_logging

    from trajflow.models.registry import load

    diffusers_logging.disable_progress_bar()
    return load(model)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"The folder {folder} cannot be made: {error.strerror}. Choose another.") from error


def _budgets(text: str) -> list[int | None]:
    words = [word.strip() for word in text.split(",")]
    if not all(word == "auto" or word.isdecimal() for word in words):
        raise RequestError(f"The budgets are {text!r}. Give whole numbers or the word auto, with commas between.")
    return [None if word == "auto" else int(word) for word in words]


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


def main() -> None:
    """The console entry point."""
    app()


if __name__ == "__main__":
    main()
