"""From measured rows to `evidence.md` and its figures, by the template `page.md`. Nothing is measured here."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas import DataFrame

from benchmarks import ablation, block_caches, figures, planner, refinement, verdicts
from benchmarks.chains import markdown_chains
from benchmarks.evidence import published, statistics
from benchmarks.evidence.sections import (
    CROSSINGS,
    best_scratch_line,
    control_table,
    fades_table,
    frontier_table,
    gains_table,
    lines_of,
    lines_table,
    obedience_shares,
    obedience_table,
    overheads_table,
    parts_table,
    state_table,
    tiers_table,
)
from benchmarks.rows import read_csv, write_csv
from trajflow.assets import WORLD
from trajflow.errors import RequestError

Rows = list[dict[str, Any]]
FOLDER = "evidence"
TEMPLATE = Path(__file__).with_name("page.md")
TABLES = ("contest", "tiers", "fades", "inertia", "state", "overheads")
ABOUT = "about.json"
SHOWN = (
    "basis", "difference", "solver", "mpc", "published", "fewer-steps", "img2img", "rebuilt x_k",
    "flowedit", "resume",
)  # fmt: skip
# Tables that are shown when their rows are there: title, table, what to read in it.
OTHERS: dict[str, tuple[str, Callable[[Sequence[dict[str, Any]]], str], str]] = {
    "ablation": (
        "What each ingredient of transport is worth",
        ablation.markdown,
        "Edits of one attribute, median / 10th percentile in dB. Down to the fitted shares, each row adds to the one "
        "before.",
    ),
    "planner": (
        "The planner's word",
        planner.markdown,
        "Requests of held-out sessions, with none to five more cached prompts. An honest 80 % interval holds in "
        "80 % of requests; in brackets the exact 95 % binomial interval of the share.",
    ),
    "refinement": (
        "Refinement",
        refinement.markdown,
        "Evaluations are those spent so far, all pictures together.",
    ),
    "policies": (
        "Without a source: step reuse against solvers",
        verdicts.markdown,
        "Prompts that neither searches, estimations nor training have seen, each compared with its own from-scratch "
        "picture on the full grid. Gains are medians of paired differences to the solver with the highest median at "
        "that budget, chosen on these very prompts; intervals are 95 % bootstraps over prompts. Interval reuse may "
        "spend less than its budget. Seconds are those of the search or the estimation, from-scratch runs of the "
        "prompts to learn from included; a dash where nothing is learned or the time is not known.",
    ),
    "grid": (
        "The same on a finer grid",
        verdicts.markdown,
        "A profile and the solvers' steps were learned for this grid first; the solvers' were grown from those of the "
        "model's own grid and searched less than the masks were.",
    ),
    "block_caches": (
        "Caches inside the network",
        block_caches.markdown,
        "A small FLUX pipeline on one thread, methods in turn in one process, medians over noises. A step counts as "
        "computed when the last block computes its attention.",
    ),
    "chains": (
        "Chains of twenty edits",
        markdown_chains,
        "Each edit is made from everything before it; the rows differ in which of the earlier runs were computed in "
        "full. Evaluations are per picture; `fewer-steps` and the learned `solver` spend as many without a cache, the "
        "solver at most as many: it takes the largest budget that was calibrated within them.",
    ),
}


def store(folder: Path, tables: Mapping[str, Rows], methods: frozenset[str] = frozenset()) -> None:
    """Write measured rows as CSV files; with `methods`, the contest's rows of other methods stay."""
    for name, rows in tables.items():
        path, kept = folder / f"{name}.csv", []
        if name == "contest" and methods and path.exists():
            kept = [row for row in read_csv(path) if row["method"] not in methods]
        together = sorted([*kept, *rows], key=lambda row: row["pair"]) if kept else rows
        write_csv(path, together)


def tell(folder: Path, about: Mapping[str, Any], parts: Mapping[str, Any]) -> None:
    """Write what the rows were measured by, part by part; parts that are not given stay as they were told."""
    path = folder / ABOUT
    held = json.loads(path.read_text(encoding="utf-8")).get("parts", {}) if path.exists() else {}
    told = {**about, "parts": {**held, **parts}}
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def absent(folder: Path) -> list[str]:
    """The tables that the page cannot do without and that are not there."""
    return [name for name in TABLES if not (folder / f"{name}.csv").exists()]


def read(folder: Path) -> tuple[dict[str, DataFrame], dict[str, Any]]:
    """What `store` and `tell` wrote. Raises RequestError when some of it is missing."""
    try:
        tables = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
        return tables, json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{folder} holds no complete measurement: {error}. Run without --redraw first.") from error


def render(out: Path) -> Path:
    """Write the page and its figures from the rows in `out/evidence`."""
    folder = out / FOLDER
    tables, about = read(folder)
    contest, steps = tables["contest"], int(about["steps"])
    every_budget = sorted({int(budget) for budget in contest["budget"].dropna()})
    wide = contest[contest["method"] == "resume"]
    budgets = sorted({int(budget) for budget in wide["budget"].dropna()})
    edits = statistics.edits(contest)
    rivals = {budget: statistics.best_rival(contest, budget) for budget in every_budget}
    gains = statistics.gains(contest, every_budget)
    intervals = {each: statistics.paired_interval(values, int(about["resamples"])) for each, values in gains.items()}
    drawn_gains = {budget: list(gains["basis", budget]) for budget in budgets}
    shares, full = obedience_shares(edits, budgets)
    inertia = tables["inertia"]
    planned = edits[(edits["method"] == "auto") & edits["budget"].isna()]
    drawn = {
        "frontier": figures.frontier(
            {**lines_of(edits, SHOWN), "best from scratch": best_scratch_line(edits, every_budget)},
            (float(planned["nfe"].mean()), float(planned["psnr_db"].median())),
            steps,
        ),
        "gains": figures.gains(drawn_gains, {budget: intervals["basis", budget] for budget in budgets}),
        "inertia": figures.inertia(
            lines_of(inertia, ("resume", "basis"), "switch"),
            lines_of(inertia, ("resume", "basis"), "switch", "psnr_old_db"),
            steps,
        ),
        "obedience": figures.obedience(shares, full),
        "crossings": figures.crossings(control_rows(edits, budgets[-1])),
    }
    spent = {"inertia": f"{steps} less the switch step", "crossings": f"{budgets[-1]} of {steps}"}
    every = f"{', '.join(map(str, budgets))} of {steps}"
    notes = {
        folder / f"{name}.svg": f"{about['command']} · seeds {about['seeds']} · CPU · nfe {spent.get(name, every)}"
        for name in drawn
    }
    figures.write({folder / f"{name}.svg": figure for name, figure in drawn.items()}, notes)
    page = TEMPLATE.read_text(encoding="utf-8").format(
        **{key: about[key] for key in ("command", "steps", "pairs", "hardware", "guidance", "seeds", "some_pairs")},
        pairs_file=WORLD.heldout_session,
        light_pairs=contest.loc[contest["kind"].isin(statistics.LIGHT), "pair"].nunique(),
        edit_pairs=edits["pair"].nunique(),
        most=budgets[-1],
        state_steps=", ".join(str(step) for step in sorted(set(tables["state"]["step"]) - {0})),
        state=state_table(tables["state"]),
        tiers=tiers_table(tables["tiers"], steps),
        control=control_table(edits, budgets),
        fades=fades_table(tables["fades"]),
        frontier=frontier_table(edits, budgets),
        lines=lines_table(edits, every_budget),
        light=frontier_table(statistics.light(contest), budgets),
        gains=gains_table(intervals, rivals, gains),
        published=published_table(folder),
        parts=parts_table(about.get("parts", {})),
        obedience=obedience_table(shares, full),
        overheads=overheads_table(tables["overheads"]),
        inertia_early=_inertia_words(inertia),
        auto=_auto_words(planned, steps),
        others=_others(folder),
    )
    path = out / "evidence.md"
    path.write_text(page.rstrip() + "\n", encoding="utf-8")
    return path


def control_rows(edits: DataFrame, budget: int) -> list[tuple[str, float | None, float | None]]:
    """(method, published dB, our median dB at `budget`) for the ways of crossing that were measured."""
    measured = statistics.medians(edits[edits["budget"] == budget], ["method"])
    return [
        (words, published, float(measured[method]))
        for method, words, published in CROSSINGS
        if method in measured.index
    ]


def _inertia_words(inertia: DataFrame) -> str:
    """The middle and the last switch step in one sentence of figures."""
    at = statistics.medians(inertia, ["method", "switch"])
    switches: Sequence[int] = sorted(inertia["switch"].unique())
    chosen = [switches[len(switches) // 2], switches[-1]]
    parts = [
        f"at step {k} a resume has {at['resume', k]:.1f} dB to the new picture, transport {at['basis', k]:.1f}"
        for k in dict.fromkeys(chosen)
    ]
    return "; ".join(parts)


def _auto_words(planned: DataFrame, steps: int) -> str:
    nfe, median, low = planned["nfe"].mean(), planned["psnr_db"].median(), planned["psnr_db"].quantile(0.1)
    return f"`auto` spends {nfe:.1f} of {steps} evaluations on average, for {median:.1f} / {low:.1f} dB"


def published_table(folder: Path) -> str:
    """Every published figure beside ours; also written as `published.csv`."""
    held = {path.stem: read_csv(path) for path in sorted(folder.glob("*.csv")) if path.stem != "published"}
    rows = published.fill(held)
    write_csv(folder / "published.csv", rows)
    return published.markdown(rows)


def _others(folder: Path) -> str:
    """Tables of the parts whose rows are there."""
    parts = []
    for name, (title, show, words) in OTHERS.items():
        path = folder / f"{name}.csv"
        if path.exists():
            parts.append(f"## {title}\n\n{show(read_csv(path))}\n\n*{words}* Rows: `evidence/{name}.csv`.\n")
    return "\n".join(parts)
