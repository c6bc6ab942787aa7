"""Working ahead: what is likely to be asked for next is computed in full before it is, so that more sources are there.

After a first picture one source is held, and a second and a third are worth more than anything else that was tried
(docs/one-source.md), so that is where it ends. Runs made ahead are sources and not listed; they go with the entry they
were made for, and become listed when they are asked for. Like a completion this gives way between any two evaluations,
and is counted as background.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from trajflow.base import Result, Run, Step
from trajflow.cache import Entry
from trajflow.cache.entry import new_key
from trajflow.errors import RequestError
from trajflow.sampler import PhaseClock, run
from trajflow.session.cache import SessionCache
from trajflow.session.complete import counted
from trajflow.session.runner import Runner
from trajflow.session.variants import variants
from trajflow.settings import LONGEST_PROMPT, resolve_request

ENOUGH = 3


def work_ahead(
    runner: Runner, cache: SessionCache, entry: Entry, spare: Callable[[], AbstractContextManager[None]]
) -> Iterator[Step | Result]:
    """Yield the steps of each likely next picture of an entry, then its `Result`, until `ENOUGH` sources are there.

    Every piece of work happens inside `spare()`, as in `complete`. What would need another run's place is not made.
    Raises RequestError for an entry of another model, NumericalError for NaN.
    """
    about = replace(entry.result.request, strategy="baseline", budget=None, fidelity=None, compare=False, refine=False)
    for prompt in (each for each in variants(entry.prompt) if len(each) <= LONGEST_PROMPT):
        request = replace(about, prompt=prompt)
        settings = resolve_request(request, runner.model.defaults)
        cache_key = runner.cache_key(settings)
        if cache_key.digest() != entry.cache_key.digest():
            raise RequestError("That picture was made by another model: only that one can work ahead of it.")
        sources = cache.candidates(cache_key, entry.vector, ENOUGH)
        is_there = cache.true_run(prompt, cache_key) is not None
        has_enough = sum(source.is_true for source, _ in sources) >= ENOUGH
        if is_there or has_enough or cache.nbytes + entry.nbytes > cache.capacity:
            continue
        clock = PhaseClock()
        with spare(), clock("embed"):
            plan = runner.full_plan(settings)
            field = runner.field(settings, plan)
        running = run(runner.model, plan.sampling, (), field, prompt, runner.free_memory)
        while True:
            with spare():
                event = counted(runner, field, running)
            if isinstance(event, Run):
                break
            yield replace(event, phase="ahead")
        seconds, kinds = {**clock.seconds, **event.seconds}, event.trajectory.kinds
        result = Result(request, event.image, plan, event.cost, seconds, kinds, {}, new_key())
        yield cache.keep_ahead(entry.key, cache_key, result, event.trajectory)
