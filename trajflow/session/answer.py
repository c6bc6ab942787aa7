"""One request answered, in the order of the run: embed, look up, plan, sample, decode, keep, compare."""

from collections.abc import Callable, Generator
from dataclasses import replace

from trajflow.base import Cost, Request, Result, Run, SamplingPlan, Step, StepKind
from trajflow.cache import Entry
from trajflow.cache.entry import new_key
from trajflow.errors import NumericalError
from trajflow.methods import METHODS
from trajflow.sampler import PhaseClock
from trajflow.session.cache import SessionCache, shared_branch
from trajflow.session.compare import compare
from trajflow.session.complete import from_scratch
from trajflow.session.economy import Economy, may_be_full
from trajflow.session.refine import refine
from trajflow.session.runner import Runner, never
from trajflow.settings import Settings


def answer(
    runner: Runner,
    cache: SessionCache,
    economy: Economy | None,
    request: Request,
    settings: Settings,
    stop: Callable[[], bool] = never,
) -> Generator[Step | Result, None, None]:
    """Yield every step of a request as it is taken, then its `Result`, which the cache holds by then.

    A picture that is stored is the answer at no cost; a request to refine is answered by every pass. With an economy,
    that decides how much of a run to compute. Raises Cancelled after a step at which `stop` says so, and
    NumericalError.
    """
    clock = PhaseClock(runner.noise(settings).device)
    with clock("embed"):
        cache_key = runner.cache_key(settings)
        cache.prefetch(settings, cache_key)
        runner.conditioning(settings)
    with clock("lookup"):
        stored = cache.exact(settings, cache_key)
        if stored and request.refine and not stored.is_true:
            stored = None
        matches = () if stored or request.refine else cache.matches(settings, cache_key)
    if stored:
        cache.reveal(stored.key)
        result = _repeat(stored, request, clock)
        if request.compare:
            full = from_scratch(stored) if stored.is_true else None
            result = yield from compare(runner, cache, result, full, settings, cache_key, stop)
        yield result
        return
    if request.refine:
        yield from refine(runner, cache, request, settings, cache_key, clock.seconds, stop)
        return
    with clock("plan"):
        device = runner.noise(settings).device
        plan, sources = cache.planned(settings, cache_key, matches, device, lambda given: runner.plan(settings, given))
        if economy is not None and may_be_full(settings, matches, plan):
            plan, sources, field = economy.decide(runner, settings, plan, sources)
        else:
            is_carried = METHODS[plan.sampling.method].family == "transport" and plan.budget < settings.steps
            field = runner.field(settings, plan, shared=shared_branch(sources) if is_carried else None)
    run: Run = yield from runner.sample(plan, sources, field, settings, "cached", stop=stop)
    if economy is not None:
        economy.count(is_full=run.cost.nfe == settings.steps)
    result = Result(
        request,
        run.image,
        plan,
        run.cost,
        {**clock.seconds, **run.seconds},
        run.trajectory.kinds,
        run.angles,
        new_key(),
        forecast=run.forecast or (None if plan.sources else plan.forecast),
        raw_forecast=run.raw_forecast or (None if plan.sources else plan.raw_forecast),
        diagnostics=run.diagnostics,
        warnings=run.warnings,
    )
    trajectory = run.trajectory if plan.sampling.schedule == runner.schedule(settings) else None
    result = cache.keep(cache_key, result, trajectory)
    if request.compare:
        full = result if trajectory is not None and trajectory.is_true else None
        try:
            result = yield from compare(runner, cache, result, full, settings, cache_key, stop)
        except NumericalError:
            cache.forget(result.key)
            raise
        runner.learn(result)
        if result.key:
            result = cache.keep_again(cache_key, result, trajectory)
    yield result


def _repeat(stored: Entry, request: Request, clock: PhaseClock) -> Result:
    """The stored result of the same run, at no cost."""
    result, image = stored.result, stored.result.image
    schedule = result.plan.sampling.schedule
    reason = "This very request was answered before: its picture is shown from the store."
    if stored.is_true:
        assert stored.trajectory is not None
        schedule, image = stored.trajectory.schedule, from_scratch(stored).image
        steps = schedule.steps
        reason = f"This very picture was made before with all {steps} steps computed: it is shown from the store."
    sampling = SamplingPlan.transporting(
        result.plan.sampling.method, schedule, replace(result.plan.sampling.node_schedule, nodes=())
    )
    cached: StepKind = "cached"
    return Result(
        request,
        image,
        replace(result.plan, reason=reason, sampling=sampling),
        Cost(0, 0),
        dict(clock.seconds),
        (cached,) * schedule.steps,
        {},
        stored.key,
        from_store=True,
        warnings=result.warnings,
    )
