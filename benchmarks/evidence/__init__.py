"""The evidence: measure what the page claims on held-out pairs, store the rows, write the page and its figures."""

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks import figures
from benchmarks.evidence import contest
from benchmarks.evidence.bench import FULL, QUICK, choose_pairs
from benchmarks.evidence.journal import Journal
from benchmarks.evidence.parts import NAMES, PARTS, Setting, named
from benchmarks.evidence.report import FOLDER, absent, render, store, tell
from benchmarks.evidence.work import load_bench, measure, tasks_of
from benchmarks.steps import read_steps
from trajflow.calibration import find_profile, model_digest
from trajflow.cli.shared import make_folder
from trajflow.errors import RequestError

__all__ = ["describe", "redraw", "regenerate"]
JOURNAL = "progress.jsonl"


def regenerate(
    out: Path, *, is_quick: bool, workers: int, only: Sequence[str] = (), methods: Sequence[str] = ()
) -> Path:
    """Measure the parts (`only` some, else all), store their rows in `out/evidence` and write `out/evidence.md`.

    methods: of the contest, only these are measured, and take the place of their rows; the others stay. workers:
    processes, one thread each; the rows do not depend on it. What a stopped run had measured is gone on with. Raises
    RequestError for parts and methods that are not there, and when no browser can draw the figures, before anything is
    made.
    """
    compared = [*contest.names(read_steps()), "baseline"]
    for what, asked, known in (("parts", only, NAMES), ("methods", methods, compared)):
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise RequestError(f"There are no {what} {', '.join(unknown)}. Choose of {', '.join(known)}.")
    figures.find_browser()
    folder = out / FOLDER
    make_folder(folder)
    scale = QUICK if is_quick else FULL
    setting = Setting(scale, choose_pairs(scale), folder, is_quick, frozenset(methods))
    parts = [name for name in NAMES if not only or name in only]
    model = load_bench(scale.side).model
    digest = model_digest(model.identity())
    made_of = hashlib.sha256(repr((digest, find_profile(model.identity()).made, scale, sorted(methods))).encode())
    journal = Journal(folder / JOURNAL, made_of.hexdigest())
    tasks = tasks_of(parts, setting)
    waiting = [task for task in tasks if task not in journal]
    with tqdm(total=len(tasks), initial=len(tasks) - len(waiting), unit="unit", disable=None) as bar:
        for (name, unit), tables, seconds in measure(waiting, setting, workers):
            journal.add(name, unit, tables, seconds)
            bar.update()
            if all((name, each) in journal for each in named(name).units(setting)):
                store(folder, journal.tables(name), setting.methods)
                tell(folder, _about(setting), {name: _of_part(name, journal, methods)})
    for name in parts:
        # A part that an interrupted run had finished is stored already, unless it was interrupted in between.
        store(folder, journal.tables(name), setting.methods)
    tell(folder, _about(setting), {name: _of_part(name, journal, methods) for name in parts})
    journal.close()
    missing = absent(folder)
    if missing:
        raise RequestError(
            f"{', '.join(parts)}: stored in {folder}. The page needs {', '.join(missing)} too; leave --only away."
        )
    return render(out)


def redraw(out: Path) -> Path:
    """Write the page and its figures again from the rows in `out/evidence`; returns the page."""
    figures.find_browser()
    return render(out)


def describe() -> str:
    """The parts with their cost, a line each."""
    total = sum(part.minutes for part in PARTS)
    lines = [f"{part.name:<13} {part.minutes:>4} min  {part.what}" for part in PARTS]
    return "\n".join([*lines, f"{'all of them':<13} {total:>4} min of one core"])


def _about(setting: Setting) -> dict[str, object]:
    pairs, scale = setting.pairs, setting.scale
    defaults = load_bench(scale.side).model.defaults
    return {
        "command": f"python -m benchmarks evidence{' --quick' if setting.is_quick else ''}",
        "steps": defaults.steps,
        "guidance": defaults.guidance,
        "pairs": len(pairs),
        "some_pairs": len(range(0, len(pairs), scale.some)),
        "seeds": f"{pairs[0].seed} to {pairs[-1].seed}",
        "hardware": f"CPU ({platform.machine()}, {os.cpu_count()} cores, one thread a process)",
        "resamples": scale.resamples,
    }


def _of_part(name: str, journal: Journal, methods: Sequence[str]) -> dict[str, object]:
    command = f"python -m benchmarks evidence --only {name}"
    command += f" --methods '{','.join(methods)}'" if methods and name == "contest" else ""
    return {"command": command, "minutes": round(journal.minutes(name), 1)}
