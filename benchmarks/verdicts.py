"""What was measured of runs without a source, as rows, tables and plain verdicts.

Differences are paired by prompt: their median, and its 95 % bootstrap interval over prompts (percentile method, seed
0). The rival at a budget is the solver with the highest median, chosen on the very prompts it is compared on, which
favours it.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import bootstrap_interval
from benchmarks.policies import COMPARED, EVEN, FORMS, LEVELS, MANY, Measured, interval_name
from trajflow.bench.markdown import table
from trajflow.errors import RequestError

RESAMPLES = 10_000
# Gain over the best solver, dB, by evaluations.
GOALS = {6: 4.0, 10: 3.0}
Row = dict[str, Any]


def summarise(measured: Sequence[Measured], steps: int) -> list[Row]:
    """One row for each method and budget, methods in their own order; `psnr_db` holds every prompt's."""
    rows = []
    for each in sorted(measured, key=lambda one: (one.way.budget, _place(one.way.method))):
        group = [other for other in measured if other.way.budget == each.way.budget and other.way.family == "solver"]
        rival = max(group, key=lambda other: statistics.median(other.psnr_db), default=None)
        gain = None if rival is None else paired_median(each.psnr_db, rival.psnr_db)
        rows.append(
            {
                "steps": steps,
                "method": each.way.method,
                "family": each.way.family,
                "budget": each.way.budget,
                "nfe": each.nfe,
                "prompts": len(each.psnr_db),
                "psnr_db_median": round(statistics.median(each.psnr_db), 2),
                "psnr_db_p10": round(float(np.percentile(each.psnr_db, 10)), 2),
                "psnr_db_mean": round(statistics.fmean(each.psnr_db), 2),
                "ssim_median": round(statistics.median(each.ssim), 4),
                "obedience": None if each.obeyed is None else round(statistics.fmean(each.obeyed), 3),
                "seconds_learning": None if each.way.seconds is None else round(each.way.seconds, 1),
                "rival": None if rival is None else rival.way.method,
                "gain_db_median": None if gain is None else gain[0],
                "gain_db_interval": None if gain is None else list(gain[1:]),
                "psnr_db": [round(value, 2) for value in each.psnr_db],
            }
        )
    return rows


def paired_median(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Median of ours - theirs, and the ends of its 95 % bootstrap interval."""
    differences = np.asarray(ours, float) - np.asarray(theirs, float)
    middle, low, high = bootstrap_interval(differences, np.median, RESAMPLES)
    return round(middle, 2), round(low, 2), round(high, 2)


def judge_claims(rows: Sequence[Row]) -> list[Row]:
    """Whether each claim holds, by the median difference: claim, steps, budget, dB with its interval, the dB
    needed; `is_clear` where the whole interval says the same."""
    verdicts: list[Row] = []
    for steps, budget in sorted({(row["steps"], row["budget"]) for row in rows}):
        here = {row["method"]: row for row in rows if (row["steps"], row["budget"]) == (steps, budget)}
        claims = [("the searched mask beats the even one", MANY, EVEN)]
        claims += [
            (
                f"priors in order beat single-pass ones: {form}, {level}",
                interval_name(level, form),
                interval_name(level, form, True),
            )
            for level in LEVELS
            for form in FORMS
        ]
        for claim, ours, theirs in claims:
            if ours in here and theirs in here:
                found = paired_median(here[ours]["psnr_db"], here[theirs]["psnr_db"])
                verdicts.append(_verdict(claim, steps, budget, found, 0.0, found[0] > 0))
        reuse = [row for row in here.values() if row["family"] == "reuse" and row["gain_db_median"] is not None]
        if budget in GOALS and reuse:
            best = max(reuse, key=lambda row: row["psnr_db_median"])
            found = best["gain_db_median"], *best["gain_db_interval"]
            claim = f"the best reuse ({best['method']}) gains {GOALS[budget]:g} dB on the best solver ({best['rival']})"
            verdicts.append(_verdict(claim, steps, budget, found, GOALS[budget], found[0] >= GOALS[budget]))
    return verdicts


def _verdict(claim: str, steps: int, budget: int, found: Sequence[float], needed: float, is_true: bool) -> Row:
    return {
        "claim": claim,
        "steps": steps,
        "budget": budget,
        "db": found[0],
        "db_interval": list(found[1:]),
        "db_needed": needed,
        "is_true": is_true,
        "is_clear": not found[1] <= needed <= found[2],
    }


def merge(path: Path, rows: Sequence[Row], command: str, about: Mapping[str, Any]) -> list[Row]:
    """Write the rows of one N into a file, beside those of others that it holds; returns all of them.

    Raises RequestError when the file is there and holds no rows.
    """
    commands: dict[str, str] = {}
    kept: list[Row] = []
    if path.exists():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            commands, kept = dict(held["commands"]), list(held["rows"])
            kept = [row for row in kept if row["steps"] not in {row["steps"] for row in rows}]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RequestError(f"{path} holds no rows to add to ({error}). Choose another file.") from error
    commands |= {str(row["steps"]): command for row in rows}
    commands = dict(sorted(commands.items(), key=lambda item: int(item[0])))
    together = sorted([*kept, *rows], key=lambda row: row["steps"])
    head = {"command": "\n    ".join(commands.values()), "commands": commands, **about}
    lines = {"verdicts": judge_claims(together), "rows": together}
    parts = [json.dumps(head, indent=1).removesuffix("\n}")]
    parts += [f'  "{name}": [\n   ' + ",\n   ".join(map(json.dumps, each)) + "\n  ]" for name, each in lines.items()]
    path.write_text(",\n".join(parts) + "\n}\n", encoding="utf-8")
    return together


def markdown(rows: Sequence[Row]) -> str:
    """For each N: fidelity with its gain, then likeness, obedience and seconds, methods down and budgets across; then
    the verdicts."""
    parts = []
    for steps in dict.fromkeys(row["steps"] for row in rows):
        here = [row for row in rows if row["steps"] == steps and row["family"] != "full"]
        parts.append(f"{steps} steps: dB, median / worst tenth, and the gain on the best solver")
        parts.append(_grid(here, _fidelity))
        parts.append(f"{steps} steps: SSIM, attributes read as asked, seconds of learning{_all_steps(rows, steps)}")
        parts.append(_grid(here, _likeness))
    parts.append("\n".join(_said(verdict) for verdict in judge_claims(rows)))
    return "\n\n".join(part for part in parts if part)


def _grid(rows: Sequence[Row], cell: Callable[[Row], str]) -> str:
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    lines = []
    for method in sorted(dict.fromkeys(row["method"] for row in rows), key=_place):
        found = {row["budget"]: row for row in rows if row["method"] == method}
        cells = [cell(found[budget]) if budget in found else "–" for budget in budgets]
        lines.append((method, *cells))
    return table(("", *(f"{budget} evaluations" for budget in budgets)), lines)


def _all_steps(rows: Sequence[Row], steps: int) -> str:
    obeyed = [row["obedience"] for row in rows if row["steps"] == steps and row["family"] == "full"]
    return f" (with all steps {obeyed[0]:.0%} are)" if obeyed and obeyed[0] is not None else ""


def _fidelity(row: Row) -> str:
    spent = "" if row["nfe"] == row["budget"] else f", {row['nfe']} spent"
    gain = "" if row["gain_db_median"] is None else f" ({row['gain_db_median']:+.1f}{spent})"
    return f"{row['psnr_db_median']:.1f} / {row['psnr_db_p10']:.1f}{gain}"


def _likeness(row: Row) -> str:
    obedience = "–" if row["obedience"] is None else f"{row['obedience']:.0%}"
    seconds = "–" if row["seconds_learning"] is None else f"{row['seconds_learning']:.0f} s"
    return f"{row['ssim_median']:.3f}, {obedience}, {seconds}"


def _said(verdict: Row) -> str:
    low, high = verdict["db_interval"]
    noise = "" if verdict["is_clear"] else ", within chance"
    return (
        f"- **{str(verdict['is_true']).lower()}** at {verdict['budget']} of {verdict['steps']}: {verdict['claim']}: "
        f"{verdict['db']:+.2f} dB ({low:+.2f} to {high:+.2f}){noise}"
    )


def _place(method: str) -> int:
    return COMPARED.index(method) if method in COMPARED else -1
