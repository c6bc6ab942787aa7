"""The grid of a run, made by a copy of the pipeline's own scheduler.

Resolution-dependent shifting moves sigma to e^mu / (e^mu + 1 / sigma - 1), with mu linear in the number of image tokens
(arXiv:2403.03206, section 5.3.2).
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from trajflow.base import Schedule
from trajflow.errors import ModelError, RequestError


def check_scheduler(pipeline: DiffusionPipeline) -> None:
    """Raise ModelError unless the pipeline steps by plain Euler from noise to image."""
    scheduler = pipeline.scheduler
    is_plain = type(scheduler) is FlowMatchEulerDiscreteScheduler and not scheduler.config.invert_sigmas
    if not is_plain or scheduler.config.stochastic_sampling:
        raise ModelError(
            f"The pipeline's scheduler is {type(scheduler).__name__}; trajectories can be carried over only with a "
            "deterministic FlowMatchEulerDiscreteScheduler. Set pipe.scheduler to one."
        )


def even_sigmas(steps: int) -> list[float]:
    """1, 1 - 1 / N, ... 1 / N: what FLUX and its kin hand to the scheduler before it shifts them."""
    return np.linspace(1.0, 1 / steps, steps).tolist()


def shift_for(scheduler: FlowMatchEulerDiscreteScheduler, tokens: int, *, max_shift: float = 1.15) -> float:
    """mu for a picture of that many image tokens; `max_shift` where the scheduler's config names none."""
    config = scheduler.config
    return calculate_shift(
        tokens,
        config.get("base_image_seq_len", 256),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.5),
        config.get("max_shift", max_shift),
    )


def read_grid(
    scheduler: FlowMatchEulerDiscreteScheduler,
    device: torch.device,
    *,
    steps: int | None = None,
    sigmas: Sequence[float] | None = None,
    mu: float | None = None,
) -> Schedule:
    """The grid that the scheduler makes of a number of steps or of unshifted sigmas; itself it stays as it is.

    Raises RequestError when there is none: stretching to a terminal sigma takes two steps.
    """
    scheduler = copy.deepcopy(scheduler)
    with np.errstate(invalid="ignore", divide="ignore"):
        scheduler.set_timesteps(steps, device=device, sigmas=sigmas, mu=mu)
    if not torch.isfinite(scheduler.sigmas).all():
        raise RequestError("This model's scheduler cannot make a grid of so few steps. Ask for at least 2.")
    return Schedule(scheduler.sigmas, scheduler.timesteps)
