"""What surrounds the network: the loop and its recording, and moving a run between stores."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch.utils.flop_counter import FlopCounterMode

from trajflow.base import Conditioning, Model, SamplingPlan, Schedule, Trajectory
from trajflow.bench.gpu.timing import matrix_rate, median_seconds, seconds_of
from trajflow.cache.files import put_in_place, write_partial
from trajflow.errors import NumericalError
from trajflow.field import Field, euler_step
from trajflow.memory import Recording
from trajflow.sampler import collect, sample
from trajflow.transitions.direct import Direct

Figures = dict[str, Any]


def one_evaluation(
    model: Model, asked: Conditioning, grid: Schedule, x: torch.Tensor, rate_size: int, repeats: int
) -> Figures:
    """Seconds and operations of one guided velocity, and its share of the device's dense matrix rate."""
    point = grid.point(0)

    def evaluate() -> object:
        return model.evaluate(x, point, asked)

    with FlopCounterMode(display=False) as counter:
        evaluate()
    seconds = median_seconds(evaluate, x.device, repeats)
    rate = matrix_rate(x.device, x.dtype, rate_size, repeats)
    flops = counter.get_total_flops()
    return {
        "evaluation_s": seconds,
        "evaluation_flop": flops,
        "matrix_rate_flop_s": rate,
        "share_of_matrix_rate": flops / seconds / rate,
    }


def loop(
    model: Model, asked: Conditioning, grid: Schedule, x: torch.Tensor, repeats: int
) -> tuple[Figures, Trajectory]:
    """Seconds of a from-scratch run: the bare loop, the same with recording, and trajflow's own; and what it recorded.

    They are timed in turns, so that a device that slows down slows all of them.
    """
    plan = SamplingPlan.computing_all("baseline", grid)
    recorded: list[Trajectory] = []

    def whole() -> None:
        field = Field(model, asked, grid, x, grid.steps)
        _, trajectory = collect(sample(Direct(), (), plan, field, asked.prompt))
        assert isinstance(trajectory, Trajectory)
        recorded[:] = [trajectory]

    ways: dict[str, Callable[[], object]] = {
        "bare_s": lambda: _bare(model, asked, grid, x, None),
        "recorded_s": lambda: _bare(model, asked, grid, x, Recording(grid.steps)),
        "sampled_s": whole,
    }
    for work in ways.values():
        work()
    rounds = [{name: seconds_of(work, x.device) for name, work in ways.items()} for _ in range(repeats)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in ways}
    bare = medians["bare_s"]
    medians["recording_overhead"] = statistics.median(each["recorded_s"] / each["bare_s"] for each in rounds) - 1
    medians["loop_overhead"] = medians["sampled_s"] / bare - 1
    return medians, recorded[0]


def _bare(model: Model, asked: Conditioning, grid: Schedule, x: torch.Tensor, recording: Recording | None) -> None:
    for k in range(grid.steps):
        velocity = model.evaluate(x, grid.point(k), asked).velocity
        x = euler_step(x, velocity, grid.sigmas[k], grid.sigmas[k + 1])
        if not torch.isfinite(velocity).all():
            raise NumericalError(f"random weights gave NaN or infinity at step {k}")
        if recording is not None:
            recording.add(velocity)
    if recording is not None:
        recording.finish()


def transfers(trajectory: Trajectory, repeats: int) -> Figures:
    """Bytes of a run and how fast its velocities move: to the CPU's memory, back, and from there to the disk."""
    velocities = trajectory.velocities
    device = velocities.device
    nbytes = velocities.numel() * velocities.element_size()
    host = torch.empty(velocities.shape, dtype=velocities.dtype, pin_memory=velocities.is_cuda)
    there = torch.empty_like(velocities)
    host.copy_(velocities)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.safetensors"

        def to_disk() -> None:
            put_in_place(write_partial(path.parent, save({"velocities": host})), path)

        seconds = {
            "to_cpu": median_seconds(lambda: host.copy_(velocities), device, repeats),
            "to_device": median_seconds(lambda: there.copy_(host), device, repeats),
            "to_disk": median_seconds(to_disk, device, repeats),
        }
    rates = {f"{way}_gb_s": nbytes / taken / 1e9 for way, taken in seconds.items()}
    return {"trajectory_bytes": trajectory.nbytes, **rates}
