"""The step strip: one cell per step of the grid, coloured by how its velocity came about, evaluated steps tall."""

from collections.abc import Mapping, Sequence
from html import escape

from trajflow.base import StepKind

MEANING: dict[StepKind, str] = {
    "computed": "the network was asked",
    "coasted": "predicted from the cached path",
    "cached": "taken from the cached path",
    "reused": "what the network found at earlier steps was used again, at no evaluation",
}
REUSE = (
    "Reused steps cost no evaluation: what the network found at earlier steps of this very run stands in, because it "
    "changes slowly from step to step."
)


def strip(kinds: Sequence[StepKind | None], angles: Mapping[int, float] | None = None) -> str:
    """HTML of the strip; None is a step still to come."""
    if not kinds:
        text = "Every step of a run shows here: computed, coasted, cached or reused."
        return f'<div class="tf-strip tf-empty"><p>{text}</p></div>'
    cells = "".join(_cell(k, kind, (angles or {}).get(k)) for k, kind in enumerate(kinds))
    counts = {kind: sum(1 for other in kinds if other == kind) for kind in MEANING}
    legend = "".join(
        f'<li class="{"" if counts[kind] else "tf-none"}" title="{escape(meaning)}">'
        f'<i class="tf-{kind}"></i>{kind} <b>{counts[kind]}</b></li>'
        for kind, meaning in MEANING.items()
    )
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "nothing yet"
    note = f'<p class="tf-note">{REUSE}</p>' if counts["reused"] else ""
    return (
        '<div class="tf-strip">'
        f'<div class="tf-cells" role="img" aria-label="{len(kinds)} steps: {summary}">{cells}</div>'
        f'<ul class="tf-legend">{legend}</ul>{note}</div>'
    )


def _cell(k: int, kind: StepKind | None, angle: float | None) -> str:
    if kind is None:
        return '<span class="tf-pending"></span>'
    more = f"{angle:.1f}° from the cached velocity" if angle is not None else MEANING[kind]
    return f'<span class="tf-{kind}" title="step {k + 1}: {kind}, {more}"></span>'
