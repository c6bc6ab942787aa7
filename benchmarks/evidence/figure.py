"""A published figure, and how ours is read from the measured tables: nothing under `here` is typed in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajflow.assets import WORLD

Rows = Sequence[Mapping[str, Any]]
Here = Callable[[Mapping[str, Rows]], str | None]


@dataclass(frozen=True)
class Figure:
    """One published figure; `part` is the part of the evidence that measures ours, empty where another command does."""

    source: str
    what: str
    published: str
    part: str
    here: Here
    comparable: str
    why: str = ""


def _matching(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def _median(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.median(known)) if known else None


def value(part: str, what: str, unit: str = "", digits: int = 3) -> Here:
    """A row of `what` and `value`."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        found = _matching(tables.get(part, ()), what=what)
        return f"{found[0]['value']:.{digits}g} {unit}".strip() if found else None

    return read


def speed(what: str) -> Here:
    """Seconds of a request and how much faster it is than from scratch."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = tables.get("numerics", ())
        full, taken = _matching(rows, what="request, from scratch"), _matching(rows, what=f"request, {what}")
        if not full or not taken:
            return None
        return f"{taken[0]['value']:.2g} s, {full[0]['value'] / taken[0]['value']:.2f}x"

    return read


def resumed(kept: str) -> Here:
    """A run resumed with that much of its state."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = _matching(tables.get("state", ()), kept=kept)
        psnr_db, ssim = (_median([row[name] for row in rows]) for name in ("psnr_db", "ssim"))
        if psnr_db is None or ssim is None:
            return None
        return "identical" if psnr_db >= 100 else f"{psnr_db:.1f} dB, SSIM {ssim:.2f}"

    return read


def tier(share: float, method: str = "resume") -> Here:
    """Resuming at a tier, by method, to both pictures."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = _matching(tables.get("tiers", ()), share=share, method=method)
        to_new, to_old = (_median([row[name] for row in rows]) for name in ("psnr_db", "psnr_old_db"))
        return None if to_new is None else f"{to_new:.1f} dB to the new picture, {to_old:.1f} to the old"

    return read


def at_budget(method: str, budget: int, value: str = "psnr_db") -> Here:
    """Median of one-attribute edits in the contest."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = _matching(tables.get("contest", ()), method=method, budget=budget)
        found = _median([row[value] for row in rows if row["kind"] not in WORLD.light])
        return None if found is None else f"{found:.1f} dB at {budget} evaluations"

    return read


def of_paths(method: str, value: str, words: str = "") -> Here:
    """Median over pairs of a diagnostic of the paths."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = _matching(tables.get("paths", ()), method=method)
        found = _median([row.get(value) for row in rows])
        return None if found is None else f"{found:.3g}{words}"

    return read


def without_sources(method: str, budget: int) -> Here:
    """A way without a source, with what its search or estimation took."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = _matching(tables.get("policies", ()), method=method, budget=budget)
        if not rows:
            return None
        row = rows[0]
        seconds = "" if row["seconds_learning"] is None else f", {row['seconds_learning']:.0f} s of learning"
        return f"{row['psnr_db_median']:.1f} dB, SSIM {row['ssim_median']:.3f}, {row['nfe']} of {row['steps']}{seconds}"

    return read


def between(ours: str, theirs: str, budget: int) -> Here:
    """Median of paired differences in dB."""

    def read(tables: Mapping[str, Rows]) -> str | None:
        rows = [_matching(tables.get("policies", ()), method=name, budget=budget) for name in (ours, theirs)]
        if not all(rows):
            return None
        found = _median([a - b for a, b in zip(rows[0][0]["psnr_db"], rows[1][0]["psnr_db"], strict=True)])
        return f"{found:+.2f} dB at {budget} evaluations"

    return read


def nothing(_: Mapping[str, Rows]) -> str | None:
    """What is not measured here."""
    return None


def conditions(tables: Mapping[str, Rows]) -> str | None:
    """Condition numbers by horizon."""
    head = "condition number of the reduced Hessian, horizon "
    found = [row for row in tables.get("numerics", ()) if str(row["what"]).startswith(head)]
    cells = [f"{row['value']:.3g} at {str(row['what']).removeprefix(head)}" for row in found]
    return ", ".join(cells) or None


def batches(tables: Mapping[str, Rows]) -> str | None:
    """How much faster a prompt is done beside others."""
    rows = tables.get("numerics", ())
    alone = _matching(rows, what="from scratch, one prompt alone")
    beside = [row for row in rows if str(row["what"]).endswith("prompts side by side")]
    if not alone or not beside:
        return None
    cells = [f"{alone[0]['value'] / row['value']:.2f}x for {str(row['what']).split()[2]}" for row in beside]
    return f"a prompt is done {', '.join(cells)} side by side"
