"""The tables of the page: published figures beside what was measured here."""

from collections.abc import Mapping, Sequence
from typing import Any

from pandas import DataFrame, Series

from benchmarks.evidence.parts import PARTS
from benchmarks.evidence.statistics import is_from_scratch, medians, tail
from trajflow.bench.markdown import table

ABSENT = "–"
# What is worth drawing at every budget.
LINES = (
    ("basis", "all sources"),
    ("auto", "all sources, the planner's choice"),
    ("difference", "one source"),
    ("auto (1 source)", "one source, the planner's choice"),
    ("solver", "no source: learned solver"),
    ("dpm++2m (searched)", "no source: DPM++2M on searched steps"),
    ("unipc (searched)", "no source: UniPC on searched steps"),
    ("fewer-steps", "no source: fewer steps"),
)
Lines = dict[str, list[tuple[float, float]]]

# Published PSNR in dB and SSIM by what is kept of a cached run: the trajectory-cache text, sections 3.1 and 5.1.
STATE = (
    ("latents", "latents only", 15.2, 0.62),
    ("generator", "+ generator state", 15.4, 0.63),
    ("partial scheduler", "+ sigmas, to the pipeline's own scheduler", 18.7, 0.71),
    ("full state", "+ a scheduler that takes them as they are", 39.5, 0.98),
    ("trajflow", "this library: noise and velocities", None, None),
)
# Share of the steps taken from the cache: published similarity, speed-up and dB, from both texts.
TIERS = {
    0.95: ("above 0.97", "2.25x", 39.5),
    0.75: ("0.90 to 0.97", "1.75x", 38.7),
    0.55: ("0.85 to 0.90", "1.45x", 37.2),
}
# Method of the contest, words, published dB: the shooting and MPC texts, table of results.
CROSSINGS = (
    ("resume", "direct switch", 15.2),
    ("linear blend", "linear blend", 22.4),
    ("blend", "adaptive blend", None),
    ("shooting", "single shooting", 35.7),
    ("multiple-shooting", "multiple shooting", 38.2),
    ("mpc", "MPC", None),
    ("shooting-mpc", "shooting + MPC", 39.1),
    ("published", "the published system: tier, blend, MPC", None),
    ("kalman", "Kalman fusion", None),
    ("uncertainty-blend", "uncertainty-aware blend", None),
    ("flow-blend", "flow-based blend", None),
    ("derivative-blend", "derivative nudge", None),
    ("difference", "difference transport, 1 source", None),
    ("basis", "basis transport, all sources", None),
    ("solver", "learned solver, no cache", None),
)
OVERHEADS = {
    "similarity search": "below 1 ms",
    "save a run": "about 1 ms",
    "restore x": "below 1 ms",
    "bytes of a cached run": "about 2.1 MB (one latent of 128 x 128 x 16 and its state)",
    "shooting": "45 ms of planning",
    "multiple-shooting": "112 ms of planning",
    "mpc": "3 ms a step",
    "shooting-mpc": "45 ms, then 3 ms a step",
    "one evaluation": "40 to 50 ms",
}
OBEDIENT = (
    "basis", "difference", "solver", "shooting-mpc", "fewer-steps (searched)", "flowedit", "rebuilt x_k",
    "img2img", "blend", "resume",
)  # fmt: skip


def decibels(value: float | None) -> str:
    """A figure in dB; pictures equal bit for bit are capped at 100 and said so."""
    if value is None or value != value:
        return ABSENT
    return "identical" if value >= 100 else f"{value:.1f}"


def lines_of(rows: DataFrame, methods: Sequence[str], x: str = "budget", value: str = "psnr_db") -> Lines:
    """Median of `value` over `x` for each of the methods that were measured."""
    measured: Lines = {}
    for method in methods:
        chosen = rows[rows["method"] == method]
        if len(chosen):
            points = medians(chosen.dropna(subset=[x]), [x], value).sort_index()
            measured[method] = [(float(at), float(y)) for at, y in points.items()]
    return measured


def best_scratch_line(rows: DataFrame, budgets: Sequence[int]) -> list[tuple[float, float]]:
    """The highest median of any from-scratch method, by budget."""
    scratch = rows[rows["method"].map(is_from_scratch)]
    best = medians(scratch, ["budget", "method"]).groupby(level="budget").max()
    return [(float(budget), float(best[budget])) for budget in budgets]


def state_table(rows: DataFrame) -> str:
    """What must be kept of a run, by median over steps and pairs."""
    lines = []
    for kept, words, published, likeness in STATE:
        chosen = rows[rows["kept"] == kept]
        same = f"{int(chosen['identical'].sum())} of {len(chosen)}"
        here = decibels(chosen["psnr_db"].median()), f"{chosen['ssim'].median():.2f}"
        lines.append((words, decibels(published), likeness or ABSENT, *here, same))
    head = ("kept", "published dB", "published SSIM", "here, dB", "here, SSIM", "identical pictures")
    return table(head, lines, right=True)


def tiers_table(rows: DataFrame, steps: int) -> str:
    """The published tiers, resumed as published, beside transport with the same evaluations."""
    lines = []
    for share, (similarity, speed, published) in TIERS.items():
        chosen = rows[rows["share"] == share]
        resume, one, ours = (chosen[chosen["method"] == method] for method in ("resume", "difference", "basis"))
        left = int(resume["nfe"].median())
        figures = (
            resume["psnr_db"].median(), resume["psnr_old_db"].median(), one["psnr_db"].median(),
            ours["psnr_db"].median(),
        )  # fmt: skip
        lines.append(
            (f"{share:.0%}", similarity, speed, decibels(published), f"{left} of {steps}", f"{1 - left / steps:.0%}",
             *map(decibels, figures))
        )  # fmt: skip
    head = (
        "taken from the cache", "published for similarity", "published speed-up", "published dB", "evaluations",
        "saved", "resume, dB to new", "resume, dB to old", "`difference`, one source, dB to new",
        "`basis`, all sources, dB to new",
    )  # fmt: skip
    return table(head, lines, right=True)


def control_table(edits: DataFrame, budgets: Sequence[int]) -> str:
    """Ways of crossing from the old path to the new, at the two largest budgets."""
    chosen = budgets[-2:]
    to_new, to_old = (medians(edits, ["method", "budget"], value) for value in ("psnr_db", "psnr_old_db"))
    lines = []
    for method, words, published in CROSSINGS:
        if method in to_new.index.get_level_values(0):
            figures = [decibels(values[method, k]) for k in chosen for values in (to_new, to_old)]
            lines.append((words, f"`{method}`", decibels(published), *figures))
    head = [words for k in chosen for words in (f"{k} evaluations, dB to new", f"{k}, dB to old")]
    return table(("", "strategy", "published dB", *head), lines, right=True)


def fades_table(rows: DataFrame) -> str:
    """Curves of the blend after the same switch."""
    budgets = sorted(rows["nfe"].unique())
    by = ["curve", "span", "nfe"]
    to_new, to_old = medians(rows, by), medians(rows, by, "psnr_old_db")
    lines = []
    for curve, span in rows[["curve", "span"]].drop_duplicates().itertuples(index=False):
        figures = [decibels(values[curve, span, k]) for k in budgets for values in (to_new, to_old)]
        words = "hard switch" if span == 0 else f"{curve} over {span} steps"
        lines.append((words, *figures))
    head = [words for k in budgets for words in (f"{k} evaluations, dB to new", f"{k}, dB to old")]
    return table(("share of the new velocity", *head), lines, right=True)


def frontier_table(rows: DataFrame, budgets: Sequence[int]) -> str:
    """Median and 10th percentile by method and budget, with the batch rows of the largest budget."""
    middle, low = medians(rows, ["method", "budget"]), tail(rows, ["method", "budget"])
    spent = medians(rows, ["method", "budget"], "rows")
    methods = [name for name in rows["method"].unique() if name not in ("auto", "auto (1 source)", "baseline")]
    order = sorted(methods, key=lambda name: -middle[name].mean())
    lines = [
        (name, *(f"{middle[name, k]:.1f} / {low[name, k]:.1f}" for k in budgets), f"{spent[name, budgets[-1]]:.0f}")
        for name in order
    ]
    return table(("", *(f"{k} evaluations" for k in budgets), f"rows at {budgets[-1]}"), lines, right=True)


def lines_table(rows: DataFrame, budgets: Sequence[int]) -> str:
    """What the frontier draws, at every budget: from all sources, from one, and from none."""
    middle, low = medians(rows, ["method", "budget"]), tail(rows, ["method", "budget"])

    def cell(method: str, budget: int) -> str:
        known = (method, budget) in middle.index
        return f"{middle[method, budget]:.1f} / {low[method, budget]:.1f}" if known else ABSENT

    present = [(method, words) for method, words in LINES if method in set(rows["method"])]
    lines = [(words, f"`{method}`", *(cell(method, k) for k in budgets)) for method, words in present]
    return table(("", "strategy", *(f"{k}" for k in budgets)), lines, right=True)


def gains_table(
    intervals: Mapping[tuple[str, int], tuple[float, float, float]],
    rivals: Mapping[int, str],
    gains: Mapping[tuple[str, int], Series],
) -> str:
    """Our gain over the best from-scratch rival, from all sources and from one, with its paired interval."""
    lines = [
        (f"{budget}", f"`{ours}`", rivals[budget], f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}",
         f"{int((gains[ours, budget] > 0).sum())} of {len(gains[ours, budget])}")
        for (ours, budget), (mean, low, high) in intervals.items()
    ]  # fmt: skip
    head = ("evaluations", "ours", "best from-scratch rival", "mean gain, dB", "95 % interval", "pairs gained")
    return table(head, lines, right=True)


def parts_table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """What each part measures, how it is measured again, and what that took."""
    lines = []
    for part in PARTS:
        told = parts.get(part.name, {})
        files = ", ".join(f"`{name}.csv`" for name in part.tables)
        minutes = told.get("minutes")
        took = ABSENT if minutes is None else f"{minutes:.0f}"
        lines.append((part.what, f"`{told.get('command', 'not measured yet')}`", files, f"{part.minutes}", took))
    return table(("part", "command", "rows", "minutes of a core, about", "here"), lines)


def obedience_shares(edits: DataFrame, budgets: Sequence[int]) -> tuple[dict[str, dict[int, float]], float]:
    """Share of edits whose attribute is read as asked, by method and budget; and that of the from-scratch pictures."""
    known = edits.dropna(subset=["edit_obeyed"])
    by = known.groupby(["method", "budget"])["edit_obeyed"].mean()
    methods = [name for name in OBEDIENT if name in set(known["method"])]
    shares = {name: {k: float(by[name, k]) for k in budgets} for name in methods}
    return shares, float(known.loc[known["method"] == "baseline", "edit_obeyed"].mean())


def obedience_table(shares: Mapping[str, Mapping[int, float]], full: float) -> str:
    """The same as a table."""
    budgets = list(next(iter(shares.values())))
    lines = [(name, *(f"{100 * by[k]:.0f} %" for k in budgets)) for name, by in shares.items()]
    lines.append(("from scratch, all steps", *[f"{100 * full:.0f} %"] * len(budgets)))
    return table(("", *(f"{k} evaluations" for k in budgets)), lines, right=True)


def overheads_table(rows: DataFrame) -> str:
    """Measured milliseconds and bytes beside the published ones."""
    lines = []
    for what, value, unit in rows[["what", "value", "unit"]].itertuples(index=False):
        starts = [start for start in OVERHEADS if what == start or what.startswith((f"{start} ", f"{start},"))]
        published = [OVERHEADS[start] for start in starts]
        figure = f"{value:,.0f}" if unit == "bytes" else f"{value:.3g}"
        lines.append((what, f"{figure} {unit}", *(published or [ABSENT])))
    return table(("", "here", "published"), lines, right=True)
