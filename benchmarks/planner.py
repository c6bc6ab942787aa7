"""Does the planner keep its word? Forecasts against measurements, and fidelities asked for against those reached.

Every request is made in a session that holds its source and history and nothing else, once for each budget and once for
each fidelity. A forecast is right when its 80 % interval holds the measured PSNR; the share of right ones is given with
its exact binomial interval (Clopper and Pearson, 1934).
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from trajflow.base import Forecast, Model, Result
from trajflow.bench.frontier import ROOM_BYTES, FromScratch
from trajflow.bench.markdown import table
from trajflow.learning.pairs import Pair
from trajflow.metrics import compare_images
from trajflow.session import Session

COVERAGE = 0.8
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judged:
    """One request: what was asked, what was forecast before the run and after its last node, what was measured."""

    pair: Pair
    asked: str
    nfe: int
    psnr_db: float
    before: Forecast | None
    after: Forecast | None


def judge_planner(
    model: Model, pairs: Sequence[Pair], budgets: Sequence[int], fidelities: Sequence[float]
) -> Iterator[Judged]:
    """Make every request at every budget and fidelity; pairs of one session should follow each other."""
    from_scratch = FromScratch(model, None)
    for pair in pairs:
        sources = [from_scratch(prompt, pair.seed) for prompt in pair.cached]
        baseline = from_scratch(pair.target, pair.seed, pair.negative).result
        asked: list[tuple[str, dict[str, Any]]] = [(f"{budget} evaluations", {"budget": budget}) for budget in budgets]
        asked += [(f"{fidelity:g} dB", {"fidelity": fidelity}) for fidelity in fidelities]
        for name, options in asked:
            session = Session(model, cache_bytes=ROOM_BYTES)
            for entry in sources:
                session.adopt(entry)
            result = session.generate(pair.target, seed=pair.seed, negative_prompt=pair.negative, **options)
            yield _judge(pair, name, result, compare_images(result.image, baseline.image).psnr_db)


def _judge(pair: Pair, name: str, result: Result, psnr_db: float) -> Judged:
    return Judged(pair, name, result.cost.nfe, psnr_db, result.plan.forecast, result.forecast)


def summarise(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """One row for each thing asked: evaluations, dB, how often each forecast held and the fidelity was reached."""
    rows = []
    for asked in dict.fromkeys(each.asked for each in judged):
        group = [each for each in judged if each.asked == asked]
        psnr_db = [each.psnr_db for each in group]
        row: dict[str, Any] = {
            "asked": asked,
            "requests": len(group),
            "nfe_mean": round(statistics.fmean(each.nfe for each in group), 2),
            "psnr_db_median": round(statistics.median(psnr_db), 1),
            "psnr_db_p10": round(float(np.percentile(psnr_db, 10)), 1),
        }
        for name in ("before", "after"):
            told = [(getattr(each, name), each.psnr_db) for each in group if getattr(each, name) is not None]
            held = sum(forecast.low_db <= measured <= forecast.high_db for forecast, measured in told)
            row |= _share(f"held_{name}", held, len(told))
            widths = [forecast.high_db - forecast.low_db for forecast, _ in told]
            row[f"width_{name}_db"] = round(statistics.median(widths), 1) if widths else None
        if asked.endswith("dB"):
            wanted = float(asked.removesuffix(" dB"))
            row |= _share("reached", sum(measured >= wanted for measured in psnr_db), len(group))
        rows.append(row)
    return rows


def _share(name: str, hits: int, total: int) -> dict[str, Any]:
    if not total:
        return {name: None, f"{name}_interval": None}
    interval = binomtest(hits, total).proportion_ci(CONFIDENCE)
    return {name: round(hits / total, 3), f"{name}_interval": [round(interval.low, 3), round(interval.high, 3)]}


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""

    def share(row: dict[str, Any], name: str) -> str:
        if row.get(name) is None:
            return ""
        low, high = row[f"{name}_interval"]
        return f"{row[name]:.0%} ({low:.0%} to {high:.0%})"

    head = ("asked", "requests", "evaluations, mean", "dB, median / worst tenth", "80 % interval before the run held",
            "after its last evaluation", "fidelity reached")  # fmt: skip
    lines = []
    for row in rows:
        fidelity = f"{row['psnr_db_median']} / {row['psnr_db_p10']}"
        cells = [row["asked"], row["requests"], row["nfe_mean"], fidelity]
        cells += [share(row, name) for name in ("held_before", "held_after", "reached")]
        lines.append(cells)
    return table(head, lines)
