"""Measurements as rows: medians per strategy, kind and budget, as JSON, Markdown or one CSV line for each target."""

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trajflow.bench.frontier import Measurement
from trajflow.bench.markdown import table
from trajflow.learning.pairs import ALL_KINDS

AUTO = "auto"
Row = dict[str, Any]
SHOWN = {
    "strategy": "strategy",
    "kind": "kind",
    "budget": "budget",
    "pairs": "pairs",
    "nfe": "nfe",
    "psnr_db_median": "PSNR dB, median",
    "psnr_db_p10": "10th percentile",
    "psnr_db_mean": "mean",
    "ssim_median": "SSIM",
    "identical": "identical",
    "latency_s_median": "seconds",
    "baseline_latency_s_median": "from scratch",
}


def summarise(measurements: Sequence[Measurement]) -> list[Row]:
    """One row per strategy, budget and kind, in the order measured; the kind `all` closes each strategy and budget.

    The budget is a number, or "auto" where the planner chose. `nfe`, `rows` and `sources` are medians of what was
    really spent and used; `identical` counts pictures equal to the from-scratch one pixel for pixel.
    """
    runs = dict.fromkeys((measured.strategy, measured.budget) for measured in measurements)
    kinds = dict.fromkeys(measured.pair.kind for measured in measurements)
    rows = []
    for strategy, budget in runs:
        same = [measured for measured in measurements if (measured.strategy, measured.budget) == (strategy, budget)]
        for kind in (*kinds, ALL_KINDS):
            group = [measured for measured in same if kind in (measured.pair.kind, ALL_KINDS)]
            rows.append(_summary(strategy, kind, budget, group))
    return rows


def _summary(strategy: str, kind: str, budget: int | None, group: list[Measurement]) -> Row:
    psnr_db = [measured.metrics.psnr_db for measured in group]
    return {
        "strategy": strategy,
        "kind": kind,
        "budget": AUTO if budget is None else budget,
        "pairs": len(group),
        "nfe": statistics.median(measured.cost.nfe for measured in group),
        "nfe_mean": statistics.fmean(measured.cost.nfe for measured in group),
        "rows": statistics.median(measured.cost.rows for measured in group),
        "sources": statistics.median(measured.sources for measured in group),
        "psnr_db_median": statistics.median(psnr_db),
        "psnr_db_p10": float(np.percentile(psnr_db, 10)),
        "psnr_db_mean": statistics.fmean(psnr_db),
        "ssim_median": statistics.median(measured.metrics.ssim for measured in group),
        "identical": sum(measured.metrics.identical for measured in group),
        "latency_s_median": statistics.median(measured.latency_s for measured in group),
        "baseline_latency_s_median": statistics.median(measured.baseline_latency_s for measured in group),
    }


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, aligned to be read as it stands."""
    return table(list(SHOWN.values()), ([_cell(name, row[name]) for name in SHOWN] for row in rows))


def _cell(name: str, value: Any) -> str:
    if "psnr" in name:
        return f"{value:.1f}"
    if "ssim" in name or "latency" in name:
        return f"{value:.3f}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_per_pair(path: Path, measurements: Sequence[Measurement]) -> None:
    """One CSV line for each measured target; `computed` lists the evaluated steps."""
    lines = [
        {
            "strategy": measured.strategy,
            "budget": AUTO if measured.budget is None else measured.budget,
            "kind": measured.pair.kind,
            "source": measured.pair.source,
            "target": measured.pair.target,
            "seed": measured.pair.seed,
            "history": "|".join(measured.pair.history),
            "nfe": measured.cost.nfe,
            "rows": measured.cost.rows,
            "sources": measured.sources,
            "computed": " ".join(map(str, measured.computed)),
            "psnr_db": measured.metrics.psnr_db,
            "ssim": measured.metrics.ssim,
            "identical": measured.metrics.identical,
            "latency_s": measured.latency_s,
            "baseline_latency_s": measured.baseline_latency_s,
        }
        for measured in measurements
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
