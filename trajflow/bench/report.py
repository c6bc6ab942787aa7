"""A short report on a model of one's own, as a record that can be sent: what the methods are worth on it, and why.

Besides the frontier: how the velocities of related prompts differ along the path,

    D_k = v_k(new) - v_k(old),   |D_k| / |v_k|   and   |D_{k+1} - D_k| / |D_k|

(small and smooth is what transport lives on), and the numerical floor: the PSNR of the same from-scratch run by other
kernels. Nothing can be told to be nearer than that.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from trajflow.base import Model, Trajectory
from trajflow.bench.frontier import FromScratch, Measurement, measure
from trajflow.bench.markdown import table
from trajflow.bench.scores import Score
from trajflow.bench.table import markdown as frontier_table
from trajflow.bench.table import summarise
from trajflow.calibration import find_profile, model_digest
from trajflow.learning.known import run_known
from trajflow.learning.pairs import ALL_KINDS, Pair
from trajflow.metrics import compare_images
from trajflow.session import Session

FORMAT = 1
STRATEGIES = ("basis", "difference", "solver", "fewer-steps", "unipc", "auto")
PHASES = ("embed", "lookup", "plan", "sample", "decode")
Report = dict[str, Any]


def report(
    model: Model,
    pairs: Sequence[Pair],
    *,
    budgets: Sequence[int],
    steps: int | None = None,
    scores: Mapping[str, Score] | None = None,
    absent: Mapping[str, str] | None = None,
) -> Report:
    """Everything that is measured of a model, plain enough for JSON. Raises RequestError as `measure` does."""
    from_scratch = FromScratch(model, steps)
    measured = list(
        measure(model, pairs, strategies=STRATEGIES, budgets=list(budgets), steps=steps, scores=scores or {})
    )
    total = steps or model.defaults.steps
    known = find_profile(model.identity())
    return {
        "format": FORMAT,
        "model": model.name,
        "family": model.family,
        "digest": model_digest(model.identity()),
        "steps": total,
        "guidance": model.defaults.guidance,
        "pairs": len(pairs),
        "calibrated": {
            "one source": sorted(known.single),
            "several": sorted(known.several),
            "none": sorted(known.without_sources),
        },
        "frontier": [row for row in summarise(measured) if row["kind"] == ALL_KINDS],
        "scores": _score_rows(measured),
        "scores_absent": dict(absent or {}),
        "overheads": _overheads(model, pairs[0], from_scratch, total, max(budgets)),
        "difference": _differences([(from_scratch(p.source, p.seed), from_scratch(p.target, p.seed)) for p in pairs]),
        "floor": _floor(model, pairs[0], from_scratch, total),
    }


def _score_rows(measured: Sequence[Measurement]) -> list[Report]:
    rows = []
    for strategy, budget in dict.fromkeys((each.strategy, each.budget) for each in measured):
        group = [each.scores for each in measured if (each.strategy, each.budget) == (strategy, budget)]
        medians = {name: round(statistics.median(each[name] for each in group), 4) for name in group[0]}
        if medians:
            rows.append({"strategy": strategy, "budget": budget, **medians})
    return rows


def _overheads(model: Model, pair: Pair, from_scratch: FromScratch, steps: int, budget: int) -> Report:
    """Seconds by phase of the run from scratch and of one with a source, and of an evaluation."""
    source, full = from_scratch(pair.source, pair.seed), from_scratch(pair.target, pair.seed).result
    session = Session(model)
    session.adopt(source)
    result = session.generate(pair.target, seed=pair.seed, steps=steps, strategy="difference", budget=budget)
    phases = {
        name: {phase: round(run.seconds.get(phase, 0.0), 5) for phase in PHASES}
        for name, run in (("from scratch", full), (f"difference, {budget} evaluations", result))
    }
    one = full.seconds["sample"] / full.cost.nfe
    own = max(0.0, result.seconds["sample"] - result.cost.nfe * one)
    return {"seconds": phases, "one_evaluation_s": round(one, 5), "own_s": round(own, 5), "run_bytes": source.nbytes}


def _differences(runs: Sequence[tuple[Any, Any]]) -> Report:
    """Medians over the pairs by step; the first is at the common noise."""
    sizes, changes = [], []
    for old, new in runs:
        assert old.trajectory is not None
        assert new.trajectory is not None
        size, change = _difference(old.trajectory, new.trajectory)
        sizes.append(size)
        changes.append(change)
    return {
        "relative_size": [round(float(each), 5) for each in np.median(sizes, axis=0)],
        "relative_change": [round(float(each), 5) for each in np.median(changes, axis=0)],
        "first_by_pair": [round(float(size[0]), 5) for size in sizes],
    }


def _difference(old: Trajectory, new: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    velocities = new.velocities.double().cpu().flatten(1)
    apart = velocities - old.velocities.double().cpu().flatten(1)
    size = apart.norm(dim=1).clamp_min(1e-12)
    return (size / velocities.norm(dim=1)).numpy(), (apart.diff(dim=0).norm(dim=1) / size[:-1]).numpy()


def _floor(model: Model, pair: Pair, from_scratch: FromScratch, steps: int) -> Report:
    """PSNR in dB of the same from-scratch run: attention by the plain kernel, and beside another prompt."""
    truth = from_scratch(pair.target, pair.seed).result.image
    with sdpa_kernel(SDPBackend.MATH):
        result = Session(model).generate(pair.target, seed=pair.seed, steps=steps, strategy="baseline")
    found = {"plain attention": compare_images(result.image, truth).psnr_db}
    if model.most_prompts > 1:
        with torch.no_grad():
            beside = run_known(model, [(pair.target, pair.seed), (pair.source, pair.seed)], steps)
        found["beside another prompt"] = compare_images(model.decode(beside.path[-1][:1]), truth).psnr_db
    return {name: round(value, 2) for name, value in found.items()}


def markdown(found: Mapping[str, Any]) -> str:
    """The report in short."""
    sizes, changes = found["difference"]["relative_size"], found["difference"]["relative_change"]
    at = sorted({0, len(sizes) // 4, len(sizes) // 2, 3 * len(sizes) // 4, len(sizes) - 1})
    shown = [(k, f"{sizes[k]:.3f}", f"{changes[k]:.3f}" if k < len(changes) else "–") for k in at]
    phases = found["overheads"]["seconds"]
    floor = [f"{name} {'identical' if db >= 100 else f'{db:.1f} dB'}" for name, db in found["floor"].items()]
    parts = [
        f"# {found['model']}",
        f"{found['family']}, {found['steps']} steps, guidance {found['guidance']:g}, {found['pairs']} pairs of "
        f"prompts, {found.get('device', 'device unknown')}. PSNR to the from-scratch picture of the same seed.",
        frontier_table(found["frontier"]),
        f"Numerical floor, the same run by other kernels: {', '.join(floor)}.",
        "How far the velocities of both prompts are apart, and how fast that changes:",
        table(("step", "D relative to v", "its change in a step"), shown),
        table(("seconds", *PHASES), [(name, *(by[phase] for phase in PHASES)) for name, by in phases.items()]),
    ]
    if found["scores"]:
        heads = list(found["scores"][0])
        parts.append(table(heads, [[row[name] for name in heads] for row in found["scores"]]))
    if found["scores_absent"]:
        parts.append("Not given: " + "; ".join(f"{name} ({why})" for name, why in found["scores_absent"].items()) + ".")
    return "\n\n".join(parts) + "\n"
