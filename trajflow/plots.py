"""Figures of a session: latency, fidelity expected and measured, evaluations, and the velocity angle per step of a run.

The figures have no background and no title of their own, so that they sit on a light or a dark page alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from trajflow.base import Forecast, Result

CACHED, BASELINE, BACKGROUND = "#e07a3f", "#7f8ea3", "#4d9ab8"
COLORS = {"cached": CACHED, "background": BACKGROUND, "from scratch": BASELINE}
ROOM_DB = 8.0
TEXT, GRID = "#808691", "rgba(128, 134, 145, 0.22)"


@dataclass(frozen=True)
class Run:
    """The figures of one finished run: its own seconds and evaluations, those of the from-scratch run where it was
    compared at once, and those spent in the background to complete it; `key` names its entry."""

    prompt: str
    seconds: float
    nfe: int
    steps: int
    psnr_db: float | None
    baseline_seconds: float | None
    background_nfe: int = 0
    forecast: Forecast | None = None
    key: str = ""

    @classmethod
    def of(cls, result: Result, steps: int) -> "Run":
        """The figures of `result`, whose grid has `steps` steps."""
        is_compared = result.request.compare
        return cls(
            prompt=result.request.prompt,
            seconds=sum(result.seconds.values()),
            nfe=result.cost.nfe,
            steps=steps,
            psnr_db=result.metrics.psnr_db if result.metrics else None,
            baseline_seconds=(
                sum(result.baseline_seconds.values()) if result.baseline_seconds and is_compared else None
            ),
            background_nfe=result.baseline_cost.nfe if result.baseline_cost and not is_compared else 0,
            forecast=foreseen(result),
            key=result.key,
        )


def foreseen(result: Result) -> Forecast | None:
    """What was expected of a run before it was made; None for pictures from the store and refined ones, and where
    nothing was foreseen."""
    return None if result.from_store or result.request.refine else result.plan.forecast


def angles(by_step: Mapping[int, float]) -> pd.DataFrame | None:
    """Columns `step` and `degrees`, one row per evaluated step, in order; None where there is nothing to draw."""
    if not by_step:
        return None
    rows = sorted(by_step.items())
    return pd.DataFrame({"step": [k for k, _ in rows], "degrees": [float(angle) for _, angle in rows]})


def latency(runs: Sequence[Run]) -> go.Figure:
    """Seconds per run, cached beside from scratch where both were waited for."""
    bars: dict[str, list[float | None]] = {"cached": [run.seconds for run in runs]}
    if any(run.baseline_seconds for run in runs):
        bars["from scratch"] = [run.baseline_seconds for run in runs]
    return _bars(runs, bars, "seconds", ".2f")


def evaluations(runs: Sequence[Run]) -> go.Figure:
    """Network evaluations per run: waited for, spent in the background where any were, and from scratch."""
    bars: dict[str, list[float | None]] = {"cached": [run.nfe for run in runs]}
    if any(run.background_nfe for run in runs):
        bars["background"] = [run.background_nfe or None for run in runs]
    return _bars(runs, bars | {"from scratch": [run.steps for run in runs]}, "evaluations", "d")


def fidelity(runs: Sequence[Run]) -> go.Figure:
    """PSNR in dB to the from-scratch picture, for the runs where it was measured, and the interval that was expected,
    where there was a forecast; identical pictures stand at 100."""
    figure = go.Figure(
        go.Scatter(
            x=_numbers(runs),
            y=[run.psnr_db for run in runs],
            customdata=_labels(runs),
            mode="lines+markers",
            line={"color": CACHED, "width": 2},
            marker={"color": CACHED, "size": 8},
            hovertemplate="%{customdata}<br>%{y:.1f} dB<extra></extra>",
            name="measured",
        )
    )
    if any(run.forecast for run in runs):
        figure.add_trace(_expected(runs))
    levels = [run.psnr_db for run in runs if run.psnr_db is not None]
    levels += [level for run in runs if run.forecast for level in (run.forecast.low_db, run.forecast.high_db)]
    lowest, highest = min(levels, default=0.0), max(levels, default=100.0)
    return _dressed(figure, runs, "dB").update_yaxes(range=[max(0.0, lowest - ROOM_DB), highest + ROOM_DB])


def _expected(runs: Sequence[Run]) -> go.Scatter:
    foreseen = [(number, run.forecast) for number, run in zip(_numbers(runs), runs, strict=True) if run.forecast]
    return go.Scatter(
        x=[number for number, _ in foreseen],
        y=[forecast.median_db for _, forecast in foreseen],
        customdata=[f"{forecast.low_db:.0f} to {forecast.high_db:.0f} dB" for _, forecast in foreseen],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [forecast.high_db - forecast.median_db for _, forecast in foreseen],
            "arrayminus": [forecast.median_db - forecast.low_db for _, forecast in foreseen],
            "color": BACKGROUND,
            "thickness": 5,
            "width": 0,
        },
        mode="markers",
        marker={"color": BACKGROUND, "size": 8, "symbol": "square"},
        opacity=0.6,
        hovertemplate="%{customdata} expected<extra></extra>",
        name="expected",
    )


def _bars(runs: Sequence[Run], bars: Mapping[str, Sequence[float | None]], unit: str, form: str) -> go.Figure:
    figure = go.Figure()
    for name, values in bars.items():
        figure.add_bar(
            x=_numbers(runs),
            y=list(values),
            customdata=_labels(runs),
            name=name,
            marker={"color": COLORS[name]},
            hovertemplate=f"%{{customdata}}<br>%{{y:{form}}} {unit}<extra>{name}</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3)
    return _dressed(figure, runs, unit)


def _numbers(runs: Sequence[Run]) -> list[int]:
    return list(range(1, len(runs) + 1))


def _labels(runs: Sequence[Run]) -> list[str]:
    """Prompts as hover text: plotly reads markup in labels, so the brackets are spelled out."""
    short = (run.prompt if len(run.prompt) <= 60 else run.prompt[:59] + "…" for run in runs)
    return [text.replace("&", "&amp;").replace("<", "&lt;") for text in short]


def _dressed(figure: go.Figure, runs: Sequence[Run], unit: str) -> go.Figure:
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": TEXT, "size": 12},
        margin={"l": 44, "r": 8, "t": 40, "b": 56},
        height=240,
        showlegend=len(figure.data) > 1,
        legend={"orientation": "h", "y": -0.28, "x": 0},
        modebar={
            "remove": ["select", "lasso", "toImage", "zoom", "pan", "zoomIn", "zoomOut", "autoScale", "resetScale"]
        },
    )
    figure.update_xaxes(
        tickformat="d", dtick=1 if len(runs) <= 12 else None, gridcolor="rgba(0,0,0,0)", title_text="run"
    )
    figure.update_xaxes(title_standoff=4, range=[0.4, max(len(runs), 4) + 0.6], zeroline=False, fixedrange=True)
    figure.update_yaxes(
        gridcolor=GRID, zeroline=False, rangemode="tozero", title_text=unit, title_font_size=11, fixedrange=True
    )
    return figure
