"""What to do for a request, given what is cached, and why, in one sentence.

Prompt similarity proposes; the first evaluation, at the noise that all sources share, decides how far apart the prompts
really are (`Plan.ladder`). The numbers below were chosen for 40 dB on calibration pairs of the bundled model
(`assets/pairs/calibration.csv`), never on the held-out pairs that are reported.
"""

from collections.abc import Callable

from trajflow.base import Match, Plan, Schedule
from trajflow.cache.tiers import resume_step
from trajflow.flow import even_nodes
from trajflow.settings import Settings
from trajflow.strategies import STRATEGIES

REFERENCE_STEPS = 28
SEARCHED_NODES = {3: (0, 16, 24), 5: (0, 10, 15, 20, 25), 7: (0, 4, 8, 12, 16, 21, 25)}
LADDER = ((0.04, 3), (0.24, 5), (0.60, 7), (float("inf"), 10))
DAMPING_FROM = 7
DAMPING = 0.5


def place_nodes(steps: int, budget: int) -> tuple[int, ...]:
    """`budget` distinct steps to evaluate of `steps`, the first one always: searched where known, else even."""
    searched = SEARCHED_NODES.get(budget)
    if searched is None or budget >= steps:
        return even_nodes(steps, budget)
    scaled = tuple(round(node * steps / REFERENCE_STEPS) for node in searched)
    return scaled if len(set(scaled)) == budget and scaled[-1] < steps else even_nodes(steps, budget)


def make_plan(
    settings: Settings,
    matches: tuple[Match, ...],
    resume_fraction: Callable[[float], float],
    schedule: Callable[[int], Schedule],
) -> Plan:
    """The plan for a request.

    matches: compatible cached runs, most similar first, already chosen as sources. resume_fraction: similarity to the
    share of steps that a resume takes from the cache. schedule: the model's grid of a given number of steps.
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
    return _transport(settings, matches, grid)


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


def _transport(settings: Settings, matches: tuple[Match, ...], grid: Schedule) -> Plan:
    steps, best, strategy = settings.steps, matches[0], STRATEGIES[settings.strategy]
    sources = matches[: strategy.most_sources]
    origin = f"“{best.prompt}”" if len(sources) == 1 else f"“{best.prompt}” and {len(sources) - 1} more"
    if settings.budget is not None:
        ladder: tuple[tuple[float, tuple[int, ...]], ...] = ()
        budget = settings.budget
        reason = f"The path of {origin} is carried over to the new prompt with {budget} of {steps} evaluations."
    else:
        ladder = tuple((largest, place_nodes(steps, min(count, steps))) for largest, count in LADDER)
        budget = max(len(nodes) for _, nodes in ladder)
        fewest = min(len(nodes) for _, nodes in ladder)
        reason = (
            f"The path of {origin} is carried over to the new prompt; its first evaluation decides "
            f"how many follow, {fewest} to {budget} in all."
        )
    nodes = place_nodes(steps, budget)
    return Plan(
        settings.strategy,
        strategy.transition,
        grid,
        0,
        nodes,
        budget,
        reason,
        tuple(match.key for match in sources),
        best,
        ladder,
        {"damping": DAMPING, "damping_from": DAMPING_FROM},
    )
