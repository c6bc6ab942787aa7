"""The sampling loop, the only one: ask the transition for a velocity, step with it, record it, tell the caller."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from PIL.Image import Image

from trajflow.base import Model, Plan, Step, StepKind, Trajectory, Transition
from trajflow.errors import NumericalError
from trajflow.field import Field
from trajflow.flow import clean_estimate, euler_step
from trajflow.memory import nothing_to_give, retry_on_oom
from trajflow.metrics.angle import angle_degrees
from trajflow.recording import Recording
from trajflow.transitions import TRANSITIONS


@dataclass(frozen=True)
class Made:
    """What a sampled plan ends in: the run, its picture, and the seconds that decoding took."""

    trajectory: Trajectory
    image: Image
    decode_seconds: float


@runtime_checkable
class RemoteModel(Protocol):
    """A model that this process cannot compute with: it samples whole plans where it is.

    An evaluation or a picture asked for by itself costs a call of its own, so nobody asks for previews.
    """

    def run(
        self, plan: Plan, sources: tuple[Trajectory, ...], field: Field, prompt: str
    ) -> Generator[Step | Made, None, None]:
        """As `make`, but there; `field` ends as if it had been evaluated here."""


def make(
    model: Model,
    plan: Plan,
    sources: tuple[Trajectory, ...],
    field: Field,
    prompt: str,
    free_memory: Callable[[], None] = nothing_to_give,
) -> Generator[Step | Made, None, None]:
    """Yield each `Step` of a plan on the model's field, then what was `Made`; closing it ends the run.

    `relieve` frees what the caller keeps on the device, should its memory not suffice (see `memory.py`).
    """
    if isinstance(model, RemoteModel):
        yield from model.run(plan, sources, field, prompt)
        return
    latents = field.noise
    for event in sample(TRANSITIONS[plan.transition], sources, plan, field, prompt, free_memory):
        if isinstance(event, Trajectory):
            began = time.perf_counter()
            image = retry_on_oom(partial(model.decode, latents), free_memory)
            yield Made(event, image, time.perf_counter() - began)
            return
        latents = event.latents
        yield event


def sample(
    transition: Transition,
    sources: tuple[Trajectory, ...],
    plan: Plan,
    field: Field,
    prompt: str,
    free_memory: Callable[[], None] = nothing_to_give,
) -> Iterator[Step | Trajectory]:
    """Yield a `Step` for each step taken, then the `Trajectory` of the whole run.

    The caller drives: it may look at a step, decode its preview, or stop asking. The seconds of a step are its own time
    only. A step that runs out of memory is tried once more after `relieve`. Raises BudgetExceeded and NumericalError
    from the field, and MemoryExhausted; nothing is recorded then.
    """
    sigmas, steps = plan.schedule.sigmas, plan.schedule.steps
    state, start, x = transition.begin(sources, plan, field)
    recording = Recording(steps - start)
    kinds: list[StepKind] = []
    for k in range(start, steps):
        began = time.perf_counter()
        velocity, kind, state = retry_on_oom(partial(transition.velocity, k, x, state, field), free_memory)
        following = euler_step(x, velocity, sigmas[k], sigmas[k + 1])
        # Looking at the numbers waits for a GPU, so the seconds below are those of the step, the device's included.
        if not torch.isfinite(velocity).all():
            raise NumericalError(f"the velocity of step {k} of {steps} ({kind}) is NaN or infinite")
        recording.add(velocity)
        seconds = time.perf_counter() - began
        angle = angle_degrees(sources[0].velocities[k], velocity) if sources and kind == "computed" else None
        kinds.append(kind)
        preview = clean_estimate(x, velocity, sigmas[k])
        x = following
        forecast, diagnostics = getattr(state, "forecast", None), getattr(state, "diagnostics", ())
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
            seconds,
            diagnosis=diagnostics[-1] if diagnostics and diagnostics[-1].k == k else None,
            forecast=forecast,
        )
    yield Trajectory(prompt, plan.schedule, field.noise, recording.finish(), tuple(kinds))
