"""Plans without any source: steps that reuse others, or fewer steps by a better solver, whichever was found better."""

from collections.abc import Callable
from dataclasses import replace

from trajflow.base import Level, Plan, SamplingPlan, Schedule, StepPolicy
from trajflow.calibration import Caching, Profile
from trajflow.field import even_nodes
from trajflow.methods import METHODS
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.interval import Interval, interval_within
from trajflow.settings import Settings

WAYS = {
    "interval": "every {every}, the others reuse them",
    "budcache": "where a search found them best, the others reuse them",
    "aligned": "where a search found them best, on a grid that was moved for them; the others reuse them",
    "tcc": "every {every}, the others reuse what its blocks left, moved by priors learned beforehand",
    "solver": "where a search found them best; the others follow from the newest few by learned coefficients",
}


def shorter_plan(strategy: str, method: str, grid: Schedule, steps: int, why: str) -> Plan:
    """From scratch on a shorter grid by a method for such grids; `steps` is what it would be in full."""
    count = grid.steps
    reason = f"From scratch with {count} steps instead of {steps}, {why}."
    return Plan(strategy, reason, SamplingPlan.computing_all(method, grid))


def reuse_plan(strategy: str, method: str, grid: Schedule, budget: int, profile: Profile, level: Level) -> Plan:
    """At most `budget` of the grid's steps are computed by the method, the others reuse what those have left.

    A method that was not calibrated for this model, grid and budget takes the largest budget below that was; where
    there is none, even steps are computed without priors, and what they leave at `level` is kept.
    """
    steps = grid.steps
    count, caching = _calibrated(profile, method, steps, budget)
    every = interval_within(count or budget, steps)
    nth = "step" if every == 1 else f"{every} steps"
    if method == "interval" or (method == "tcc" and caching is None):
        how = WAYS["interval"].format(every=nth)
        how += "" if method == "interval" else ", as no priors were learned for this model, grid and budget"
        return _reusing(strategy, method, grid, Interval(every, level), tuple(range(0, steps, every)), how)
    if caching is None:
        nodes = even_nodes(steps, budget)
        how = "evenly spread, as nothing was calibrated for this model, grid and budget; the others reuse them"
        return _reusing(strategy, method, grid, BudCache(nodes, level), nodes, how)
    policy = caching.policies[method]
    how = WAYS[method].format(every=nth)
    moved = policy.grid(grid) if isinstance(policy, Aligned) else grid
    plan = _reusing(strategy, method, moved, policy, _mask(policy, steps), how)
    return plan if method not in caching.forecasts else _expecting(plan, caching, method)


def plan_without_sources(
    settings: Settings, schedule: Callable[[int], Schedule], profile: Profile, level: Level, why: str
) -> Plan | None:
    """The best plan without a source for a budget, or the cheapest that is forecast to reach a fidelity.

    why: what its reason begins with, for want of a source; nothing for nothing. None when neither was given, or nothing
    cheaper than the from-scratch run is known to reach the fidelity.
    """
    steps, budget = settings.steps, settings.budget
    if budget is not None:
        _, caching = _calibrated(profile, None, steps, budget)
        best = None if caching is None else caching.best
        if best is None:
            plan = shorter_plan(
                settings.strategy, "fewer-steps", schedule(budget), steps, "the best known without a source"
            )
            return _because(plan, why)
        return _because(_plan_by(settings, best, schedule, profile, level, budget), why)
    if settings.fidelity is None or steps != profile.steps:
        return None
    for count, caching in sorted(profile.without_sources.items()):
        surest = caching.surest
        if surest is not None and caching.forecasts[surest].assured_db >= settings.fidelity:
            return _because(_plan_by(settings, surest, schedule, profile, level, count), why)
    return None


def _because(plan: Plan, why: str) -> Plan:
    if not why:
        return plan
    return replace(plan, reason=f"{why[0].upper()}{why[1:]}: {plan.reason[0].lower()}{plan.reason[1:]}")


def _plan_by(
    settings: Settings, method: str, schedule: Callable[[int], Schedule], profile: Profile, level: Level, budget: int
) -> Plan:
    if METHODS[method].family == "reuse":
        return reuse_plan(settings.strategy, method, schedule(settings.steps), budget, profile, level)
    plan = shorter_plan(settings.strategy, method, schedule(budget), settings.steps, f"by {method}")
    count, caching = _calibrated(profile, method, settings.steps, budget)
    return plan if caching is None or count != budget else _expecting(plan, caching, method)


def _calibrated(profile: Profile, method: str | None, steps: int, budget: int) -> tuple[int, Caching | None]:
    """The largest budget up to this one that was calibrated for the method (None: for any), and what was learned."""
    if steps == profile.steps:
        for count, caching in sorted(profile.without_sources.items(), reverse=True):
            if count <= budget and (method is None or method in caching.policies or method in caching.forecasts):
                return count, caching
    return 0, None


def _mask(policy: StepPolicy, steps: int) -> tuple[int, ...]:
    return tuple(k for k in range(steps) if policy.decide(k, ({},)) == "compute")


def _reusing(strategy: str, method: str, grid: Schedule, policy: StepPolicy, nodes: tuple[int, ...], how: str) -> Plan:
    reason = f"From scratch with {len(nodes)} of {grid.steps} evaluations, {how}."
    return Plan(strategy, reason, SamplingPlan.reusing(method, grid, policy, nodes))


def _expecting(plan: Plan, caching: Caching, method: str) -> Plan:
    expected = caching.forecasts.get(method)
    return replace(plan, forecast=expected, raw_forecast=expected)
