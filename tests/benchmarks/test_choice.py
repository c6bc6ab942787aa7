"""On calibration pairs, `auto` loses to no way that it chooses among."""

from dataclasses import replace

import numpy as np
import pytest

from trajflow import load
from trajflow.assets import asset
from trajflow.bench.frontier import Measurement, measure
from trajflow.learning.pairs import read_pairs

RIVALS = ("basis", "solver")


@pytest.fixture(scope="module")
def measured() -> list[Measurement]:
    """Four calibration pairs with two sources, and the same with one: their from-scratch runs are the same."""
    pairs = read_pairs(asset("pairs/requests_calibration.csv"))
    chosen = [replace(pair, history=pair.history[:1]) for pair in pairs if pair.history][::18][:4]
    alone = [replace(pair, history=()) for pair in chosen]
    return list(measure(load("tiny"), [*chosen, *alone], strategies=("auto", *RIVALS), budgets=(6,)))


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize("rival", RIVALS)
def test_on_calibration_pairs_auto_loses_to_neither_by_more_than_chance(measured, is_alone: bool, rival: str) -> None:
    """One source, and two; none of these pairs is a held-out one."""
    kept = [each for each in measured if is_alone != bool(each.pair.history)]
    psnr_db = {
        name: np.array([min(70.0, each.metrics.psnr_db) for each in kept if each.strategy == name])
        for name in ("auto", rival)
    }
    gains = psnr_db["auto"] - psnr_db[rival]
    assert len(gains) == 4
    chance = 2 * gains.std(ddof=1) / np.sqrt(len(gains))
    assert gains.mean() > -max(chance, 0.25), f"{rival} is {-gains.mean():.1f} dB better"
