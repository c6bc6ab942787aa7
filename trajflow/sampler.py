"""The sampling loop, the only one: ask the transition for a velocity, step with it, record it, tell the caller.

`run` is how a plan becomes a picture: it samples here, or where a remote model is, decodes, and says what was waited
for (`PhaseClock`). Both are generators that the caller drives, by `made = yield from run(...)` where it is one itself.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

import torch

from trajflow.base import Forecast, Model, NodeDiagnostics, Run, SamplingPlan, Step, StepKind, Trajectory, Transition
from trajflow.errors import NumericalError
from trajflow.field import Field, angle_degrees, clean_estimate, euler_step
from trajflow.memory import Recording, nothing_to_give, retry_on_oom
from trajflow.methods import METHODS

T = TypeVar("T")


class PhaseClock:
    """Wall time of one run: adds up the seconds spent in each named phase.

    `with clock("embed"): ...` times a phase; entering the same name again adds to it, and an exception inside still
    counts the time until it was raised. Phases do not nest. On a CUDA device the clock waits for queued kernels at both
    ends of a phase, so that work is charged to the phase that asked for it. One clock serves one run on one thread.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._seconds: dict[str, float] = {}
        self._open: str | None = None

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Time the block as part of `phase`."""
        assert self._open is None, f"phase {phase!r} starts inside phase {self._open!r}: phases do not nest"
        self._open = phase
        start = self._now()
        try:
            yield
        finally:
            self._open = None
            self._seconds[phase] = self._seconds.get(phase, 0.0) + self._now() - start

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by phase so far, in the order the phases were first entered; a copy."""
        return dict(self._seconds)

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


@runtime_checkable
class RemoteModel(Protocol):
    """A model that this process cannot compute with: it samples whole plans where it is.

    An evaluation or a picture asked for by itself costs a call of its own, so nobody asks for previews.
    """

    def run(
        self, plan: SamplingPlan, sources: tuple[Trajectory, ...], field: Field, prompt: str
    ) -> Generator[Step, None, Run]:
        """As the function `run`, but there; `field` ends as if it had been evaluated here."""


def run(
    model: Model,
    plan: SamplingPlan,
    sources: tuple[Trajectory, ...],
    field: Field,
    prompt: str,
    free_memory: Callable[[], None] = nothing_to_give,
) -> Generator[Step, None, Run]:
    """Yield each `Step` of a plan on the model's field, and return the `Run`; closing it ends the run.

    `free_memory` frees what the caller keeps on the device, should its memory not suffice (see `memory.py`). Raises
    as `sample` does, and NumericalError for a picture that is not finite.
    """
    if isinstance(model, RemoteModel):
        return (yield from model.run(plan, sources, field, prompt))
    clock = PhaseClock(field.noise.device)
    angles: dict[int, float] = {}
    diagnostics: list[NodeDiagnostics] = []
    forecast: Forecast | None = None
    raw_forecast: Forecast | None = None
    latents = field.noise
    steps = sample(METHODS[plan.method].transition, sources, plan, field, prompt, free_memory)
    while True:
        with clock("sample"):
            step = advance(steps)
            if isinstance(step, Trajectory):
                trajectory = step
                break
            latents = step.latents
            if step.angle is not None:
                angles[step.k] = step.angle
            if step.diagnosis is not None:
                diagnostics.append(step.diagnosis)
            forecast, raw_forecast = step.forecast or forecast, step.raw_forecast or raw_forecast
        yield step
    with clock("decode"):
        image = retry_on_oom(partial(model.decode, latents), free_memory)
    return Run(
        image,
        trajectory,
        field.cost,
        clock.seconds,
        angles,
        tuple(diagnostics),
        forecast,
        raw_forecast,
        field.warnings,
    )


def sample(
    transition: Transition,
    sources: tuple[Trajectory, ...],
    plan: SamplingPlan,
    field: Field,
    prompt: str,
    free_memory: Callable[[], None] = nothing_to_give,
) -> Generator[Step, None, Trajectory]:
    """Yield a `Step` for each step taken, and return the `Trajectory` of the whole run.

    The caller drives: it may look at a step, decode its preview, or stop asking. The seconds of a step are its own,
    from when it was asked for. What runs out of memory is tried once more after `free_memory`. Raises
    BudgetExceeded and NumericalError from the field, and MemoryExhausted; nothing is recorded then.
    """
    sigmas, steps = plan.schedule.sigmas, plan.schedule.steps
    began = time.perf_counter()
    state, start, x = retry_on_oom(partial(transition.begin, sources, plan, field), free_memory)
    recording = Recording(steps - start)
    kinds: list[StepKind] = []
    for k in range(start, steps):
        velocity, kind, state = retry_on_oom(partial(transition.velocity, k, x, state, field), free_memory)
        following = euler_step(x, velocity, sigmas[k], sigmas[k + 1])
        # Looking at the numbers waits for a GPU, so the seconds below are those of the step, the device's included.
        if not torch.isfinite(velocity).all():
            raise NumericalError(f"the velocity of step {k} of {steps} ({kind}) is NaN or infinite")
        recording.add(velocity)
        angle = angle_degrees(sources[0].velocities[k], velocity) if sources and kind == "computed" else None
        kinds.append(kind)
        preview = clean_estimate(x, velocity, sigmas[k])
        x = following
        diagnostics = getattr(state, "diagnostics", ())
        yield Step(
            k,
            steps,
            float(sigmas[k]),
            kind,
            field.nfe,
            field.rows,
            x,
            preview,
            angle,
            time.perf_counter() - began,
            diagnosis=diagnostics[-1] if diagnostics and diagnostics[-1].k == k else None,
            forecast=getattr(state, "forecast", None),
            raw_forecast=getattr(state, "raw_forecast", None),
        )
        began = time.perf_counter()
    velocities = retry_on_oom(recording.finish, free_memory)
    return Trajectory(
        prompt, plan.schedule, field.noise, velocities, tuple(kinds), field.negative, field.is_start_exact
    )


def advance(running: Generator[Step, None, T]) -> Step | T:
    """The next step of a run, or, after the last one, what it returns."""
    try:
        return next(running)
    except StopIteration as ended:
        return ended.value


def collect(running: Generator[Step, None, T]) -> tuple[list[Step], T]:
    """All steps of a run at once, and what it returns."""
    steps: list[Step] = []
    while isinstance(step := advance(running), Step):
        steps.append(step)
    return steps, step
