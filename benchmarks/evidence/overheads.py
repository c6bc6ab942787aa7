"""What the machinery around the network costs, in milliseconds and bytes, medians of repeated calls on one thread."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.evidence.bench import Edit, Scale
from benchmarks.evidence.timing import median_seconds
from trajflow.cache import Memory, SentenceEncoder, TrajectoryCache, nearest, new_key
from trajflow.cache.entry import VECTOR_SIZE
from trajflow.field import latents_at
from trajflow.methods import METHODS

Row = dict[str, Any]
CROWD = 1000


def measure(edit: Edit, scale: Scale) -> list[Row]:
    """Rows of `what` and `value` with its `unit`; then each strategy's own time beyond its evaluations."""
    entry, source = edit.sources[0], edit.source_run
    encoder, model = SentenceEncoder(), edit.bench.model
    vector = encoder.encode(edit.pair.target)
    crowd = list(_crowd())
    cache = TrajectoryCache([Memory("memory", 2**36)])
    late = 3 * source.schedule.steps // 4
    x, point = source.noise, source.schedule.point(0)
    one = _milliseconds(lambda: model.evaluate(x, point, edit.new), scale.repeats)
    prompts = (f"{edit.pair.target} {number}" for number in itertools.count())
    timed = {
        "one evaluation of the network": one,
        "sentence vector of a prompt": _milliseconds(lambda: encoder.encode(next(prompts)), scale.repeats),
        f"similarity search among {CROWD:,} prompts": _milliseconds(lambda: nearest(vector, crowd, 6), scale.repeats),
        "save a run": _milliseconds(lambda: cache.adopt(replace(entry, key=new_key())), scale.repeats),
        "restore x at 75 % of a run": _milliseconds(lambda: latents_at(source, late), scale.repeats),
        "decode a picture": _milliseconds(lambda: model.decode(edit.old_latents), scale.repeats),
    }
    rows: list[Row] = [{"what": what, "value": round(value, 3), "unit": "ms"} for what, value in timed.items()]
    rows.append({"what": "bytes of a cached run, picture and vector included", "value": entry.nbytes, "unit": "bytes"})
    rows.append({"what": "bytes of one latent", "value": x.numel() * x.element_size(), "unit": "bytes"})
    for name, strategy in METHODS.items():
        if strategy.family in ("switch", "transport"):
            runs = [edit.make(name, scale.budgets[-1])[0] for _ in range(max(1, scale.repeats // 6))]
            own = statistics.median(1e3 * run.seconds["sample"] - run.cost.nfe * one for run in runs)
            planning = statistics.median(1e3 * run.seconds["plan"] for run in runs)
            value = round(max(0.0, own + planning), 1)
            rows.append({"what": name, "value": value, "unit": "ms beyond its evaluations, whole run"})
    return rows


def _crowd() -> np.ndarray:
    """Unit vectors [CROWD, 384] float32 in random directions."""
    vectors = np.random.default_rng(0).normal(size=(CROWD, VECTOR_SIZE)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _milliseconds(call: Callable[[], object], repeats: int) -> float:
    return 1e3 * median_seconds(call, repeats)
