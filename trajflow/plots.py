"""Figures of a session: latency, fidelity and evaluations per run, and the velocity angle per step of one run.

The figures have no background and no title of their own, so that they sit on a light or a dark page alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from trajflow.base import Result

CACHED, BASELINE = "#e07a3f", "#7f8ea3"
TEXT, GRID = "#808691", "rgba(128, 134, 145, 0.22)"


@dataclass(frozen=True)
class Run:
    """The figures of one finished run: seconds and evaluations, with the from-scratch run's where it was compared."""

    prompt: str
    seconds: float
    nfe: int
    steps: int
    psnr_db: float | None
    baseline_seconds: float | None
    baseline_nfe: int | None

    @classmethod
    def of(cls, result: Result, steps: int) -> "Run":
        """The figures of `result`, whose grid has `steps` steps."""
        return cls(
            prompt=result.request.prompt,
            seconds=sum(result.seconds.values()),
            nfe=result.cost.nfe,
            steps=steps,
            psnr_db=result.metrics.psnr_db if result.metrics else None,
            baseline_seconds=sum(result.baseline_seconds.values()) if result.baseline_seconds else None,
            baseline_nfe=result.baseline_cost.nfe if result.baseline_cost else None,
        )


def angles(by_step: Mapping[int, float]) -> pd.DataFrame | None:
    """Columns `step` and `degrees`, one row per evaluated step, in order; None where there is nothing to draw."""
    if not by_step:
        return None
    rows = sorted(by_step.items())
    return pd.DataFrame({"step": [k for k, _ in rows], "degrees": [float(angle) for _, angle in rows]})


def latency(runs: Sequence[Run]) -> go.Figure:
    """Seconds per run, cached beside from scratch."""
    return _bars(runs, [run.seconds for run in runs], [run.baseline_seconds for run in runs], "seconds", ".2f")


def evaluations(runs: Sequence[Run]) -> go.Figure:
    """Network evaluations per run, cached beside from scratch."""
    return _bars(runs, [run.nfe for run in runs], [run.baseline_nfe or run.steps for run in runs], "evaluations", "d")


def fidelity(runs: Sequence[Run]) -> go.Figure:
    """PSNR in dB to the from-scratch picture, for the runs that were compared; identical pictures stand at 100."""
    figure = go.Figure(
        go.Scatter(
            x=_numbers(runs),
            y=[run.psnr_db for run in runs],
            customdata=_labels(runs),
            mode="lines+markers",
            line={"color": CACHED, "width": 2},
            marker={"color": CACHED, "size": 8},
            hovertemplate="%{customdata}<br>%{y:.1f} dB<extra></extra>",
            name="cached",
        )
    )
    return _dressed(figure, runs, "dB").update_yaxes(range=[0, 108])


def _bars(
    runs: Sequence[Run], cached: Sequence[float], baseline: Sequence[float | None], unit: str, form: str
) -> go.Figure:
    figure = go.Figure()
    for name, values, color in (("cached", cached, CACHED), ("from scratch", baseline, BASELINE)):
        figure.add_bar(
            x=_numbers(runs),
            y=list(values),
            customdata=_labels(runs),
            name=name,
            marker={"color": color},
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
