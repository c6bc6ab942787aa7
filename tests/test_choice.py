"""With a source or without one: what is forecast to be nearer, and on calibration pairs that this loses to neither."""

from dataclasses import replace

import numpy as np
import pytest

from trajflow import load
from trajflow.assets import asset
from trajflow.base import Forecast, Match, Plan, SamplingPlan
from trajflow.bench.frontier import measure
from trajflow.learning.pairs import read_pairs
from trajflow.models.adapter import Schedule
from trajflow.planner.choice import better_of


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


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [True, False])
def test_on_calibration_pairs_auto_loses_to_neither_by_more_than_chance(is_alone: bool) -> None:
    """One source, and all of them; none of these pairs is a held-out one."""
    pairs = read_pairs(asset("pairs/requests_calibration.csv"))
    chosen = [pair for pair in pairs if pair.history][::24][:8]
    if is_alone:
        chosen = [replace(pair, history=()) for pair in chosen]
    measured = list(measure(load("tiny"), chosen, strategies=("auto", "basis", "solver"), budgets=(6, 10)))
    psnr_db = {
        name: np.array([min(70.0, each.metrics.psnr_db) for each in measured if each.strategy == name])
        for name in ("auto", "basis", "solver")
    }
    for rival in ("basis", "solver"):
        gains = psnr_db["auto"] - psnr_db[rival]
        chance = 2 * gains.std(ddof=1) / np.sqrt(len(gains))
        assert gains.mean() > -max(chance, 0.25), f"{rival} is {-gains.mean():.1f} dB better"
