"""Recorded sessions: chains of edits, each generated from everything before it, in every way a session can work.

The first prompt of a chain is computed in full, then each edit is made within the budget and compared with its
from-scratch picture, which the session does not see. Ways: `none` of the runs completed; `coasted` the same, with
coasted runs passed off as true ones, so that they serve as sources; `half`, every second run completed after it was
shown; `all`, every run (what an interactive session does while the user looks); `economy`. Each is set beside rivals
that use no cache: every picture of the chain by `fewer-steps` and by the learned `solver`, with as many evaluations as
that way spent on a picture in all, waited for or not.
"""

import csv
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from trajflow.base import Cost, Metrics, Model, Request, Result, Spent, StepKind
from trajflow.bench.markdown import table
from trajflow.errors import RequestError
from trajflow.metrics import compare_images
from trajflow.session import Mode, Session
from trajflow.settings import resolve_request

COLUMNS = ("seed", "kind", "prompt")
WAYS = ("none", "coasted", "half", "all", "economy")
RIVALS = ("fewer-steps", "solver")
QUARTER = 5
ROOM_BYTES = 2**36
Row = dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """A session of prompts with one noise seed; `kinds[i]` says what edit led to `prompts[i]`.

    Raises RequestError for fewer than two prompts, or a prompt that comes twice.
    """

    seed: int
    kinds: tuple[str, ...]
    prompts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.prompts) < 2 or len(set(self.prompts)) < len(self.prompts):
            raise RequestError(f"The chain of seed {self.seed} needs at least two prompts, and none of them twice.")


@dataclass(frozen=True)
class Worked:
    """One chain worked through in one way: fidelity and seconds of each edit, and all that was spent.

    `full` counts the edits whose every step was computed before they were shown.
    """

    way: str
    budget: int
    chain: Chain
    metrics: tuple[Metrics, ...]
    seconds: tuple[float, ...]
    spent: Spent
    full: int


def read_chains(path: Path) -> tuple[Chain, ...]:
    """The chains of a file, rows of one seed in their order. Raises RequestError that names the file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise RequestError(f"{path}, line 1: the columns must be {','.join(COLUMNS)}.")
            rows = [(int(row["seed"]), row["kind"], row["prompt"]) for row in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{path} could not be read as a CSV file of chains: {error}.") from error
    if not rows:
        raise RequestError(f"{path} has no chains. Add at least two rows below the columns.")
    grouped = [(seed, list(group)) for seed, group in groupby(rows, key=lambda row: row[0])]
    return tuple(Chain(seed, tuple(r[1] for r in group), tuple(r[2] for r in group)) for seed, group in grouped)


def write_chains(path: Path, chains: Sequence[Chain]) -> None:
    """Write the chains as `read_chains` reads them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for chain in chains:
            writer.writerows((chain.seed, *line) for line in zip(chain.kinds, chain.prompts, strict=True))


def measure_chains(
    model: Model, chains: Sequence[Chain], *, budgets: Sequence[int], steps: int | None = None
) -> Iterator[Worked]:
    """Work every chain through in every way at every budget; `steps` None means the model's default.

    Raises RequestError, before anything runs, for a budget out of range or when there is nothing to do.
    """
    if not chains or not budgets:
        raise RequestError("There is nothing to measure. Give at least one chain and one budget.")
    for budget in budgets:
        resolve_request(Request("any", budget=budget, steps=steps), model.defaults)
    return _measure(model, chains, budgets, steps or model.defaults.steps)


def _measure(model: Model, chains: Sequence[Chain], budgets: Sequence[int], steps: int) -> Iterator[Worked]:
    for chain in chains:
        exact = _from_scratch(model, chain, steps)
        rivals: dict[tuple[str, int], Worked] = {}
        for budget in budgets:
            for way in WAYS:
                done = _work_through(model, chain, exact, way, budget, steps)
                yield done
                total = done.spent.waited.nfe + done.spent.background.nfe
                count = min(steps, round(total / len(chain.prompts)))
                for rival in RIVALS:
                    if (rival, count) not in rivals:
                        rivals[rival, count] = _without_a_cache(model, chain, exact, rival, count, steps)
                    yield replace(rivals[rival, count], way=f"{rival} as {way}", budget=budget)


def _from_scratch(model: Model, chain: Chain, steps: int) -> tuple[Image, ...]:
    """Every picture of the chain, each from scratch."""
    with Session(model) as session:
        return tuple(
            session.generate(prompt, seed=chain.seed, steps=steps, strategy="baseline").image
            for prompt in chain.prompts
        )


def _work_through(model: Model, chain: Chain, exact: Sequence[Image], way: str, budget: int, steps: int) -> Worked:
    mode: Mode = "economy" if way == "economy" else "manual"
    results: list[Result] = []
    with Session(model, cache_bytes=ROOM_BYTES, mode=mode) as session:
        session.generate(chain.prompts[0], seed=chain.seed, steps=steps, strategy="baseline")
        for number, prompt in enumerate(chain.prompts[1:]):
            results.append(session.generate(prompt, seed=chain.seed, steps=steps, budget=budget))
            if way == "coasted":
                _pass_off(session, results[-1].key)
            if way == "all" or (way == "half" and number % 2):
                for _ in session.complete(results[-1].key):
                    pass
        return _measured(way, budget, chain, results, exact, session.spent, steps)


def _pass_off(session: Session, key: str) -> None:
    """Let a coasted run stand as if every step of it had been computed."""
    entry = next(entry for entry in session.entries() if entry.key == key)
    assert entry.trajectory is not None
    kinds: list[StepKind] = ["computed"] * len(entry.trajectory.kinds)
    session.forget(key)
    session.adopt(replace(entry, trajectory=replace(entry.trajectory, kinds=tuple(kinds))))


def _without_a_cache(model: Model, chain: Chain, exact: Sequence[Image], rival: str, count: int, steps: int) -> Worked:
    with Session(model) as session:
        results = [
            session.generate(prompt, seed=chain.seed, steps=steps, strategy=rival, budget=count)
            for prompt in chain.prompts
        ]
        return _measured(rival, count, chain, results[1:], exact, session.spent, steps)


def _measured(
    way: str, budget: int, chain: Chain, results: Sequence[Result], exact: Sequence[Image], spent: Spent, steps: int
) -> Worked:
    metrics = tuple(compare_images(result.image, image) for result, image in zip(results, exact[1:], strict=True))
    seconds = tuple(sum(result.seconds.values()) for result in results)
    full = sum(result.cost.nfe >= steps for result in results)
    return Worked(way, budget, chain, metrics, seconds, spent, full)


def summarise_chains(sessions: Sequence[Worked]) -> list[Row]:
    """One row per way and budget, over all chains, in the order measured.

    `psnr_db_by_position` are medians over edits 1-5, 6-10 and so on; evaluations and seconds are means per picture, the
    first, which is always computed in full, included; `psnr_db` are the figures of each chain, edit by edit.
    """
    rows = []
    for way, budget in dict.fromkeys((done.way, done.budget) for done in sessions):
        group = [done for done in sessions if (done.way, done.budget) == (way, budget)]
        rows.append(_row(way, budget, group))
    return rows


def _row(way: str, budget: int, group: Sequence[Worked]) -> Row:
    figures = [[metrics.psnr_db for metrics in done.metrics] for done in group]
    flat = [value for line in figures for value in line]
    pictures = sum(len(done.chain.prompts) for done in group)
    waited = sum((done.spent.waited for done in group), Cost(0, 0))
    background = sum((done.spent.background for done in group), Cost(0, 0))
    longest = max(len(line) for line in figures)
    return {
        "way": way,
        "budget": budget,
        "chains": len(group),
        "edits": len(flat),
        "psnr_db_median": statistics.median(flat),
        "psnr_db_p10": float(np.percentile(flat, 10)),
        "psnr_db_by_position": {
            f"{first + 1}-{first + QUARTER}": statistics.median(
                value for line in figures for value in line[first : first + QUARTER]
            )
            for first in range(0, longest, QUARTER)
        },
        "identical": sum(metrics.identical for done in group for metrics in done.metrics),
        "full": sum(done.full for done in group),
        "waited_nfe": waited.nfe / pictures,
        "background_nfe": background.nfe / pictures,
        "total_nfe": (waited + background).nfe / pictures,
        "seconds_median": statistics.median(value for done in group for value in done.seconds),
        "seconds_waited": sum(value for done in group for value in done.seconds),
        "psnr_db": figures,
    }


def markdown_chains(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, aligned to be read as it stands."""
    quarters = tuple(rows[0]["psnr_db_by_position"])
    heads = ["way", "budget", "edits", "PSNR dB, median", "10th percentile", *(f"edits {name}" for name in quarters)]
    heads += ["computed in full", "waited for", "background", "total per picture", "seconds"]
    lines = [
        [row["way"], str(row["budget"]), str(row["edits"])]
        + [f"{row[name]:.1f}" for name in ("psnr_db_median", "psnr_db_p10")]
        + [f"{row['psnr_db_by_position'][name]:.1f}" for name in quarters]
        + [str(row["full"])]
        + [f"{row[name]:.1f}" for name in ("waited_nfe", "background_nfe", "total_nfe")]
        + [f"{row['seconds_median']:.2f}"]
        for row in rows
    ]
    return table(heads, lines)
