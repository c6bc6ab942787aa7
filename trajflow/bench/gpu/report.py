"""The report: seconds by phase of every way to answer a request, beside the from-scratch run."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from trajflow.base import Model, Result
from trajflow.bench.gpu.overheads import Figures, loop, one_evaluation, transfers
from trajflow.bench.markdown import table
from trajflow.session import Session

LABEL = "random weights: time only"
NOTE = "Text encoders are not run (prompts become random states of the right shape), so text encoding is not timed."
PHASES = ("embed", "lookup", "plan", "sample", "decode")
SOURCES = tuple(f"a snowy mountain {word}" for word in ("at dusk", "at dawn", "in fog", "in the sun", "by a lake"))
TARGET = "a snowy mountain at dusk by a lake"
REUSE = ("interval", "budcache")
GOAL = 1.05
RATE_SIZE = 8192
SMALL_RATE_SIZE = 512


def measure(
    model: Model, device: torch.device, *, size: int, steps: int, budgets: Sequence[int], repeats: int, is_small: bool
) -> Figures:
    """All figures of one model, medians of `repeats` warm runs; `rows` holds one entry for each way and budget.

    `ratio` is a run's seconds without decoding over those of the baseline, to be held against `goal` = (K / N) 1.05.
    """
    session = Session(model, cache_bytes=4 * 2**30)
    options: dict[str, Any] = {"seed": 7, "steps": steps, "height": size, "width": size}
    shape = model.latent_shape(size, size)
    grid, noise = model.schedule(steps, shape), model.noise(7, shape)
    asked = model.encode(TARGET, "", model.defaults.guidance)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    evaluation = one_evaluation(model, asked, grid, noise, SMALL_RATE_SIZE if is_small else RATE_SIZE, repeats)
    timed, trajectory = loop(model, asked, grid, noise, repeats)
    moved = transfers(trajectory, repeats)
    for prompt in SOURCES:
        session.generate(prompt, strategy="baseline", **options)
    ways: list[tuple[str, str, int | None]] = [("baseline", TARGET, None), ("exact repeat", SOURCES[0], None)]
    ways += [(strategy, TARGET, budget) for strategy in ("basis", *REUSE) for budget in budgets if budget < steps]
    rows: list[Figures] = []
    for strategy, prompt, budget in ways:
        row = _row(session, strategy, prompt, budget, options, repeats)
        base = rows[0] if rows else row
        row["ratio"] = _without_decoding(row) / _without_decoding(base)
        row["goal"] = GOAL * row["nfe"] / steps
        rows.append(row)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    about = {"label": LABEL, "note": NOTE, "size": size, "steps": steps, "repeats": repeats, "sources": len(SOURCES)}
    return {**about, **evaluation, **timed, **moved, "peak_memory_bytes": peak, "rows": rows}


def _row(
    session: Session, strategy: str, prompt: str, budget: int | None, options: Mapping[str, Any], repeats: int
) -> Figures:
    """Medians of one way; the runs it leaves are dropped, so that each one starts from the same sources."""
    results: list[Result] = []
    walls: list[float] = []
    asked = "auto" if strategy == "exact repeat" else strategy
    for turn in range(repeats + 1):
        began = time.perf_counter()
        result = session.generate(prompt, strategy=asked, budget=budget, **options)
        wall = time.perf_counter() - began
        if not result.from_store:
            session.forget(result.key)
        if turn:
            results.append(result)
            walls.append(wall)
    seconds = {phase: statistics.median(each.seconds.get(phase, 0.0) for each in results) for phase in PHASES}
    return {
        "label": LABEL,
        "what": strategy,
        "budget": budget,
        **asdict(results[-1].cost),
        "seconds": seconds,
        "total_s": statistics.median(walls),
    }


def _without_decoding(row: Figures) -> float:
    return row["total_s"] - row["seconds"]["decode"]


def markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown: one table of the ways, one of the rest."""
    percent = {"share_of_matrix_rate", "recording_overhead", "loop_overhead"}
    titles = ("what", "budget", "nfe", *(f"{phase} s" for phase in PHASES), "total s", "ratio", "goal")
    lines = [f"{report['architecture']}, {report['size']} x {report['size']}, {report['device']}: {report['label']}."]
    lines += [report["note"], ""]
    rows = []
    for row in report["rows"]:
        seconds = [f"{row['seconds'][phase]:.4f}" for phase in PHASES]
        cells = [row["what"], str(row["budget"] or ""), str(row["nfe"]), *seconds, f"{row['total_s']:.4f}"]
        rows.append([*cells, f"{row['ratio']:.3f}", f"{row['goal']:.3f}"])
    figures = [
        (name, f"{value:.2%}" if name in percent else f"{value:.4g}")
        for name, value in report.items()
        if isinstance(value, float | int) and name not in ("size", "repeats")
    ]
    return "\n".join([*lines, table(titles, rows), "", table(("figure", "value"), figures)])
