"""The evidence: measure what the page claims on held-out pairs, store the rows, write the page and its figures."""

import os
import platform
from pathlib import Path

from tqdm import tqdm

from benchmarks import figures
from benchmarks.evidence.bench import FULL, QUICK, choose_pairs
from benchmarks.evidence.report import FOLDER, render, store
from benchmarks.evidence.work import Rows, measure, measure_overheads, model_defaults

__all__ = ["redraw", "regenerate"]


def regenerate(out: Path, *, is_quick: bool, workers: int) -> Path:
    """Measure and write `out/evidence.md` with `out/evidence/`; returns the page.

    workers: processes, one thread each; the rows do not depend on it. JSON files of other commands that lie in
    `out/evidence` are shown too. Raises RequestError when no browser can draw the figures, before anything is measured.
    """
    figures.find_browser()
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    scale = QUICK if is_quick else FULL
    pairs = choose_pairs(scale)
    rows: dict[str, Rows] = {}
    for measured in tqdm(measure(pairs, scale, workers), total=len(pairs), unit="pair", disable=None):
        for name, some in measured.items():
            rows.setdefault(name, []).extend(some)
    rows["overheads"] = measure_overheads(pairs[0], scale)
    defaults = model_defaults()
    about = {
        "command": f"python -m benchmarks evidence{' --quick' if is_quick else ''}",
        "steps": defaults.steps,
        "guidance": defaults.guidance,
        "pairs": len(pairs),
        "some_pairs": len({row["pair"] for row in rows["inertia"]}),
        "seeds": f"{pairs[0].seed} to {pairs[-1].seed}",
        "hardware": f"CPU ({platform.machine()}, {os.cpu_count()} cores, one thread a process)",
        "resamples": scale.resamples,
    }
    store(folder, rows, about)
    return render(out)


def redraw(out: Path) -> Path:
    """Write the page and its figures again from the rows in `out/evidence`; returns the page."""
    figures.find_browser()
    return render(out)
