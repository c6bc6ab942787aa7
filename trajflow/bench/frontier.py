"""Fidelity against evaluations: every strategy at every budget on every pair, compared with the from-scratch picture.

Each target is made in a session of its own that holds the source and the history, each from scratch with the pair's
seed, and nothing else. A from-scratch run depends on nothing but prompt, seed and steps, so it is made once and its
entry, which never changes, is given to every session that needs it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trajflow.base import Cost, Metrics, Model, Request, Result
from trajflow.cache import Entry
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair
from trajflow.metrics import compare_images
from trajflow.session import Session
from trajflow.settings import resolve_request

REMEMBERED_RUNS = 64
# A ceiling, not an allocation: no source may be evicted before its target is made.
ROOM_BYTES = 2**36


@dataclass(frozen=True)
class Measurement:
    """One target made by one strategy at one budget (None: the planner chose).

    `computed` are the steps that were evaluated, `sources` counts the trajectories the plan drew on, `latency_s` and
    `baseline_latency_s` are seconds from the prompt to the picture.
    """

    strategy: str
    budget: int | None
    pair: Pair
    cost: Cost
    metrics: Metrics
    sources: int
    computed: tuple[int, ...]
    latency_s: float
    baseline_latency_s: float


def runs(strategies: Sequence[str], budgets: Sequence[int | None]) -> tuple[tuple[str, int | None], ...]:
    """What is measured on each pair, each once; `baseline` knows no budget and appears without one."""
    asked = [(name, None if name == "baseline" else budget) for name in strategies for budget in budgets]
    return tuple(dict.fromkeys(asked))


def measure(
    model: Model,
    pairs: Sequence[Pair],
    *,
    strategies: Sequence[str],
    budgets: Sequence[int | None],
    steps: int | None = None,
) -> Iterator[Measurement]:
    """Measure pair by pair, in the order of `runs` within each; `steps` None means the model's default.

    Raises RequestError at the call, before anything runs, for an unknown strategy, a budget out of range, or when there
    is nothing to do.
    """
    asked = runs(strategies, budgets)
    if not pairs or not asked:
        raise RequestError("There is nothing to measure. Give at least one pair, one strategy and one budget.")
    for strategy, budget in asked:
        resolve_request(Request("any", strategy=strategy, budget=budget, steps=steps), model.defaults)
    return _measure(model, pairs, asked, steps)


def _measure(
    model: Model, pairs: Sequence[Pair], asked: tuple[tuple[str, int | None], ...], steps: int | None
) -> Iterator[Measurement]:
    _warm(model, pairs[0], asked, steps)
    from_scratch = FromScratch(model, steps)
    for pair in pairs:
        sources = [from_scratch(prompt, pair.seed) for prompt in pair.cached]
        baseline = from_scratch(pair.target, pair.seed, pair.negative).result
        for strategy, budget in asked:
            result = _make_target(model, pair, sources, strategy, budget, steps)
            yield Measurement(
                strategy,
                budget,
                pair,
                result.cost,
                compare_images(result.image, baseline.image),
                len(result.plan.sources),
                tuple(k for k, kind in enumerate(result.kinds) if kind == "computed"),
                _latency(result),
                _latency(baseline),
            )


class FromScratch:
    """From-scratch runs by prompt, seed and negative prompt, each made in a session of its own.

    The last `REMEMBERED_RUNS` are kept.
    """

    def __init__(self, model: Model, steps: int | None) -> None:
        self._model = model
        self._steps = steps
        self._entries: OrderedDict[tuple[str, int, str], Entry] = OrderedDict()

    def __call__(self, prompt: str, seed: int, negative: str = "") -> Entry:
        """The entry of that run."""
        asked = (prompt, seed, negative)
        if asked not in self._entries:
            session = Session(self._model, cache_bytes=ROOM_BYTES)
            session.generate(prompt, seed=seed, negative_prompt=negative, steps=self._steps, strategy="baseline")
            [self._entries[asked]] = session.entries()
        self._entries.move_to_end(asked)
        if len(self._entries) > REMEMBERED_RUNS:
            self._entries.popitem(last=False)
        return self._entries[asked]


def _make_target(
    model: Model, pair: Pair, sources: Sequence[Entry], strategy: str, budget: int | None, steps: int | None
) -> Result:
    """The target, made in a new session that holds the sources only."""
    session = Session(model, cache_bytes=ROOM_BYTES)
    for entry in sources:
        session.adopt(entry)
    return session.generate(
        pair.target, seed=pair.seed, negative_prompt=pair.negative, steps=steps, strategy=strategy, budget=budget
    )


def _warm(model: Model, pair: Pair, asked: tuple[tuple[str, int | None], ...], steps: int | None) -> None:
    """Run every strategy once and throw the pictures away, so that no measured run pays for loading anything."""
    source = FromScratch(model, steps)(pair.source, pair.seed)
    for strategy, budget in dict(asked).items():
        _make_target(model, pair, [source], strategy, budget, steps)


def _latency(result: Result) -> float:
    """Seconds of all phases."""
    return sum(result.seconds.values())
