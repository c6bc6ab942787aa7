"""The plan for a request: which family of ways answers it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from trajflow.base import Level, Match, Plan, SamplingPlan, Schedule
from trajflow.calibration import Learned, Profile
from trajflow.methods import METHODS
from trajflow.planner.choice import assured_of, better_of
from trajflow.planner.switch import switch_plan
from trajflow.planner.transport import FEW_STEPS, transport_plan
from trajflow.planner.without_sources import plan_without_sources, reuse_plan, shorter_plan
from trajflow.settings import Settings


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
    profile = profile.keeping(levels)
    steps, budget, strategy = settings.steps, settings.budget, settings.strategy
    family = METHODS[strategy].family
    grid = schedule(steps)

    def full(reason: str) -> Plan:
        return Plan(strategy, reason, SamplingPlan.computing_all("baseline", grid))

    if family == "full":
        return full(f"From scratch, as asked: all {steps} steps are computed.")
    if budget == steps:
        return full(f"A budget of all {steps} steps is the from-scratch run itself.")
    if family == "shorter":
        return shorter_plan(strategy, strategy, schedule(budget or max(1, steps // 4)), steps, "as asked")
    if family == "reuse":
        level = "blocks" if strategy == "tcc" and "blocks" in levels else levels[0]
        return reuse_plan(strategy, strategy, grid, budget or max(1, steps // 4), profile, level)
    if not matches:
        alone = plan_without_sources(settings, schedule, profile, levels[0], "nothing cached fits")
        why = f"Nothing cached fits yet, so all {steps} steps are computed; the next prompt starts from here."
        return alone if alone is not None else full(why)
    if strategy == "auto" and budget is None and steps <= FEW_STEPS and steps != profile.steps:
        return full(f"A grid of {steps} leaves little to save, so all of it is computed.")
    if family == "switch":
        return switch_plan(settings, matches[0], grid, profile, levels[0])
    transported = transport_plan(settings, matches, grid, profile, learned)
    if strategy != "auto":
        return transported
    aiming = replace(settings, fidelity=transported.sampling.fidelity)
    alone = plan_without_sources(aiming, schedule, profile, levels[0], "")
    return (assured_of if budget is None else better_of)(transported, alone)
