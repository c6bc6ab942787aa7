"""Anytime refinement: how near each picture of a refined run is, and what all of them had cost by then."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajflow.base import Model, Refinement, Result
from trajflow.bench.frontier import ROOM_BYTES, FromScratch
from trajflow.bench.markdown import table
from trajflow.learning.pairs import Pair
from trajflow.session import Session


@dataclass(frozen=True)
class Refined:
    """The pictures of one refined run, with `sources` cached runs to begin with."""

    pair: Pair
    sources: int
    pictures: tuple[Refinement, ...]


def refine_pairs(model: Model, pairs: Sequence[Pair]) -> Iterator[Refined]:
    """Refine every target to the end: with all its prompts cached, with the source alone, and with nothing."""
    from_scratch = FromScratch(model, None)
    for pair in pairs:
        cached = [from_scratch(prompt, pair.seed) for prompt in pair.cached]
        for count in dict.fromkeys((len(cached), 1, 0)):
            session = Session(model, cache_bytes=ROOM_BYTES)
            for entry in cached[:count]:
                session.adopt(entry)
            *_, last = session.stream(
                pair.target, seed=pair.seed, negative_prompt=pair.negative, refine=True, compare=True
            )
            assert isinstance(last, Result)
            yield Refined(pair, count, last.refinements)


def summarise(refined: Sequence[Refined]) -> list[dict[str, Any]]:
    """One row for each number of sources and picture: evaluations so far, dB, and how many are identical."""
    rows = []
    for sources in dict.fromkeys(each.sources for each in refined):
        group = [each.pictures for each in refined if each.sources == sources]
        for number, pictures in enumerate(zip(*group, strict=True), 1):
            metrics = [picture.metrics for picture in pictures if picture.metrics is not None]
            psnr_db = [each.psnr_db for each in metrics]
            rows.append(
                {
                    "sources": sources,
                    "picture": number,
                    "nfe": statistics.median(picture.cost.nfe for picture in pictures),
                    "seconds_median": round(statistics.median(picture.seconds for picture in pictures), 3),
                    "psnr_db_median": round(statistics.median(psnr_db), 1),
                    "psnr_db_p10": round(float(np.percentile(psnr_db, 10)), 1),
                    "identical": sum(each.identical for each in metrics),
                    "pairs": len(psnr_db),
                }
            )
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Evaluations so far with dB, median / 10th percentile, picture by picture."""
    numbers = list(dict.fromkeys(row["picture"] for row in rows))
    lines = []
    for sources in dict.fromkeys(row["sources"] for row in rows):
        cells = []
        for row in (row for row in rows if row["sources"] == sources):
            dB = f"{row['psnr_db_median']} / {row['psnr_db_p10']} dB"  # noqa: N806
            is_exact = row["identical"] == row["pairs"]
            cells.append(f"{row['nfe']:g} evaluations: {'identical' if is_exact else dB}")
        lines.append((sources or "nothing", *cells))
    return table(("cached", *(f"picture {n}" for n in numbers)), lines)
