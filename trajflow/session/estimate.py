"""What a request would do, known before it runs."""

import statistics
from dataclasses import dataclass

from trajflow.base import Forecast, Request
from trajflow.cache import CacheKey
from trajflow.cache.entry import differences
from trajflow.methods import METHODS
from trajflow.session.cache import SessionCache
from trajflow.session.economy import may_be_full
from trajflow.session.refine import refinement_evaluations
from trajflow.session.runner import Runner
from trajflow.settings import Settings


@dataclass(frozen=True)
class Estimate:
    """What a request would do, known before it runs.

    `nfe` are the most evaluations that the picture may take; `seconds` are those of the comparison too, where one is
    asked for, and None until an evaluation was timed. `forecast` is None where none can be made.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> session.estimate("a mountain").nfe
    8
    """

    warning: str
    nfe: int
    seconds: float | None
    reason: str
    forecast: Forecast | None


def estimate_request(
    runner: Runner, cache: SessionCache, request: Request, settings: Settings, *, is_economy: bool
) -> Estimate:
    """What `answer` would do: the plan is made, and nothing is run."""
    cache_key = runner.cache_key(settings)
    comparison = settings.steps if request.compare and cache.true_run(settings.prompt, cache_key) is None else 0
    stored = cache.exact(settings, cache_key)
    if stored and (stored.is_true or not request.refine):
        reason = "This very picture is stored; it is shown at once."
        if comparison:
            reason = f"{reason} The from-scratch picture beside it takes {comparison} evaluations."
        return Estimate("", 0, _seconds(runner, comparison), reason, None)
    matches = cache.matches(settings, cache_key)
    plan = runner.plan(settings, matches)
    nfe, reason = plan.budget, plan.reason
    if request.refine:
        nfe = refinement_evaluations(cache, settings, cache_key)
        reason = f"A first picture after at most 3 evaluations, refined up to the from-scratch picture after {nfe}."
    elif is_economy and may_be_full(settings, matches, plan):
        nfe = settings.steps
        reason = f"{reason} If nothing computed in full is near, all {nfe} steps are computed."
    is_full = request.refine or plan.sampling.schedule.steps == settings.steps == plan.budget
    seconds = _seconds(runner, nfe + (0 if is_full else comparison))
    warning = "" if matches else _warning(cache, settings, cache_key)
    return Estimate(warning, nfe, seconds, reason, None if request.refine else plan.forecast)


def _seconds(runner: Runner, evaluations: int) -> float | None:
    timed = runner.step_seconds
    return statistics.median(timed) * evaluations if timed else None if evaluations else 0.0


def _warning(cache: SessionCache, settings: Settings, cache_key: CacheKey) -> str:
    """What changed since the last picture, where that is why nothing cached fits; else nothing."""
    latest = next(iter(cache.entries()), None)
    changed = differences(latest.cache_key, cache_key) if latest else ()
    if not changed or METHODS[settings.strategy].family not in ("switch", "transport"):
        return ""
    return (
        f"Changed since the last picture: {', '.join(changed)}. "
        "Nothing cached can be used, so this starts from scratch."
    )
