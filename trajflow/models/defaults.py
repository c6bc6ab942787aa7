"""What an adapter uses where a request says None, which settings it takes, and what it asks of a pipeline.

Settings come from `trajflow.json` in a model's folder or from `trajflow.load(..., settings=...)`. Distilled models are
made for few steps; where no config says so, their name does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.hooks.group_offloading import _GROUP_OFFLOADING
from torch import nn

from trajflow.base import Defaults
from trajflow.errors import ModelError

COMMON = ("steps", "guidance", "height", "width", "max_sequence_length")


def make_defaults(
    settings: Mapping[str, Any], steps: int, guidance: float, side: int, multiple: int, largest_side: int
) -> Defaults:
    """The model's own defaults with the settings laid over them; sizes in pixels."""
    return Defaults(
        steps=int(settings.get("steps", steps)),
        guidance=float(settings.get("guidance", guidance)),
        height=int(settings.get("height", side)),
        width=int(settings.get("width", side)),
        size_multiple=multiple,
        largest_side=largest_side,
    )


def is_turbo(pipeline: DiffusionPipeline, name: str) -> bool:
    """Whether the model's name says that it was distilled to a few steps without guidance."""
    paths = [Path(name), Path(str(pipeline.config.get("_name_or_path", "")))]
    # In the hub's own cache the folder's name is a commit; the model's stands above it.
    repositories = (part.rpartition("--")[2] for path in paths for part in path.parts if part.startswith("models--"))
    return any("turbo" in each.lower() for each in (*(path.name for path in paths), *repositories))


def check_whole(pipeline: DiffusionPipeline, needed: tuple[str, ...]) -> None:
    """Raise ModelError when a component is missing or its weights are not all there, or when velocities would depend on
    what was computed before."""
    missing = [name for name in needed if getattr(pipeline, name, None) is None]
    if missing:
        raise ModelError(f"The pipeline has no {missing[0]}, which trajflow needs. Load it whole.")
    if getattr(pipeline.transformer, "is_cache_enabled", False):
        raise ModelError(
            "The transformer reuses outputs of earlier steps, so its velocities depend on the steps before. Call "
            "pipe.transformer.disable_cache()."
        )
    grouped = [name for name, part in pipeline.components.items() if isinstance(part, nn.Module) and _is_grouped(part)]
    if grouped:
        raise ModelError(
            f"The {grouped[0]} is offloaded in groups of layers, so its weights are not all in memory and runs cannot "
            "be told apart. Load it anew and use pipe.enable_model_cpu_offload() instead."
        )


def _is_grouped(part: nn.Module) -> bool:
    """Whether diffusers' group offloading moves its layers."""
    registries = (vars(module).get("_diffusers_hook") for module in part.modules())
    return any(registry is not None and registry.get_hook(_GROUP_OFFLOADING) is not None for registry in registries)


def check_scheduler(pipeline: DiffusionPipeline) -> None:
    """Raise ModelError unless the pipeline steps by plain Euler from noise to image."""
    scheduler = pipeline.scheduler
    is_plain = type(scheduler) is FlowMatchEulerDiscreteScheduler and not scheduler.config.invert_sigmas
    if not is_plain or scheduler.config.stochastic_sampling:
        raise ModelError(
            f"The pipeline's scheduler is {type(scheduler).__name__}; trajectories can be carried over only with a "
            "deterministic FlowMatchEulerDiscreteScheduler. Set pipe.scheduler to one."
        )
