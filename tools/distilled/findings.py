"""Which findings carry over: `python -m tools.distilled.findings --model FOLDER --out FILE.csv`, one model at a time.

On held-out pairs, with one picture cached and with five: the median and the worst tenth of the PSNR to the from-scratch
picture, of the methods that the documentation compares, and of the from-scratch run with half its steps. Also the angle
between the first velocities of source and target,

    cos a = <v_0(source), v_0(target)> / (|v_0(source)| |v_0(target)|),

at the noise that both start from, for edits of one attribute and for other wordings.
"""

import argparse
import csv
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import trajflow
from trajflow.assets import asset
from trajflow.base import Model
from trajflow.bench.frontier import FromScratch, measure
from trajflow.bench.table import summarise
from trajflow.learning.pairs import ALL_KINDS, Pair, read_pairs
from trajflow.metrics import compare_images
from trajflow.session import Session

ALONE = ("fewer-steps", "dpm++2m", "solver")
TRANSPORT = ("difference", "basis")
REWORDED = ("paraphrase", "praise")
COLUMNS = ("model", "cached", "strategy", "budget", "pairs", "rows", "psnr_db_median", "psnr_db_p10")
Row = dict[str, object]


def angle_deg(model: Model, pair: Pair, from_scratch: FromScratch) -> float:
    """Between the first velocities of the pair."""
    runs = [from_scratch(prompt, pair.seed).trajectory for prompt in (pair.source, pair.target)]
    first, second = (run.velocities[0].double().flatten() for run in runs if run is not None)
    return float(torch.rad2deg(torch.arccos(torch.cosine_similarity(first, second, dim=0))))


def of_methods(
    model: Model, pairs: Sequence[Pair], cached: int, strategies: Sequence[str], budgets: Sequence[int]
) -> Iterator[Row]:
    """A row for each method and budget; methods that take nothing from the cache stand at 0 cached pictures."""
    measured = measure(model, pairs, strategies=strategies, budgets=list(budgets))
    total = len(pairs) * len(strategies) * len(budgets)
    for row in summarise(list(tqdm(measured, total=total, desc=f"{cached} cached"))):
        if row["kind"] == ALL_KINDS:
            yield {**row, "cached": 0 if row["strategy"] in ALONE else cached}


def of_runs(model: Model, pairs: Sequence[Pair]) -> Iterator[Row]:
    """Half the steps, and the angles, in degrees where the PSNR stands otherwise."""
    from_scratch = FromScratch(model, None)
    half = model.defaults.steps // 2
    found: dict[str, list[float]] = {"fewer-steps": [], "angle, edits": [], "angle, other wordings": []}
    for pair in tqdm(pairs, desc="half the steps"):
        made = Session(model).generate(pair.target, seed=pair.seed, strategy="fewer-steps", budget=half)
        reference = from_scratch(pair.target, pair.seed).result
        found["fewer-steps"].append(compare_images(made.image, reference.image).psnr_db)
        kind = "angle, other wordings" if pair.kind in REWORDED else "angle, edits"
        found[kind].append(angle_deg(model, pair, from_scratch))
    for name, values in found.items():
        told = {"budget": half, "rows": made.cost.rows} if name == "fewer-steps" else {}
        spread = {"psnr_db_median": statistics.median(values), "psnr_db_p10": float(np.percentile(values, 10))}
        yield {"cached": 0, "strategy": name, "pairs": len(values), **told, **spread}


def find(model: Model, pairs: Sequence[Pair], budgets: Sequence[int]) -> Iterator[Row]:
    """The rows of the table, `model` left out."""
    alone = [replace(pair, history=()) for pair in pairs]
    yield from of_methods(model, alone, 1, ALONE + TRANSPORT, budgets)
    yield from of_runs(model, alone)
    yield from of_methods(model, pairs, 5, TRANSPORT, budgets)


def main(arguments: list[str] | None = None) -> None:
    """Measure one model and append its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--name", help="of the model in the table")
    parser.add_argument("--pairs", type=Path, default=asset("pairs") / "heldout_session.csv")
    parser.add_argument("--limit", type=int, default=12, help="only so many pairs, spread over the file")
    parser.add_argument("--budgets", type=int, nargs="+", default=(5, 10))
    parser.add_argument("--out", type=Path, required=True, help="CSV file, appended to")
    options = parser.parse_args(arguments)
    pairs = read_pairs(options.pairs)
    pairs = pairs[:: max(1, len(pairs) // options.limit)][: options.limit]
    with options.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        if not file.tell():
            writer.writeheader()
        for row in find(trajflow.load(options.model), pairs, options.budgets):
            rounded = {key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()}
            writer.writerow({"model": options.name or options.model, **rounded})
            file.flush()


if __name__ == "__main__":
    main()
