from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image

from trajflow.base import Cost, NodeSchedule, Plan, Request, Result, SamplingPlan, Schedule, Trajectory
from trajflow.cache import CacheKey, Entry

SHAPE = (1, 4, 8, 8)
STEPS = 4
GRID = torch.linspace(1, 0, STEPS + 1)


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """Entries of 4-step runs: 5,120 bytes of trajectory, 768 of picture and 1,536 of vector, 7,424 in all."""
    numbers = count()

    def make(
        prompt: str = "a mountain",
        *,
        key: str | None = None,
        seed: int = 0,
        vector: np.ndarray | None = None,
        computed: int = STEPS,
        has_trajectory: bool = True,
        strategy: str = "auto",
        budget: int | None = None,
        negative_prompt: str = "",
        guidance: float = 3.0,
    ) -> Entry:
        number = next(numbers)
        key = key or f"entry-{number}"
        if vector is None:
            vector = np.eye(384, dtype=np.float32)[number]
        schedule = Schedule(GRID, GRID[:-1] * 1000)
        kinds = ("computed",) * computed + ("coasted",) * (STEPS - computed)
        noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
        trajectory = Trajectory(prompt, schedule, noise, -noise.expand(STEPS, *SHAPE).clone(), kinds)
        nodes = NodeSchedule(tuple(range(computed)))
        sampling = SamplingPlan.transporting(strategy, schedule, nodes, budget=budget or computed)
        plan = Plan(strategy, "for a test", sampling)
        result = Result(
            request=Request(prompt, seed=seed, strategy=strategy, budget=budget),
            image=Image.new("RGB", (16, 16)),
            plan=plan,
            cost=Cost(computed, 2 * computed),
            seconds={},
            kinds=kinds,
            angles={},
            key=key,
        )
        cache_key = CacheKey.of({"name": "closed form"}, SHAPE, GRID, guidance, negative_prompt, seed)
        return Entry(key, cache_key, result, trajectory if has_trajectory else None, vector, float(number))

    return make
