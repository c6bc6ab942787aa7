"""Finished runs made by hand, from real records."""

import pytest
import torch
from PIL import Image

from trajflow.base import Cost, Match, Metrics, NodeSchedule, Plan, Request, Result, SamplingPlan, Schedule


def make_picture(color=(200, 120, 60), size=(16, 12)):
    return Image.new("RGB", size, color)


def make_result(prompt="a mountain at dusk", *, compare=True, steps=4, **changes):
    schedule = Schedule(torch.linspace(1, 0, steps + 1), torch.linspace(1000, 1, steps))
    match = Match("source", "a mountain", 0.93, "near", True)
    sampling = SamplingPlan.transporting("auto", schedule, NodeSchedule((0, 2)))
    plan = Plan("auto", "The path of “a mountain” is carried over.", sampling, ("source",), match)
    compared = {
        "metrics": Metrics(38.21, 0.98, False),
        "baseline": make_picture((190, 120, 60)),
        "baseline_cost": Cost(steps, 2 * steps),
        "baseline_seconds": {"sample": 1.5, "decode": 0.1},
    }
    fields = {
        "request": Request(prompt, seed=7, steps=steps, compare=compare),
        "image": make_picture(),
        "plan": plan,
        "cost": Cost(2, 4),
        "seconds": {"embed": 0.05, "sample": 0.4, "decode": 0.05},
        "kinds": ("computed", "coasted") * (steps // 2),
        "angles": {0: 12.0, 2: 9.5},
        "key": "key",
    }
    return Result(**(fields | (compared if compare else {}) | changes))


@pytest.fixture
def picture():
    return make_picture


@pytest.fixture
def result():
    return make_result
