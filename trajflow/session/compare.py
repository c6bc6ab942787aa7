"""Comparison: a picture beside the from-scratch picture of its request, which is made where none is held yet."""

from collections.abc import Callable, Generator
from dataclasses import replace

from trajflow.base import Result, Step
from trajflow.cache import CacheKey
from trajflow.cache.entry import new_key
from trajflow.metrics import compare_images
from trajflow.session.cache import SessionCache
from trajflow.session.complete import from_scratch
from trajflow.session.runner import Runner, never
from trajflow.settings import Settings


def compare(
    runner: Runner,
    cache: SessionCache,
    result: Result,
    full: Result | None,
    settings: Settings,
    cache_key: CacheKey,
    stop: Callable[[], bool] = never,
) -> Generator[Step, None, Result]:
    """Return the result with its metrics, against `full`, or a run that is held, or one made and kept now.

    Yields the steps of the run that is made. Raises Cancelled after a stop, and NumericalError.
    """
    if full is None and (entry := cache.true_run(settings.prompt, cache_key)):
        full = from_scratch(entry)
    if full is None:
        plan = runner.full_plan(settings)
        field = runner.field(settings, plan)
        run = yield from runner.sample(plan, (), field, settings, "baseline", stop=stop)
        seconds = {"embed": result.seconds["embed"], **run.seconds}
        request = replace(result.request, strategy="baseline", budget=None, fidelity=None, compare=False)
        full = Result(request, run.image, plan, run.cost, seconds, run.trajectory.kinds, {}, new_key())
        cache.keep_beside(result.key, cache_key, full, run.trajectory)
    return replace(
        result,
        key="" if cache.place_of(result.key) is None else result.key,
        metrics=compare_images(result.image, full.image),
        baseline=full.image,
        baseline_cost=full.cost,
        baseline_seconds=full.seconds,
    )
