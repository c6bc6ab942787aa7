"""The tables of the page: published figures beside what was measured here."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame, Series

from benchmarks.evidence.statistics import is_from_scratch, medians, tail
from trajflow.bench.markdown import table

ABSENT = "–"
Lines = dict[str, list[tuple[float, float]]]

# Published PSNR in dB by what is kept of a cached run: the trajectory-cache text, tables of sections 3.1 and 5.1.
STATE = (
    ("latents", "latents only", 15.2),
    ("generator", "+ generator state", 15.4),
    ("partial scheduler", "+ sigmas, to the pipeline's own scheduler", 18.7),
    ("full state", "+ a scheduler that takes them as they are", 39.5),
    ("trajflow", "this library: noise and velocities", None),
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
    ("kalman", "Kalman fusion", None),
    ("uncertainty-blend", "uncertainty-aware blend", None),
    ("flow-blend", "flow-based blend", None),
    ("derivative-blend", "derivative nudge", None),
    ("difference", "difference transport, 1 source", None),
    ("basis", "basis transport, all sources", None),
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
    "basis", "difference", "shooting-mpc", "fewer-steps (searched)", "flowedit", "rebuilt x_k",
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
    for kept, words, published in STATE:
        chosen = rows[rows["kept"] == kept]
        same = f"{int(chosen['identical'].sum())} of {len(chosen)}"
        lines.append((words, decibels(published), decibels(chosen["psnr_db"].median()), same))
    return table(("kept", "published dB", "here, dB", "identical pictures"), lines, right=True)


def tiers_table(rows: DataFrame, steps: int) -> str:
    """The published tiers, resumed as published, beside transport with the same evaluations."""
    lines = []
    for share, (similarity, speed, published) in TIERS.items():
        chosen = rows[rows["share"] == share]
        resume, ours = (chosen[chosen["method"] == method] for method in ("resume", "basis"))
        left = int(resume["nfe"].median())
        figures = (resume["psnr_db"].median(), resume["psnr_old_db"].median(), ours["psnr_db"].median())
        lines.append(
            (f"{share:.0%}", similarity, speed, decibels(published), f"{left} of {steps}", f"{1 - left / steps:.0%}",
             *map(decibels, figures))
        )  # fmt: skip
    head = (
        "taken from the cache", "published for similarity", "published speed-up", "published dB", "evaluations",
        "saved", "resume, dB to new", "resume, dB to old", "transport, dB to new",
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
    methods = [name for name in rows["method"].unique() if name not in ("auto", "baseline")]
    order = sorted(methods, key=lambda name: -middle[name].mean())
    lines = [
        (name, *(f"{middle[name, k]:.1f} / {low[name, k]:.1f}" for k in budgets), f"{spent[name, budgets[-1]]:.0f}")
        for name in order
    ]
    return table(("", *(f"{k} evaluations" for k in budgets), f"rows at {budgets[-1]}"), lines, right=True)


def gains_table(
    intervals: Mapping[int, tuple[float, float, float]], rivals: Mapping[int, str], gains: Mapping[int, Series]
) -> str:
    """Our gain over the best from-scratch rival, with its paired interval."""
    lines = [
        (f"{budget}", rivals[budget], f"{mean:+.1f}", f"{low:+.1f} to {high:+.1f}",
         f"{int((gains[budget] > 0).sum())} of {len(gains[budget])}")
        for budget, (mean, low, high) in intervals.items()
    ]  # fmt: skip
    head = ("evaluations", "best from-scratch rival", "mean gain, dB", "95 % interval", "pairs gained")
    return table(head, lines, right=True)


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
        published = [words for start, words in OVERHEADS.items() if what == start or what.startswith(f"{start} ")]
        figure = f"{value:,.0f}" if unit == "bytes" else f"{value:.3g}"
        lines.append((what, f"{figure} {unit}", *(published or [ABSENT])))
    return table(("", "here", "published"), lines, right=True)
