"""The measuring itself, edit by edit, in one process or several; the rows are the same and in the same order."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from benchmarks.evidence import contest, overheads, state, switching
from benchmarks.evidence.bench import Bench, Edit, Scale
from trajflow.base import Defaults
from trajflow.learning.pairs import Pair

Rows = list[dict]
Task = tuple[int, Pair, Scale]
_bench: list[Bench] = []


def measure(pairs: Sequence[Pair], scale: Scale, workers: int) -> Iterator[dict[str, Rows]]:
    """For every pair, in order, the rows of each table it has a part in."""
    tasks = [(number, pair, scale) for number, pair in enumerate(pairs)]
    if workers == 1:
        _begin()
        yield from map(_measure_one, tasks)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin) as pool:
        yield from pool.map(_measure_one, tasks)


def measure_overheads(pair: Pair, scale: Scale) -> Rows:
    """Timings on the first pair, in this process, once nothing else runs."""
    _begin()
    return overheads.measure(Edit.prepare(_bench[0], 0, pair), scale)


def model_defaults() -> Defaults:
    """The bundled model's default steps, guidance and size."""
    _begin()
    return _bench[0].model.defaults


def _begin() -> None:
    """Load the model once per process, on one thread: timing and rounding do not depend on how many share the cores."""
    torch.set_num_threads(1)
    if not _bench:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        diffusers_logging.disable_progress_bar()
        _bench.append(Bench.load())


def _measure_one(task: Task) -> dict[str, Rows]:
    number, pair, scale = task
    edit = Edit.prepare(_bench[0], number, pair)
    rows = {"contest": list(contest.measure(edit, scale)), "tiers": list(switching.measure_tiers(edit))}
    if number % scale.some == 0:
        rows["fades"] = list(switching.measure_fades(edit, scale))
        rows["inertia"] = list(switching.measure_inertia(edit, scale))
        rows["state"] = list(state.measure(edit, scale))
    return rows
