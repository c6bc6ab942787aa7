"""Static figures of the evidence: one colour per method everywhere, labels at the lines, nothing that says nothing.

Written as SVG by kaleido, which draws in a headless Chromium.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from trajflow.errors import RequestError

OURS, DIFFERENCE = "#c8102e", "#e39b2d"
SCRATCH, SCRATCH_PLAIN = "#1f5fa8", "#6fa3d8"
SWITCH, PICTURE, CONTROL, PLAIN = "#6b7280", "#7b4fa3", "#2a8a5f", "#9aa3ad"
COLOURS = {
    "basis": OURS,
    "difference": DIFFERENCE,
    "solver": "#0b2e59",
    "published": "#3d7a63",
    "best from scratch": SCRATCH,
    "fewer-steps": SCRATCH_PLAIN,
    "fewer-steps (searched)": SCRATCH,
    "resume": SWITCH,
    "img2img": PICTURE,
    "rebuilt x_k": "#9a6fc4",
    "flowedit": "#b581c9",
    "shooting": "#8cc9ab",
    "multiple-shooting": "#55a883",
    "mpc": CONTROL,
    "shooting-mpc": "#17573a",
    "auto": "#7a0c1e",
    "baseline": "#111827",
}
TEXT, GRID = "#1f2937", "#e5e7eb"
WIDTH, HEIGHT = 860, 430
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")

Lines = Mapping[str, Sequence[tuple[float, float]]]


def find_browser() -> None:
    """Tell kaleido where Chromium is. Raises RequestError, before anything is measured, when nothing can draw."""
    try:
        import kaleido  # noqa: F401
    except ImportError as error:
        raise RequestError('Static figures need kaleido: pip install "trajflow[dev]".') from error
    found = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        raise RequestError("Static figures need Chromium. Install it, or set BROWSER_PATH to one.")
    os.environ["BROWSER_PATH"] = found


def write(figures: Mapping[Path, go.Figure], notes: Mapping[Path, str]) -> None:
    """Write all figures as SVG, each with its note at its foot, in one go: starting the browser is most of the time."""
    import plotly.io

    drawn = list(figures.values())
    for path, figure in figures.items():
        figure.add_annotation(
            text=notes[path], font={"size": 10, "color": SWITCH}, showarrow=False, xref="paper", yref="paper", x=1, y=0,
            xanchor="right", yanchor="top", yshift=-54,
        )  # fmt: skip
        figure.update_layout(margin_b=78, height=figure.layout.height + 22)
    widths, heights = ([figure.layout[side] for figure in drawn] for side in ("width", "height"))
    plotly.io.write_images(drawn, [str(path) for path in figures], format="svg", width=widths, height=heights)


def frontier(lines: Lines, auto: tuple[float, float], steps: int) -> go.Figure:
    """Median PSNR over evaluations, a line for each method, and where the planner's own choice lies."""
    figure = go.Figure()
    for name, points in lines.items():
        bold = name in ("basis", "solver")
        _line(figure, name, points, width=3.5 if bold else 1.8)
    figure.add_scatter(
        x=[auto[0]],
        y=[auto[1]],
        mode="markers",
        marker={"symbol": "diamond", "size": 12, "color": COLOURS["auto"]},
        cliponaxis=False,
    )
    figure.add_annotation(x=auto[0], y=auto[1], text="auto", yshift=14, showarrow=False, font_color=COLOURS["auto"])
    _label_ends(figure, lines, gap=1.55)
    _dress(figure, f"evaluations of {steps} (two batch rows each)", "dB to the from-scratch picture")
    counts = sorted({x for points in lines.values() for x, _ in points})
    figure.update_xaxes(tickvals=counts, range=[min(counts) - 0.4, max(counts) + 0.2])
    return figure.update_layout(margin_r=175, height=520)


def inertia(to_new: Lines, to_old: Lines, steps: int) -> go.Figure:
    """Two panels over the switch step: dB to the new prompt's own picture, and dB to the old one's.

    A switch at step 0 is the from-scratch run itself; it has no place on a scale of dB and is left out.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05)
    panels = ((to_new, "to the new prompt's picture"), (to_old, "to the old picture"))
    for column, (lines, title) in enumerate(panels, 1):
        for name, points in lines.items():
            _line(figure, name, [point for point in points if point[0] > 0], width=3, column=column)
        figure.add_annotation(
            text=f"<b>{title}</b>", xref="x domain" if column == 1 else "x2 domain", yref="paper", x=0, y=1.1,
            showarrow=False, font_size=14,
        )  # fmt: skip
    words = {"resume": "resume at this step", "basis": "transport with as many evaluations"}
    for name, place in (("resume", {"x": 0.02, "y": 0.05}), ("basis", {"x": 0.02, "y": 0.12})):
        figure.add_annotation(
            text=f"<b>—</b> {words[name]}", font_color=COLOURS[name], showarrow=False, xanchor="left", xref="x domain",
            yref="paper", **place,
        )  # fmt: skip
    _dress(figure, f"switch step of {steps}", "")
    figure.update_xaxes(range=[0, steps + 0.5], dtick=7)
    figure.update_yaxes(title_text="dB", col=1)
    return figure.update_layout(margin_t=50)


def gains(by_budget: Mapping[int, Sequence[float]], intervals: Mapping[int, tuple[float, float, float]]) -> go.Figure:
    """Every pair's gain over the best from-scratch rival as a dot, the mean with its 95 % interval beside them."""
    figure = go.Figure()
    for place, (budget, values) in enumerate(by_budget.items()):
        spread = [place + 0.16 * ((i * 0.618) % 1 - 0.5) for i in range(len(values))]
        figure.add_scatter(
            x=spread, y=list(values), mode="markers", marker={"size": 6, "color": OURS, "opacity": 0.35}
        )  # fmt: skip
        mean, low, high = intervals[budget]
        error = {"symmetric": False, "array": [high - mean], "arrayminus": [mean - low], "thickness": 2.5}
        figure.add_scatter(
            x=[place + 0.2], y=[mean], error_y=error, mode="markers", marker={"size": 10, "color": TEXT}
        )  # fmt: skip
        figure.add_annotation(
            x=place + 0.2, y=mean, text=f"{mean:+.1f} dB", xanchor="left", xshift=10, showarrow=False
        )  # fmt: skip
    _dress(figure, "evaluations", "gain over the best from-scratch rival, dB")
    figure.update_xaxes(tickvals=list(range(len(by_budget))), ticktext=[str(budget) for budget in by_budget])
    figure.add_hline(y=0, line_color=TEXT, line_width=1)
    return figure


def obedience(shares: Mapping[str, Mapping[int, float]], baseline: float) -> go.Figure:
    """Share of edits seen in the picture, a row for each method, a dot for each budget."""
    figure = go.Figure()
    names = list(shares)[::-1]
    budgets = sorted({budget for by_budget in shares.values() for budget in by_budget})
    for name in names:
        values = [100 * share for share in shares[name].values()]
        figure.add_scatter(
            x=[min(values), max(values)], y=[name, name], mode="lines",
            line={"color": COLOURS.get(name, PLAIN), "width": 2}, opacity=0.4,
        )  # fmt: skip
    for place, budget in reversed(list(enumerate(budgets))):
        figure.add_scatter(
            x=[100 * shares[name][budget] for name in names],
            y=names,
            mode="markers",
            marker={
                "size": 7 + 4 * place,
                "color": [COLOURS.get(name, PLAIN) for name in names],
                "opacity": 1,
                "line": {"color": "white", "width": 1},
            },
        )
    figure.add_vline(x=100 * baseline, line_color=TEXT, line_width=1, line_dash="dot")
    figure.add_annotation(
        x=100 * baseline, y=1.06, yref="paper", text="from scratch, all steps", showarrow=False, xanchor="right"
    )  # fmt: skip
    sizes = ", ".join(map(str, budgets))
    _dress(figure, f"edits read as asked, % (small to large dot: {sizes} evaluations)", "")
    figure.update_xaxes(range=[-3, 104])
    return figure.update_layout(margin_l=180, margin_t=36, height=90 + 34 * len(names))


def crossings(rows: Sequence[tuple[str, float | None, float | None]]) -> go.Figure:
    """A row for each way of crossing: the published figure as a ring, the measured one as a dot."""
    figure = go.Figure()
    names = [name for name, _, _ in rows][::-1]
    for name, published, measured in rows:
        if published is not None and measured is not None:
            figure.add_scatter(x=[published, measured], y=[name, name], mode="lines", line={"color": GRID, "width": 3})
    for index, colour, symbol, words in ((1, PLAIN, "circle-open", "published"), (2, OURS, "circle", "measured here")):
        kept = [(row[index], row[0]) for row in rows if row[index] is not None]
        figure.add_scatter(
            x=[x for x, _ in kept], y=[y for _, y in kept], mode="markers", name=words, showlegend=True,
            marker={"color": colour, "size": 12, "symbol": symbol, "line": {"width": 2.5, "color": colour}},
        )  # fmt: skip
    _dress(figure, "dB to the new prompt's from-scratch picture", "")
    figure.update_yaxes(categoryorder="array", categoryarray=names)
    return figure.update_layout(
        margin_l=230, margin_t=40, height=110 + 32 * len(names), legend={"orientation": "h", "x": 0, "y": 1.12}
    )


def _line(
    figure: go.Figure, name: str, points: Sequence[tuple[float, float]], width: float, column: int | None = None
) -> None:
    place = {} if column is None else {"row": 1, "col": column}
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="lines+markers",
        line={"color": COLOURS.get(name, PLAIN), "width": width},
        marker={"size": 5 + width},
        cliponaxis=False,
        **place,
    )


def _label_ends(figure: go.Figure, lines: Lines, gap: float) -> None:
    """Names at the right ends, pushed apart to at least `gap` of the y axis."""
    ends = sorted((points[-1][1], name) for name, points in lines.items())
    placed: list[float] = []
    for y, _ in ends:
        placed.append(y if not placed else max(y, placed[-1] + gap))
    shift = sum(at - y for at, (y, _) in zip(placed, ends, strict=True)) / len(ends)
    x = max(points[-1][0] for points in lines.values())
    for at, (_, name) in zip(placed, ends, strict=True):
        colour = COLOURS.get(name, PLAIN)
        figure.add_annotation(
            x=x, y=at - shift, text=name, xanchor="left", xshift=12, showarrow=False, font_color=colour
        )  # fmt: skip


def _dress(figure: go.Figure, x: str, y: str) -> None:
    figure.update_layout(
        template="none",
        width=WIDTH,
        height=HEIGHT,
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "DejaVu Sans, Verdana, Arial, sans-serif", "size": 13, "color": TEXT},
        margin={"l": 64, "r": 24, "t": 28, "b": 56},
        showlegend=False,
    )
    for trace in figure.data:
        if trace.showlegend:
            figure.update_layout(showlegend=True)
        else:
            trace.showlegend = False
    figure.update_xaxes(gridcolor=GRID, zeroline=False, ticks="", title={"text": x, "standoff": 10})
    figure.update_yaxes(gridcolor=GRID, zeroline=False, ticks="", title={"text": y, "standoff": 8})
