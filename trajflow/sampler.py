"""The sampling loop, the only one: ask the transition for a velocity, step with it, record it, tell the caller."""

import time
from collections.abc import Iterator

import torch

from trajflow.base import Plan, Step, StepKind, Trajectory, Transition
from trajflow.errors import NumericalError
from trajflow.field import Field
from trajflow.flow import clean_estimate, euler_step
from trajflow.metrics.angle import angle_degrees


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
