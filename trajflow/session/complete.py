"""Completion: computing in full, later, a run that was carried over, from the steps that are exact already.

v_0 at the shared noise is exact in every run that was not cut from another, so completing one costs at most N - 1
evaluations. It goes step by step and gives way between any two of them; what it has by then stays with the entry.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Cost, Result, Run, Step, Trajectory
from trajflow.cache import Entry
from trajflow.errors import NumericalError, RequestError
from trajflow.field import Field
from trajflow.metrics import compare_images
from trajflow.sampler import PhaseClock, advance, run
from trajflow.session.cache import SessionCache, leading_velocities, remember
from trajflow.session.runner import Runner
from trajflow.settings import resolve_request


def complete(
    runner: Runner, cache: SessionCache, entry: Entry, spare: Callable[[], AbstractContextManager[None]]
) -> Iterator[Step | Result]:
    """Yield the steps of the full run of an entry, then its `Result` beside the from-scratch picture.

    Every piece of work happens inside `spare()`, which waits for the model and raises Cancelled when this run should
    give way; nothing is held between two events. Raises RequestError for an entry of another model, NumericalError for
    NaN.
    """
    # A listed run may wait on the disk; completing it is a use, which brings it up.
    entry = cache.get(entry.key) or entry
    settings = resolve_request(replace(entry.result.request, refine=False), runner.model.defaults)
    cache_key = runner.cache_key(settings)
    if cache_key.digest() != entry.cache_key.digest():
        raise RequestError("That picture was made by another model: only the model that made it can complete it.")
    twin = cache.true_run(settings.prompt, cache_key)
    if twin is not None and twin.trajectory is not None:
        result = _finish(cache, entry, from_scratch(twin).image, twin.trajectory, Cost(0, 0), {})
        _learn(runner, entry, result)
        yield result
        return
    clock = PhaseClock()
    with spare(), clock("embed"):
        plan = runner.full_plan(settings)
        field = runner.field(settings, plan)
    known = leading_velocities(entry)
    remember(field, entry)
    path = [field.noise]
    is_broken = is_done = False
    running = run(runner.model, plan.sampling, (), field, settings.prompt, runner.free_memory)
    try:
        while True:
            with spare():
                event = counted(runner, field, running)
            if isinstance(event, Run):
                break
            path.append(event.latents)
            yield replace(event, phase="completion")
        is_done = True
    except NumericalError:
        is_broken = True
        raise
    finally:
        running.close()
        if not is_done and not is_broken:
            _put_aside(cache, entry, field, path, len(known))
    seconds = {**clock.seconds, **event.seconds}
    result = _finish(cache, entry, event.image, event.trajectory, event.cost, seconds)
    _learn(runner, entry, result)
    yield result


def from_scratch(entry: Entry) -> Result:
    """The result of a true entry as that of its from-scratch run, which may stand beside a carried-over one."""
    result = entry.result
    if result.baseline is None or result.baseline_cost is None or result.baseline_seconds is None:
        return result
    return replace(result, image=result.baseline, cost=result.baseline_cost, seconds=result.baseline_seconds)


def _learn(runner: Runner, entry: Entry, result: Result) -> None:
    """Take the comparison into account, unless the entry was compared before."""
    if entry.result.metrics is None:
        runner.learn(result)


def counted(runner: Runner, field: Field, running: Generator[Step, None, Run]) -> Step | Run:
    """The next step of a run, or what it returns; what that spends is counted as background."""
    before = field.cost
    try:
        return advance(running)
    finally:
        runner.spent = replace(runner.spent, background=runner.spent.background + (field.cost - before))


def _put_aside(cache: SessionCache, entry: Entry, field: Field, path: list[Tensor], before: int) -> None:
    """Leave with the entry what the field knows of the path by now, if that is more than it was before.

    Of a run that was made elsewhere the field may know less than what came back.
    """
    velocities: list[Tensor] = []
    for k, x in enumerate(path[:-1]):
        velocity = field.known(x, k)
        if velocity is None:
            break
        velocities.append(velocity)
    if len(velocities) <= before:
        return
    current = cache.get(entry.key)
    if current is not None and not current.is_true:
        cache.renew(replace(current, prefix=torch.stack(velocities)))


def _finish(
    cache: SessionCache, entry: Entry, image: Image, trajectory: Trajectory, cost: Cost, seconds: Mapping[str, float]
) -> Result:
    """The result beside the from-scratch picture, kept with its true trajectory."""
    if entry.is_true:
        return entry.result
    result = replace(
        entry.result,
        metrics=compare_images(entry.result.image, image),
        baseline=image,
        baseline_cost=cost,
        baseline_seconds=dict(seconds),
        is_final=True,
    )
    is_kept = cache.renew(replace(entry, result=result, trajectory=trajectory, prefix=None))
    return result if is_kept else replace(result, key="")
