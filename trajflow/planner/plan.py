"""The plan for a request: which family of ways answers it, and how cached paths are carried over to a new prompt.

Prompt similarity proposes; the evaluations, from the first on, at the noise that all sources share, decide how much is
spent (`SamplingPlan.escalation`). Where to evaluate, how to coast and what fidelity to expect come from the model's
profile.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from trajflow.base import UNADJUSTED, Adjustment, Forecast, Level, Match, Plan, SamplingPlan, Schedule
from trajflow.calibration import Learned, Placement, Profile
from trajflow.forecast import features_before, predict
from trajflow.methods import METHODS
from trajflow.planner.choice import assured_of, better_of
from trajflow.planner.switch import switch_plan
from trajflow.planner.without_sources import plan_without_sources, reuse_plan, shorter_plan
from trajflow.settings import Settings

FIDELITY = 40.0
SHARE = 0.25
# On grids of distilled models, up to so many steps, a quarter of them leaves little but the sources' pictures.
FEW_STEPS = 4


def make_plan(
    settings: Settings,
    matches: tuple[Match, ...],
    schedule: Callable[[int], Schedule],
    levels: Sequence[Level],
    profile: Profile = Profile(),  # noqa: B008
    learned: Learned = Learned(),  # noqa: B008
) -> Plan:
    """The plan for a request.

    matches: compatible cached runs, most similar first, already chosen as sources. schedule: the model's grid of a
    given number of steps. levels: what the model can keep, best first. profile: what is known of the model; learned:
    what the session's own comparisons add to its forecasts.
    """
    steps, budget, strategy = settings.steps, settings.budget, settings.strategy
    family = METHODS[strategy].family
    grid = schedule(steps)

    def full(reason: str) -> Plan:
        return Plan(strategy, reason, SamplingPlan.computing_all("baseline", grid))

    def alone(why: str, aiming: Settings = settings) -> Plan | None:
        return plan_without_sources(aiming, schedule, profile.keeping(levels), levels[0], why)

    if family == "full":
        return full(f"From scratch, as asked: all {steps} steps are computed.")
    if budget == steps:
        return full(f"A budget of all {steps} steps is the from-scratch run itself.")
    if family == "shorter":
        return shorter_plan(strategy, strategy, schedule(budget or max(1, steps // 4)), steps, "as asked")
    if family == "reuse":
        level = "blocks" if strategy == "tcc" and "blocks" in levels else levels[0]
        return reuse_plan(strategy, strategy, grid, budget or max(1, steps // 4), profile.keeping(levels), level)
    if not matches:
        why = f"Nothing cached fits yet, so all {steps} steps are computed; the next prompt starts from here."
        return alone("nothing cached fits") or full(why)
    if strategy == "auto" and budget is None and steps <= FEW_STEPS and steps != profile.steps:
        return full(f"A grid of {steps} leaves little to save, so all of it is computed.")
    if family == "switch":
        return switch_plan(settings, matches[0], grid, profile.keeping(levels), levels[0])
    transported = transport_plan(settings, matches, grid, profile, learned)
    # Where nothing is forecast there is nothing to choose by.
    if strategy != "auto" or transported.forecast is None:
        return transported
    aiming = replace(settings, fidelity=transported.sampling.fidelity)
    return (assured_of if budget is None else better_of)(transported, alone("", aiming))


def transport_plan(
    settings: Settings, matches: tuple[Match, ...], grid: Schedule, profile: Profile, learned: Learned
) -> Plan:
    """The plan that carries the cached paths over to the new prompt."""
    steps, method = settings.steps, METHODS[settings.strategy]
    sources = matches[: method.most_sources]
    count = settings.budget or max(1, round(SHARE * steps))
    adjustment = Adjustment(learned.shift_db, learned.margin_db)
    calibrated = [
        placement
        for _, placement in sorted(profile.placements(len(sources)).items())
        if placement.node_schedule.forecasters
    ]
    if settings.budget is None and calibrated and method.is_anytime and steps == profile.steps:
        return _escalating(settings, sources, grid, calibrated, adjustment)
    placement = profile.placement(steps, count, len(sources))
    reason = f"The path of {_origin(sources)} is carried over to the new prompt with {count} of {steps} evaluations"
    if settings.budget is None and not calibrated:
        reason += ", a quarter of the steps, as nothing was calibrated for this model and grid"
    elif settings.budget is None:
        reason += f", a quarter of the steps: how many {settings.strategy} needs was not calibrated"
    plan = _on(settings, sources, grid, placement, adjustment, f"{reason}.", budget=count)
    return plan if method.is_anytime else replace(plan, forecast=None, raw_forecast=None)


def _escalating(
    settings: Settings,
    sources: tuple[Match, ...],
    grid: Schedule,
    calibrated: list[Placement],
    adjustment: Adjustment,
) -> Plan:
    """The plan that spends as its evaluations tell it, up to the fidelity that is asked for."""
    fidelity = FIDELITY if settings.fidelity is None else settings.fidelity
    expected = [_expect(sources, placement, adjustment) for placement in calibrated]
    enough = (i for i, forecast in enumerate(expected) if forecast is not None and forecast.assured_db >= fidelity)
    begin = next(enough, len(calibrated) - 1)
    ways = tuple(placement.node_schedule for placement in calibrated)
    fewest, most = len(ways[0].nodes), len(ways[-1].nodes)
    reason = (
        f"The path of {_origin(sources)} is carried over to the new prompt for {fidelity:g} dB or more; "
        f"its evaluations decide how many there are, {fewest} to {most}."
    )
    plan = _on(settings, sources, grid, calibrated[begin], adjustment, reason, budget=most)
    return replace(plan, sampling=replace(plan.sampling, escalation=ways, fidelity=fidelity))


def _on(
    settings: Settings,
    sources: tuple[Match, ...],
    grid: Schedule,
    placement: Placement,
    adjustment: Adjustment,
    reason: str,
    *,
    budget: int,
) -> Plan:
    best = sources[0]
    sampling = SamplingPlan.transporting(
        settings.strategy,
        grid,
        placement.node_schedule,
        budget=budget,
        similarity=best.similarity,
        adjustment=adjustment,
    )
    return Plan(
        settings.strategy,
        reason,
        sampling,
        tuple(match.key for match in sources),
        best,
        forecast=_expect(sources, placement, adjustment),
        raw_forecast=_expect(sources, placement, UNADJUSTED),
    )


def _expect(sources: tuple[Match, ...], placement: Placement, adjustment: Adjustment) -> Forecast | None:
    if placement.before is None:
        return None
    return predict(placement.before, features_before(sources[0].similarity, len(sources)), adjustment)


def _origin(sources: tuple[Match, ...]) -> str:
    others = len(sources) - 1
    return sources[0].called + (f" and {others} more" if others else "")
