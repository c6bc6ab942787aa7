"""Plans that carry cached paths over to a new prompt.

Prompt similarity proposes; the evaluations, from the first on, at the noise that all sources share, decide how much is
spent (`Plan.ladder`). Where to evaluate, how to coast and what fidelity to expect come from the model's profile.
"""

from dataclasses import replace

from trajflow.base import Forecast, Match, Plan, Schedule
from trajflow.calibration import Learned, Placement, Profile
from trajflow.forecast import features_before, predict
from trajflow.settings import Settings
from trajflow.strategies import STRATEGIES

FIDELITY = 40.0
SHARE = 0.25
# On grids of distilled models, up to so many steps, a quarter of them leaves little but the sources' pictures.
FEW_STEPS = 4


def transport_plan(
    settings: Settings, matches: tuple[Match, ...], grid: Schedule, profile: Profile, learned: Learned
) -> Plan:
    """The plan that carries the cached paths over to the new prompt."""
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
        placement
        for _, placement in sorted(profile.placements(len(sources)).items())
        if placement.node_schedule.forecasters
    ]
    if settings.budget is None and calibrated and strategy.transition == "basis" and steps == profile.steps:
        return _escalating(settings, plan, calibrated)
    origin = _origin(plan)
    placement = profile.placement(steps, count, len(sources))
    forecast = _expect(plan, placement) if strategy.transition == "basis" else None
    reason = f"The path of {origin} is carried over to the new prompt with {count} of {steps} evaluations"
    if settings.budget is None:
        reason += ", a quarter of the steps, as nothing was calibrated for this model and grid"
    return _on(plan, placement, forecast, f"{reason}.")


def _escalating(settings: Settings, plan: Plan, escalation: list[Placement]) -> Plan:
    """The plan that spends as its evaluations tell it, up to the fidelity that is asked for."""
    fidelity = FIDELITY if settings.fidelity is None else settings.fidelity
    expected = [_expect(plan, placement) for placement in escalation]
    enough = (i for i, forecast in enumerate(expected) if forecast is not None and forecast.assured_db >= fidelity)
    begin = next(enough, len(escalation) - 1)
    fewest, most = len(escalation[0].node_schedule.nodes), len(escalation[-1].node_schedule.nodes)
    reason = (
        f"The path of {_origin(plan)} is carried over to the new prompt for {fidelity:g} dB or more; its evaluations "
        f"decide how many there are, {fewest} to {most}."
    )
    return replace(
        _on(plan, escalation[begin], expected[begin], reason),
        budget=most,
        escalation=tuple(placement.node_schedule for placement in escalation),
        fidelity=fidelity,
    )


def _on(plan: Plan, placement: Placement, forecast: Forecast | None, reason: str) -> Plan:
    node_schedule = placement.node_schedule
    return replace(
        plan,
        nodes=node_schedule.nodes,
        slopes=node_schedule.slopes,
        corrections=node_schedule.corrections,
        forecasters=node_schedule.forecasters,
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
