"""The measuring itself, unit by unit, in one process or several; the rows are the same."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from benchmarks.evidence.bench import Bench
from benchmarks.evidence.parts import NAMES, Setting, Tables, named

Task = tuple[str, int]
_bench: dict[int | None, Bench] = {}


def tasks_of(parts: Sequence[str], setting: Setting) -> list[Task]:
    """Everything to measure: what comes at once, the longest first; all parts of a pair after each other; the timed."""
    tasks = [(name, unit) for name in parts for unit in named(name).units(setting)]
    several = {name for name in parts if len(named(name).units(setting)) > 1}

    def place(task: Task) -> tuple[bool, bool, int, int, int]:
        name, unit = task
        part = named(name)
        is_piece = name in several
        return part.is_timed, is_piece, 0 if is_piece else -part.minutes, unit, NAMES.index(name)

    return sorted(tasks, key=place)


def measure(tasks: Sequence[Task], setting: Setting, workers: int) -> Iterator[tuple[Task, Tables, float]]:
    """What each task gives and the seconds it took, as they are done; what is timed comes last, in this process."""
    timed = [task for task in tasks if named(task[0]).is_timed]
    rest = [task for task in tasks if task not in timed]
    if workers == 1:
        timed, rest = [*rest, *timed], []
    if rest:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=load_bench, initargs=(setting.scale.side,)) as pool:
            waiting = {pool.submit(_measure_one, task, setting): task for task in rest}
            for future in as_completed(waiting):
                yield waiting[future], *future.result()
    for task in timed:
        yield task, *_measure_one(task, setting)


def load_bench(side: int | None) -> Bench:
    """The model for pictures of that side, loaded once a process, on one thread: rounding does not depend on how many
    share the cores."""
    torch.set_num_threads(1)
    if side not in _bench:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        diffusers_logging.disable_progress_bar()
        _bench[side] = Bench.load(side)
    return _bench[side]


def _measure_one(task: Task, setting: Setting) -> tuple[Tables, float]:
    name, unit = task
    began = time.perf_counter()
    tables = named(name).measure(load_bench(setting.scale.side), setting, unit)
    return tables, round(time.perf_counter() - began, 1)
