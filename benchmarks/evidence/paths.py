"""Paths beside each other: how far a crossing strays, how old and new velocities part, how a small push grows."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmarks.evidence.bench import Edit, Scale
from trajflow.base import Trajectory
from trajflow.field import Field, angle_degrees, euler_step
from trajflow.metrics.path import path_diagnostics

Row = dict[str, Any]
METHODS = (
    "resume", "blend", "published", "shooting", "multiple-shooting", "mpc", "shooting-mpc", "difference", "basis",
)  # fmt: skip
PROMPTS = "from scratch, old and new prompt"
PUSH, PUSHED_STEPS = 0.001, 10


def measure(edit: Edit, scale: Scale) -> Iterator[Row]:
    """A row for each method at `path_budget`, and one for the two from-scratch runs; none without a source."""
    if not edit.pair.is_of_prompts:
        return
    truth = edit.target.trajectory
    assert truth is not None
    for method in METHODS:
        result, trajectory = edit.follow(method, scale.path_budget)
        assert trajectory is not None
        found = path_diagnostics(trajectory, (edit.source_run,), truth)
        row = {"pair": edit.number, "method": method, "nfe": result.cost.nfe}
        row |= {"psnr_db": round(edit.to_new(result.image).psnr_db, 2)}
        yield row | {name: round(value, 6) for name, value in found.items()}
    yield {"pair": edit.number, "method": PROMPTS, "nfe": truth.schedule.steps} | _apart(edit, truth)


def _apart(edit: Edit, truth: Trajectory) -> Row:
    """Degrees between the velocities of both prompts: at the common noise, at most later on; and a push's growth."""
    old = edit.source_run.velocities
    angles = [angle_degrees(a, b) for a, b in zip(old, truth.velocities, strict=True)]
    first, last = _pushed(edit)
    return {
        "angle_first": round(angles[0], 2),
        "angle_largest": round(max(angles), 2),
        "push_after": round(last, 4),
        "push_growth": round(last / first, 3),
    }


def _pushed(edit: Edit) -> tuple[float, float]:
    """How far two runs are apart after one step and after `PUSHED_STEPS`, whose first velocities differ by 2 `PUSH`."""
    bench, schedule = edit.bench, edit.bench.schedule()
    ends: list[list[Tensor]] = []
    for push in (PUSH, -PUSH):
        field = Field(bench.model, edit.new, schedule, bench.noise(edit.pair.seed), PUSHED_STEPS)
        x, states = field.noise, []
        for k in range(min(PUSHED_STEPS, schedule.steps)):
            velocity = field.evaluate(x, k) + (push if k == 0 else 0.0)
            x = euler_step(x, velocity, schedule.sigmas[k], schedule.sigmas[k + 1])
            states.append(x)
        ends.append(states)
    return tuple(float((a - b).norm()) for a, b in ((ends[0][i], ends[1][i]) for i in (0, -1)))  # type: ignore[return-value]
