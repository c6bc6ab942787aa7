"""Comparison: a picture beside the from-scratch picture of its request, which is made where none is held yet."""

from collections.abc import Generator
from dataclasses import replace

from trajflow.base import Result, Step
from trajflow.cache import Ingredients
from trajflow.cache.entry import new_key
from trajflow.metrics import compare_images
from trajflow.session.complete import from_scratch
from trajflow.session.runner import Runner
from trajflow.session.shelf import Shelf
from trajflow.settings import Settings


def compare(
    runner: Runner, shelf: Shelf, result: Result, full: Result | None, settings: Settings, ingredients: Ingredients
) -> Generator[Step, None, Result]:
    """Return the result with its metrics, against `full`, or a run that is held, or one made and kept now.

    Yields the steps of the run that is made. Raises Cancelled after a stop, and NumericalError.
    """
    if full is None and (entry := shelf.true_run(settings.prompt, ingredients)):
        full = from_scratch(entry)
    if full is None:
        plan = runner.full_plan(settings)
        field = runner.field(settings, plan.schedule, plan.budget)
        run = yield from runner.sample(plan, (), field, settings, "baseline")
        seconds = {"embed": result.seconds["embed"], "sample": run.seconds, "decode": run.decode_seconds}
        request = replace(result.request, strategy="baseline", budget=None, fidelity=None, compare=False)
        full = Result(request, run.image, plan, run.cost, seconds, run.trajectory.kinds, {}, new_key())
        if shelf.keep(ingredients, full, run.trajectory).key:
            shelf.accompany(result.key, full.key)
    return replace(
        result,
        metrics=compare_images(result.image, full.image),
        baseline=full.image,
        baseline_cost=full.cost,
        baseline_seconds=full.seconds,
    )
