"""Plans that take the beginning of a cached path as it is: resuming, and blending or steering from there."""

from dataclasses import replace

from trajflow.base import Level, Match, Plan, SamplingPlan, Schedule
from trajflow.cache.tiers import resume_step
from trajflow.calibration import Profile
from trajflow.field import even_nodes
from trajflow.methods import METHODS
from trajflow.policies.budcache import BudCache, suffix_mask
from trajflow.settings import Settings
from trajflow.transitions.blend import blend_steps
from trajflow.transitions.published import Published
from trajflow.transitions.reuse import Reuse


def switch_plan(settings: Settings, match: Match, grid: Schedule, profile: Profile, level: Level) -> Plan:
    """The plan that follows the most similar run's path and leaves it late: by its tier, or as the budget allows.

    `level` is kept where none was learned.
    """
    steps, fraction, transition = settings.steps, match.resume_fraction, METHODS[settings.strategy].transition
    if isinstance(transition, Published):
        return _steered(settings, match, grid, resume_step(fraction, steps), profile)
    if isinstance(transition, Reuse):
        return _resume_reusing(settings, match, grid, resume_step(fraction, steps), profile, level)
    start = resume_step(fraction, steps) if settings.budget is None else steps - settings.budget
    if settings.budget is not None:
        reason = (
            f"The first {start} steps are taken from {match.called}, the budget pays for the other {steps - start}."
        )
    elif start:
        reason = f"{match.called} is {match.tier}, so {fraction:.0%} of its steps are taken as they are."
    else:
        reason = f"{match.called} is {_not_resumed(match, steps)}, so all {steps} steps are computed."
    sampling = SamplingPlan.switching(settings.strategy, grid, start, match.similarity)
    return Plan(settings.strategy, reason, sampling, (match.key,), match)


def _steered(settings: Settings, match: Match, grid: Schedule, start: int, profile: Profile) -> Plan:
    """The tier's beginning from the cache, then MPC: with every step left evaluated, or the budget's number of them."""
    steps = settings.steps
    left = steps - start
    budget = min(left, settings.budget or left)
    placed = profile.placement(steps, budget, 1).node_schedule.nodes
    nodes = suffix_mask(placed, start, steps, budget)
    tier = f"{match.called} is {match.tier} (similarity {match.similarity:.2f})"
    too_far = _none_left(match, steps) if match.resume_fraction else "too far for its tiers"
    evaluated = f"the other {left}" if budget == left else f"{budget} of the other {left}"
    if start:
        fade = blend_steps(match.similarity)
        reason = (
            f"{tier}: its first {start} steps are taken and {evaluated} evaluated, "
            f"where MPC fades to the new prompt over {fade} steps, planned anew at each."
        )
    elif budget == left:
        reason = f"{tier}, {too_far}: nothing is resumed, MPC has nothing to blend, all {steps} are computed."
    else:
        reason = f"{tier}, {too_far}: nothing is resumed, MPC steers from the noise by {budget} evaluations."
    sampling = SamplingPlan.switching(settings.strategy, grid, start, match.similarity, nodes)
    return Plan(settings.strategy, reason, sampling, (match.key,), match)


def _resume_reusing(
    settings: Settings, match: Match, grid: Schedule, start: int, profile: Profile, level: Level
) -> Plan:
    """The tier's beginning from the cache, and of the rest only a budget computed: half of it by default."""
    steps = settings.steps
    left = steps - start
    budget = min(left, settings.budget or max(1, left // 2))
    whole = profile.budcache(steps, budget) or BudCache(even_nodes(steps, budget), level)
    policy = replace(whole, mask=suffix_mask(whole.mask, start, steps, budget))
    taken = f"The first {start} steps are taken from {match.called}, which is {match.tier}; of the other {left}"
    if not start:
        taken = f"{match.called} is {_not_resumed(match, steps)}; of all {steps} steps"
    reason = f"{taken}, {budget} are computed and the rest reuse them."
    sampling = SamplingPlan.reusing(settings.strategy, grid, policy, policy.mask, budget=budget, start_step=start)
    return Plan(settings.strategy, reason, sampling, (match.key,), match)


def _not_resumed(match: Match, steps: int) -> str:
    """What a run is of which no step is taken, in words."""
    return f"{match.tier}, {_none_left(match, steps)}" if match.resume_fraction else "too distant to resume from"


def _none_left(match: Match, steps: int) -> str:
    """Of a tier whose share is less than a step, or all there is to compute."""
    counted = "1 step" if steps == 1 else f"{steps} steps"
    return f"but {match.resume_fraction:.0%} of {counted} leaves none to take"
