"""Which K of the N steps a from-scratch solver should keep: searched on calibration prompts, stored, read by the bench.

A rival that runs on K of the model's own N sigmas is given the best K that a search finds, so that it loses, where it
loses, to the method and not to its grid. Objective: mean squared error of the final latents to the N-step run, over all
prompts at once. Nothing of it has seen a held-out prompt.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import RIVALS
from benchmarks.rivals import solve, subset
from trajflow.base import Model
from trajflow.errors import RequestError
from trajflow.field import even_nodes
from trajflow.learning.known import SharingModel, run_known
from trajflow.learning.pairs import Pair
from trajflow.methods import of_family
from trajflow.search import Found, search_nodes

SOLVERS = of_family("shorter")
Steps = dict[str, dict[int, tuple[int, ...]]]


def search_steps(
    model: Model,
    pairs: Sequence[Pair],
    *,
    counts: Sequence[int],
    steps: int,
    iterations: int,
    rounds: int,
    known: Steps | None = None,
    known_steps: int = 0,
) -> Iterator[tuple[str, int, Found]]:
    """Yield (solver, K, what was found) for every solver and K; K ascends.

    A search starts at the best of: even spacing; what is `known` for K on a grid of `known_steps`, stretched to this
    one; and the set of the next smaller K, known or found, filled up one best step at a time.
    """
    runs = run_known(model, [(pair.target, pair.seed) for pair in pairs], steps)
    sharing = SharingModel(model)
    for solver in SOLVERS:
        held = {k: _stretched(nodes, known_steps, steps) for k, nodes in (known or {}).get(solver, {}).items()}
        for count in sorted(counts):

            def loss(nodes: tuple[int, ...], solver=solver) -> float:
                field = runs.field(sharing, subset(runs.schedule, nodes))
                return float((solve(solver, field) - runs.path[-1]).square().mean())

            start = _start(held, steps, count, loss)
            found = search_nodes(steps, count, loss, start=start, iterations=iterations, rounds=rounds)
            held[count] = found.nodes
            yield solver, count, found


def _stretched(nodes: tuple[int, ...], steps: int, target: int) -> tuple[int, ...]:
    """The set on another grid; empty where two of its steps fall together."""
    scaled = tuple(min(target - 1, round(node * target / steps)) for node in nodes)
    return scaled if len(set(scaled)) == len(nodes) else ()


def _start(
    held: dict[int, tuple[int, ...]], steps: int, count: int, loss: Callable[[tuple[int, ...]], float]
) -> tuple[int, ...]:
    candidates = [even_nodes(steps, count), held.get(count, ())]
    smaller = [nodes for k, nodes in sorted(held.items()) if nodes and k < count]
    if smaller:
        grown = smaller[-1]
        while len(grown) < count:
            grown = min((tuple(sorted((*grown, k))) for k in range(1, steps) if k not in grown), key=loss)
        candidates.append(grown)
    return min(filter(None, candidates), key=loss)


def write_steps(
    path: Path, found: Sequence[tuple[str, int, Found]], about: dict[str, Any], others: Sequence[dict[str, Any]] = ()
) -> None:
    """Store what was found with its provenance, and rows of `others` for solvers and K that were not searched."""
    rows = [
        {"solver": solver, "count": count, "nodes": list(each.nodes), "latent_mse": each.loss, "sets": each.evaluated}
        for solver, count, each in found
    ]
    searched = {(row["solver"], row["count"]) for row in rows}
    rows += [row for row in others if (row["solver"], row["count"]) not in searched]
    rows.sort(key=lambda row: (SOLVERS.index(row["solver"]), row["count"]))
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    head = json.dumps(about, indent=2).removesuffix("\n}")
    path.write_text(f'{head},\n  "found": [\n{lines}\n  ]\n}}\n', encoding="utf-8")


def read_steps(path: Path | None = None) -> Steps:
    """The stored steps by solver and K. Raises RequestError when the file is missing or damaged."""
    steps: Steps = {}
    for row in read_rows(path or RIVALS)[1]:
        steps.setdefault(row["solver"], {})[row["count"]] = tuple(row["nodes"])
    return steps


def read_rows(path: Path) -> tuple[int, list[dict[str, Any]]]:
    """N, and the file's rows: solver, count, nodes and how they were found. Raises RequestError as `read_steps`."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {**row, "count": int(row["count"]), "nodes": [int(k) for k in row["nodes"]], "solver": str(row["solver"])}
            for row in stored["found"]
        ]
        return int(stored["steps"]), rows
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path} holds no searched steps ({error}). Make it with: python -m benchmarks rivals."
        ) from error
