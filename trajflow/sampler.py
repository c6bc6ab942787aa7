"""The sampling loop, the only one: ask the transition for a velocity, step with it, record it, tell the caller."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from PIL.Image import Image

from trajflow.base import Model, Plan, Step, StepKind, Trajectory, Transition
from trajflow.errors import NumericalError
from trajflow.field import Field
from trajflow.flow import clean_estimate, euler_step
from trajflow.metrics.angle import angle_degrees
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
    model: Model, plan: Plan, sources: tuple[Trajectory, ...], field: Field, prompt: str
) -> Generator[Step | Made, None, None]:
    """Yield each `Step` of a plan on the model's field, then what was `Made`; closing it ends the run."""
    if isinstance(model, RemoteModel):
        yield from model.run(plan, sources, field, prompt)
        return
    latents = field.noise
    for event in sample(TRANSITIONS[plan.transition], sources, plan, field, prompt):
        if isinstance(event, Trajectory):
            began = time.perf_counter()
            image = model.decode(latents)
            yield Made(event, image, time.perf_counter() - began)
            return
        latents = event.latents
        yield event


def sample(
    transition: Transition, sources: tuple[Trajectory, ...], plan: Plan, field: Field, prompt: str
) -> Iterator[Step | Trajectory]:
    """Yield a `Step` for each step taken, then the `Trajectory` of the whole run.

    The caller drives: it may look at a step, decode its preview, or stop asking. The seconds of a step are its own time
    only. Raises BudgetExceeded and NumericalError from the field; nothing is recorded then.
    """
    sigmas, steps = plan.schedule.sigmas, plan.schedule.steps
    state, start, x = transition.begin(sources, plan, field)
    velocities: list[torch.Tensor] = []
    kinds: list[StepKind] = []
    for k in range(start, steps):
        began = time.perf_counter()
        velocity, kind, state = transition.velocity(k, x, state, field)
        if not torch.isfinite(velocity).all():
            raise NumericalError(f"the velocity of step {k} of {steps} ({kind}) is NaN or infinite")
        following = euler_step(x, velocity, sigmas[k], sigmas[k + 1])
        if following.is_cuda:
            torch.cuda.synchronize(following.device)
        seconds = time.perf_counter() - began
        angle = angle_degrees(sources[0].velocities[k], velocity) if sources and kind == "computed" else None
        velocities.append(velocity)
        kinds.append(kind)
        preview = clean_estimate(x, velocity, sigmas[k])
        x = following
        forecast, sights = getattr(state, "forecast", None), getattr(state, "sights", ())
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
            sight=sights[-1] if sights and sights[-1].k == k else None,
            forecast=forecast,
        )
    yield Trajectory(prompt, plan.schedule, field.noise, torch.stack(velocities), tuple(kinds))
