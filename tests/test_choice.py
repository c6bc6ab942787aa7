"""With a source or without one: what is forecast to be nearer."""

from dataclasses import replace

from trajflow.base import Forecast, Match, Plan, SamplingPlan
from trajflow.models.adapter import Schedule
from trajflow.planner.choice import assured_of, better_of


def plan(grid: Schedule, median_db: float | None, *, prompt: str | None = None) -> Plan:
    told = None if median_db is None else Forecast(median_db - 4, median_db - 2, median_db, median_db + 4)
    match = None if prompt is None else Match("key", prompt, 0.7, "distant", True, 0.0)
    keys = () if prompt is None else ("key",)
    return Plan("auto", "A reason.", SamplingPlan.computing_all("ab2", grid), keys, match, told, told)


def test_the_higher_median_is_chosen_and_what_it_was_preferred_to_is_said(mixture) -> None:
    grid = mixture.schedule(6, (1, 3, 8, 8))
    near, far, alone = plan(grid, 44.0, prompt="a hill"), plan(grid, 31.0, prompt="a hill"), plan(grid, 40.0)
    assert better_of(near, alone) is near
    chosen = better_of(far, alone)
    assert (chosen.sources, chosen.forecast) == ((), alone.forecast)
    assert chosen.reason == "“a hill” is too far to gain from, 31 dB against 40 without it: a reason."


def test_without_two_forecasts_the_source_is_kept(mixture) -> None:
    grid = mixture.schedule(6, (1, 3, 8, 8))
    known, unknown = plan(grid, 31.0, prompt="a hill"), plan(grid, None, prompt="a hill")
    assert better_of(known, None) is known
    assert better_of(known, plan(grid, None)) is known
    assert better_of(unknown, plan(grid, 40.0)) is unknown


def test_for_a_fidelity_the_source_is_kept_unless_it_does_not_get_there(mixture) -> None:
    """The assured of these forecasts is 2 dB below the median."""
    grid = mixture.schedule(6, (1, 3, 8, 8))
    far, alone = plan(grid, 31.0, prompt="a hill"), plan(grid, 40.0)
    near_enough, too_far = (replace(far, sampling=replace(far.sampling, fidelity=wanted)) for wanted in (29.0, 29.5))
    assert assured_of(near_enough, alone) is near_enough
    assert assured_of(too_far, None) is too_far
    assert assured_of(far, alone) is far, "nothing is aimed at"
    chosen = assured_of(too_far, alone)
    assert (chosen.sources, chosen.forecast) == ((), alone.forecast)
    assert chosen.reason == "“a hill” is too far to assure 29.5 dB, 29 dB with 6 evaluations: a reason."
