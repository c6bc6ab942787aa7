"""What to do for a request, given what is cached and what was learned about the model, and why, in one sentence.

Prompt similarity proposes; the evaluations, from the first on, at the noise that all sources share, decide how much is
spent (`Plan.ladder`). Where to evaluate, how to coast and what fidelity to expect come from the model's profile.
"""

from collections.abc import Callable
from dataclasses import replace

from trajflow.base import Forecast, Match, Plan, Schedule
from trajflow.cache.tiers import resume_step
from trajflow.calibration import Learned, Placement, Profile
from trajflow.forecast import features_before, predict
from trajflow.settings import Settings
from trajflow.strategies import STRATEGIES

FIDELITY = 40.0
SHARE = 0.25


def make_plan(
    settings: Settings,
    matches: tuple[Match, ...],
    resume_fraction: Callable[[float], float],
    schedule: Callable[[int], Schedule],
    profile: Profile = Profile(),  # noqa: B008
    learned: Learned = Learned(),  # noqa: B008
) -> Plan:
    """The plan for a request.

    matches: compatible cached runs, most similar first, already chosen as sources. resume_fraction: similarity to the
    share of steps that a resume takes from the cache. schedule: the model's grid of a given number of steps. profile:
    what is known of the model; learned: what the session's own comparisons add to its forecasts.
    """
    steps, budget, strategy = settings.steps, settings.budget, settings.strategy
    family, transition = STRATEGIES[strategy].family, STRATEGIES[strategy].transition
    grid = schedule(steps)

    def full(reason: str) -> Plan:
        return Plan(strategy, "direct", grid, 0, tuple(range(steps)), steps, reason)

    if family == "full":
        return full(f"From scratch, as asked: all {steps} steps are computed.")
    if budget == steps:
        return full(f"A budget of all {steps} steps is the from-scratch run itself.")
    if family == "shorter" or (not matches and budget is not None):
        count = budget or max(1, steps // 4)
        why = "as asked" if family == "shorter" else "because nothing cached fits"
        reason = f"From scratch with {count} steps instead of {steps}, {why}."
        solver = transition if family == "shorter" else "direct"
        return Plan(strategy, solver, schedule(count), 0, tuple(range(count)), count, reason)
    if not matches:
        return full(f"Nothing cached fits yet, so all {steps} steps are computed; the next prompt starts from here.")
    if family == "switch":
        return _switch(settings, matches[0], grid, resume_fraction)
    return _transport(settings, matches, grid, profile, learned)


def _switch(settings: Settings, match: Match, grid: Schedule, resume_fraction: Callable[[float], float]) -> Plan:
    steps, fraction = settings.steps, resume_fraction(match.similarity)
    start = resume_step(fraction, steps) if settings.budget is None else steps - settings.budget
    if settings.budget is not None:
        reason = (
            f"The first {start} steps are taken from “{match.prompt}”, the budget pays for the other {steps - start}."
        )
    elif start:
        reason = f"“{match.prompt}” is {match.tier}, so {fraction:.0%} of its steps are taken as they are."
    else:
        reason = f"“{match.prompt}” is too distant to resume from, so all {steps} steps are computed."
    return Plan(
        settings.strategy,
        STRATEGIES[settings.strategy].transition,
        grid,
        start,
        tuple(range(start, steps)),
        steps - start,
        reason,
        (match.key,),
        match,
    )


def _transport(
    settings: Settings, matches: tuple[Match, ...], grid: Schedule, profile: Profile, learned: Learned
) -> Plan:
    steps, best, strategy = settings.steps, matches[0], STRATEGIES[settings.strategy]
    sources = matches[: strategy.most_sources]
    count = settings.budget or max(1, round(SHARE * steps))
    plan = Plan(
        settings.strategy,
        strategy.transition,
        grid,
        0,
        (),
        count,
        "",
        tuple(match.key for match in sources),
        best,
        shift_db=learned.shift_db,
        margin_db=learned.margin_db,
    )
    calibrated = [
        placement for _, placement in sorted(profile.placements(len(sources)).items()) if placement.rung.forecasters
    ]
    if settings.budget is None and calibrated and strategy.transition == "basis" and steps == profile.steps:
        return _climbing(settings, plan, calibrated)
    origin = _origin(plan)
    placement = profile.placement(steps, count, len(sources))
    forecast = _expect(plan, placement) if strategy.transition == "basis" else None
    reason = f"The path of {origin} is carried over to the new prompt with {count} of {steps} evaluations"
    if settings.budget is None:
        reason += ", a quarter of the steps, as nothing was calibrated for this model and grid"
    return _on(plan, placement, forecast, f"{reason}.")


def _climbing(settings: Settings, plan: Plan, ladder: list[Placement]) -> Plan:
    """The plan that spends as its evaluations tell it, up to the fidelity that is asked for."""
    fidelity = FIDELITY if settings.fidelity is None else settings.fidelity
    expected = [_expect(plan, placement) for placement in ladder]
    enough = (i for i, forecast in enumerate(expected) if forecast is not None and forecast.assured_db >= fidelity)
    begin = next(enough, len(ladder) - 1)
    fewest, most = len(ladder[0].rung.nodes), len(ladder[-1].rung.nodes)
    reason = (
        f"The path of {_origin(plan)} is carried over to the new prompt for {fidelity:g} dB or more; its evaluations "
        f"decide how many there are, {fewest} to {most}."
    )
    return replace(
        _on(plan, ladder[begin], expected[begin], reason),
        budget=most,
        ladder=tuple(placement.rung for placement in ladder),
        fidelity=fidelity,
    )


def _on(plan: Plan, placement: Placement, forecast: Forecast | None, reason: str) -> Plan:
    rung = placement.rung
    return replace(
        plan,
        nodes=rung.nodes,
        slopes=rung.slopes,
        corrections=rung.corrections,
        forecasters=rung.forecasters,
        forecast=forecast,
        reason=reason,
    )


def _expect(plan: Plan, placement: Placement) -> Forecast | None:
    if placement.before is None or plan.match is None:
        return None
    known = features_before(plan.match.similarity, len(plan.sources))
    return predict(placement.before, known, plan.shift_db, plan.margin_db)


def _origin(plan: Plan) -> str:
    assert plan.match is not None
    others = len(plan.sources) - 1
    return f"“{plan.match.prompt}”" + (f" and {others} more" if others else "")
