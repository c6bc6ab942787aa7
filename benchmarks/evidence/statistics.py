"""Summaries of the measured rows: medians and tails by method and budget, and paired bootstrap intervals."""

import numpy as np
from pandas import DataFrame, Series

from benchmarks.evidence.contest import SEARCHED
from benchmarks.intervals import bootstrap_interval
from trajflow.assets import WORLD
from trajflow.methods import METHODS

LIGHT = WORLD.light


def is_from_scratch(method: str) -> bool:
    """Whether a method of the contest knows nothing of the cache."""
    strategy = METHODS.get(method.removesuffix(SEARCHED))
    return strategy is not None and strategy.family in ("shorter", "reuse")


def edits(contest: DataFrame) -> DataFrame:
    """The rows of pairs that change an attribute."""
    return contest[~contest["kind"].isin(LIGHT)]


def light(contest: DataFrame) -> DataFrame:
    """The rows of pairs that only change the wording."""
    return contest[contest["kind"].isin(LIGHT)]


def medians(rows: DataFrame, by: list[str], value: str = "psnr_db") -> Series:
    """Median of `value` by group."""
    return rows.groupby(by, sort=False)[value].median()


def tail(rows: DataFrame, by: list[str], value: str = "psnr_db") -> Series:
    """10th percentile of `value` by group."""
    return rows.groupby(by, sort=False)[value].quantile(0.1)


def best_rival(contest: DataFrame, budget: int) -> str:
    """The from-scratch method with the highest mean at a budget, chosen on the very pairs it is compared on."""
    rows = contest[(contest["budget"] == budget) & contest["method"].map(is_from_scratch)]
    return str(rows.groupby("method")["psnr_db"].mean().idxmax())


def differences(contest: DataFrame, budget: int, ours: str, rival: str) -> Series:
    """PSNR of `ours` minus that of `rival`, dB, by pair."""
    rows = contest[contest["budget"] == budget]
    by_method = rows.pivot(index="pair", columns="method", values="psnr_db")
    return by_method[ours] - by_method[rival]


def gains(contest: DataFrame, budgets: list[int]) -> dict[tuple[str, int], Series]:
    """Gains over the best rival by method and budget, from all sources and from one, where they were measured."""
    found = {}
    for ours in ("basis", "difference"):
        for budget in budgets:
            rows = contest[contest["budget"] == budget]
            if (rows["method"] == ours).any() and rows["method"].map(is_from_scratch).any():
                found[ours, budget] = differences(contest, budget, ours, best_rival(contest, budget))
    return found


def paired_interval(values: Series, resamples: int) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % bootstrap interval, pairs drawn with replacement (percentile method, seed 0)."""
    return bootstrap_interval(values.to_numpy(dtype=float), np.mean, resamples)
