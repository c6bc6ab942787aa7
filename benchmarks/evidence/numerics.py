"""Time and rounding: seconds of a request by tier, the same run in other number formats and beside other prompts, and
how well conditioned the controller's quadratic program is. In one process, with nothing else on the machine."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.evidence.bench import Bench, Edit, Scale
from benchmarks.evidence.timing import median_seconds
from trajflow.base import Model
from trajflow.cache.tiers import PUBLISHED, resume_step
from trajflow.learning.known import run_known
from trajflow.metrics import compare_images
from trajflow.models.registry import wrap
from trajflow.session import Session
from trajflow.transitions.horizon import CONTROL_HORIZON, EFFORT, SMOOTH

Row = dict[str, Any]
HORIZONS = (3, 5, 10, 20, 40)
RESPONSE = 1.5


def measure(edit: Edit, scale: Scale) -> Iterator[Row]:
    """Rows of `what`, `value` and `unit`."""
    repeats = max(1, scale.repeats // 6)
    yield from _latency(edit, repeats)
    yield from _formats(edit)
    yield from _batches(edit, scale, repeats)
    for horizon in HORIZONS:
        yield _row(f"condition number of the reduced Hessian, horizon {horizon}", condition(horizon), "")


def _row(what: str, value: float, unit: str) -> Row:
    return {"what": what, "value": float(f"{value:.6g}"), "unit": unit}


def _latency(edit: Edit, repeats: int) -> Iterator[Row]:
    """Seconds of a whole request, text and picture included: from scratch, an exact repeat, and at each tier."""
    steps = edit.bench.model.defaults.steps
    full = median_seconds(lambda: edit.make("baseline", None), repeats)
    yield _row("request, from scratch", full, "s")
    session = Session(edit.bench.model)
    session.adopt(edit.sources[0])
    again = median_seconds(lambda: session.generate(edit.pair.source, seed=edit.pair.seed), repeats)
    yield _row("request, exact repeat", again, "s")
    for tier in PUBLISHED:
        budget = steps - resume_step(tier.resume_fraction, steps)
        for method in ("resume", "difference", "basis"):
            taken = median_seconds(lambda method=method, budget=budget: edit.make(method, budget), repeats)
            yield _row(f"request, {method} at the tier of {tier.resume_fraction:.0%}", taken, "s")
    below = median_seconds(lambda: edit.make("published", None, 1), repeats)
    yield _row("request, published, as its tier has it", below, "s")


def _formats(edit: Edit) -> Iterator[Row]:
    """dB of the same from-scratch run with the network in another number format."""
    truth = edit.target.result.image
    for name, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        model = _as(edit.bench, dtype)
        result = Session(model).generate(edit.pair.target, seed=edit.pair.seed, strategy="baseline")
        yield _row(f"from scratch in {name}", compare_images(result.image, truth).psnr_db, "dB to float32")
    moved = edit.source_run.velocities.half().float() - edit.source_run.velocities
    yield _row("largest loss of a float32 velocity kept as float16", float(moved.abs().max()), "")
    kept = edit.source_run.velocities.clone() - edit.source_run.velocities
    yield _row("loss of a copy to the store and back", float(kept.abs().max()), "")


def _as(bench: Bench, dtype: torch.dtype) -> Model:
    pipeline = copy.deepcopy(bench.pipeline).to(dtype)
    return wrap(pipeline, "tiny", bench.settings)


def _batches(edit: Edit, scale: Scale, repeats: int) -> Iterator[Row]:
    """Seconds a prompt when several go side by side, and the floor: how near the same run is to itself alone."""
    bench, steps = edit.bench, scale.steps or edit.bench.model.defaults.steps
    prompts = [(entry.result.request.prompt, edit.pair.seed) for entry in (edit.target, *edit.sources)]
    alone = run_known(bench.model, prompts[:1], steps)
    taken = median_seconds(lambda: run_known(bench.model, prompts[:1], steps), repeats)
    yield _row("from scratch, one prompt alone", taken, "s a prompt")
    for count in scale.beside:
        some = [prompts[i % len(prompts)] for i in range(count)]
        some = [(prompt, seed + i // len(prompts)) for i, (prompt, seed) in enumerate(some)]
        beside = run_known(bench.model, some, steps)
        taken = median_seconds(lambda some=some: run_known(bench.model, some, steps), repeats) / count
        yield _row(f"from scratch, {count} prompts side by side", taken, "s a prompt")
        pictures = [bench.model.decode(known.path[-1][:1]) for known in (beside, alone)]
        yield _row(f"floor: one of {count} side by side to itself alone", compare_images(*pictures).psnr_db, "dB")
        yield _row(f"floor: latents, one of {count}", _largest(beside.path[-1][:1], alone.path[-1]), "largest change")


def _largest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def condition(horizon: int) -> float:
    """Condition number of H = sum_q G_q' G_q + effort, the Hessian in one direction once the states are eliminated.

    s_q = G_q w with s' = (1 + h r) s + w, h = -1/28 and r the prior of the Jacobian at sigma = 1/2
    (`transitions/jacobian.py`); controls are held from the second on, as in `transitions/horizon.py`.
    """
    grow = 1 - 2 * RESPONSE / 28
    moves = min(CONTROL_HORIZON, horizon)
    states = np.zeros((horizon, moves))
    reach = np.zeros(moves)
    for q in range(horizon):
        reach = grow * reach
        reach[min(q, moves - 1)] += 1
        states[q] = reach
    counts = np.bincount([min(q, moves - 1) for q in range(horizon)], minlength=moves)
    changes = np.eye(moves) - np.eye(moves, k=-1)
    return float(np.linalg.cond(states.T @ states + EFFORT * np.diag(counts) + SMOOTH * changes.T @ changes))
