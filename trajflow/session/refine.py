"""Anytime refinement: a preview within three evaluations, then better pictures, the last one the from-scratch run.

Every pass runs on one field. Pass p computes the first m_p steps, which are those of the from-scratch run and stay so,
then a few nodes between which it coasts. The field remembers the newest state of each step, so the m_{p-1} steps of the
pass before cost nothing again; only its nodes beyond them are lost. With n_p of those, reaching the from-scratch
picture costs

    N + sum_p n_p <= 1.5 N.

Many nodes late beat a longer exact beginning, and the run of an earlier pass is a poor source for a later one (it
bends at its nodes): both were measured on calibration pairs. Source: ours.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch

from trajflow.base import (
    Cost,
    Match,
    NodeSchedule,
    Plan,
    Refinement,
    Request,
    Result,
    Run,
    SamplingPlan,
    Schedule,
    Step,
    StepKind,
    Trajectory,
)
from trajflow.cache import CacheKey, Entry
from trajflow.cache.entry import new_key
from trajflow.calibration import CORRECTION
from trajflow.errors import NumericalError
from trajflow.metrics import compare_images
from trajflow.session.cache import SessionCache, leading_velocities, remember
from trajflow.session.runner import Runner, never
from trajflow.settings import Settings

REFERENCE_STEPS = 28
PREVIEW = 3

FIRST = (1, (16, 24))
# (steps computed from the start, nodes after them), rising; the last pass computes all.
PASSES = ((1, (10, 15, 20, 25)), (5, (8, 11, 14, 17, 20, 22, 24, 26)))


def passes(steps: int) -> tuple[tuple[int, ...], ...]:
    """The steps that each pass evaluates, the last pass all of them; together at most 1.5 `steps` evaluations.

    Passes that a shorter grid has no room for are left out.
    """
    scale = steps / REFERENCE_STEPS
    full = tuple(range(steps))
    chosen: list[tuple[int, ...]] = []
    for exact, nodes in (FIRST, *PASSES):
        leading = 1 if exact == 1 else max(1, round(exact * scale))
        later = {round(node * scale) for node in nodes}
        candidate = (*range(leading), *sorted(node for node in later if leading <= node < steps))
        is_finer = not chosen or len(candidate) > len(chosen[-1])
        if is_finer and len(candidate) < steps and spent_by((*chosen, candidate, full)) <= most_evaluations(steps):
            chosen.append(candidate)
    return (*chosen, full)


def most_evaluations(steps: int) -> int:
    """The ceiling on a refined run that starts from nothing: 1.5 N."""
    return steps + steps // 2


def leading_steps(nodes: tuple[int, ...]) -> int:
    """How many steps from the start on are evaluated without a gap."""
    return next((k for k, node in enumerate(nodes) if node != k), len(nodes))


def spent_by(chosen: tuple[tuple[int, ...], ...], known: int = 0) -> int:
    """Evaluations that these passes cost one after the other, when the first `known` steps are known already."""
    spent = 0
    for nodes in chosen:
        spent += len(nodes) - min(known, leading_steps(nodes))
        known = max(known, leading_steps(nodes))
    return spent


def at_rest(schedule: Schedule, noise: torch.Tensor) -> Trajectory:
    """A source that stands still: against it the difference is the velocity itself.

    So without any cached run a pass holds each node's velocity up to the next one, and corrects the gap there.
    """
    still = torch.zeros((schedule.steps, *noise.shape), dtype=noise.dtype, device=noise.device)
    kinds: list[StepKind] = ["cached"] * schedule.steps
    return Trajectory("", schedule, noise, still, tuple(kinds))


def refinement_evaluations(cache: SessionCache, settings: Settings, cache_key: CacheKey) -> int:
    """The evaluations that refining up to the from-scratch picture would take."""
    begun = cache.begun(settings, cache_key)
    return spent_by(_remaining(settings.steps, begun), _known(begun))


def refine(
    runner: Runner,
    cache: SessionCache,
    request: Request,
    settings: Settings,
    cache_key: CacheKey,
    seconds: Mapping[str, float],
    stop: Callable[[], bool] = never,
) -> Iterator[Step | Result]:
    """Yield the steps of every pass and, after each, the `Result` so far, which is also what the cache holds.

    `seconds` holds the phases before sampling. A run of this prompt that coasted, or was interrupted, is shown first
    and gone on from. Raises Cancelled after a stop, and NumericalError, upon which nothing of the run is kept.
    """
    begun = cache.begun(settings, cache_key)
    template, sources = _start(runner, cache, settings, cache_key)
    field = runner.field(settings, template, most_evaluations(settings.steps))
    results: list[Result] = []
    key, is_kept = new_key(), False
    if begun is not None:
        remember(field, begun)
        if not begun.result.is_final:
            key, is_kept = begun.key, True
        results.append(_stored(request, begun, seconds))
        yield results[-1]
    for nodes in _remaining(settings.steps, begun):
        plan = _pass_plan(runner, settings, template, nodes)
        is_final = plan.budget == settings.steps
        try:
            given = () if is_final else sources
            run = yield from runner.sample(plan, given, field, settings, "cached", len(results), stop)
        except NumericalError:
            cache.forget(key)
            raise
        result = _result(request, plan, run, key, seconds, results, is_final)
        results.append(result)
        if is_final and request.compare:
            result = _compared(results)
        kept = (cache.keep_again if is_kept else cache.keep)(cache_key, result, run.trajectory)
        is_kept = is_kept or kept.key == key
        yield kept


def _known(begun: Entry | None) -> int:
    return 0 if begun is None else len(leading_velocities(begun))


def _remaining(steps: int, begun: Entry | None) -> tuple[tuple[int, ...], ...]:
    """The passes still worth making, each with the leading steps that are known already."""
    known = _known(begun)
    had = 0 if begun is None or begun.trajectory is None else begun.trajectory.kinds.count("computed")
    wider = [tuple(sorted({*range(known), *nodes})) for nodes in passes(steps)]
    return (*(nodes for nodes in wider if had < len(nodes) < steps), tuple(range(steps)))


def _start(
    runner: Runner, cache: SessionCache, settings: Settings, cache_key: CacheKey
) -> tuple[Plan, tuple[Trajectory, ...]]:
    """The plan that every pass but the last is cut from, and its sources; without any, its reason says why."""
    preview = replace(settings, budget=max(1, min(PREVIEW, settings.steps - 1)))

    def plan(matches: tuple[Match, ...]) -> Plan:
        return runner.plan(preview, _others(matches, settings.prompt))

    others = _others(cache.matches(settings, cache_key), settings.prompt)
    why = "nothing cached fits"
    if others and settings.steps > 1:
        template, sources = cache.planned(settings, cache_key, others, runner.noise(settings).device, plan)
        if sources:
            return template, sources
        why = "the cached runs are too far to gain from"
    grid = runner.schedule(settings)
    source = at_rest(grid, runner.noise(settings))
    return Plan(settings.strategy, why, SamplingPlan.transporting("basis", grid, NodeSchedule(()))), (source,)


def _others(matches: tuple[Match, ...], prompt: str) -> tuple[Match, ...]:
    """Those that are not of the same picture."""
    return tuple(match for match in matches if match.prompt != prompt or match.apart)


def _pass_plan(runner: Runner, settings: Settings, template: Plan, nodes: tuple[int, ...]) -> Plan:
    if len(nodes) == settings.steps:
        reason = f"Refined to the end: all {settings.steps} steps are computed."
        return replace(runner.full_plan(settings), strategy=settings.strategy, reason=reason)
    carried = "the cached runs are carried over"
    between = carried if template.sources else f"{template.reason}, so it is the path itself"
    reason = f"Being refined: {len(nodes)} of {settings.steps} steps are computed, and between them {between}."
    # Without a source all of the velocity is carried, which bends too much between so few nodes to be corrected.
    corrections = (CORRECTION,) * len(nodes) if template.sources else ()
    before = template.sampling
    sampling = SamplingPlan.transporting(
        before.method,
        before.schedule,
        NodeSchedule(nodes, corrections=corrections),
        similarity=before.similarity,
        adjustment=before.adjustment,
    )
    return replace(template, sampling=sampling, forecast=None, raw_forecast=None, reason=reason)


def _stored(request: Request, begun: Entry, seconds: Mapping[str, float]) -> Result:
    """The picture that is there already, at no cost."""
    picture = Refinement(Cost(0, 0), sum(seconds.values()))
    return replace(
        begun.result,
        request=request,
        cost=Cost(0, 0),
        seconds=dict(seconds),
        metrics=None,
        baseline=None,
        baseline_cost=None,
        baseline_seconds=None,
        from_store=True,
        is_final=False,
        refinements=(picture,),
    )


def _result(
    request: Request,
    plan: Plan,
    run: Run,
    key: str,
    seconds: Mapping[str, float],
    earlier: list[Result],
    is_final: bool,
) -> Result:
    before = earlier[-1].seconds if earlier else seconds
    total = {**before, **{phase: before.get(phase, 0.0) + more for phase, more in run.seconds.items()}}
    listed = earlier[-1].refinements if earlier else ()
    angles = run.angles if plan.sources else {}
    picture = Refinement(run.cost, sum(total.values()))
    return Result(
        request,
        run.image,
        plan,
        run.cost,
        total,
        run.trajectory.kinds,
        angles,
        key,
        is_final=is_final,
        refinements=(*listed, picture),
        warnings=run.warnings,
    )


def _compared(results: list[Result]) -> Result:
    """The last result, which is the from-scratch picture, with the metrics of all the pictures before it."""
    final = results[-1]
    measured = [compare_images(result.image, final.image) for result in results]
    listed = tuple(replace(r, metrics=metrics) for r, metrics in zip(final.refinements, measured, strict=True))
    return replace(
        final,
        metrics=measured[-1],
        baseline=final.image,
        baseline_cost=final.cost,
        baseline_seconds=final.seconds,
        refinements=listed,
    )
