"""The ablation of cached state on a stock Stable Diffusion 3 pipeline: what must be kept to resume a run exactly.

Each row hands the pipeline x_k of its own run and asks for the rest. Only the last two reach the picture itself.
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL.Image import Image
from torch import Tensor

from benchmarks.evidence.bench import Edit, Scale
from benchmarks.rivals import run
from trajflow.base import SamplingPlan
from trajflow.field import Field, latents_at
from trajflow.metrics import compare_images
from trajflow.transitions.direct import Direct

Row = dict[str, Any]


def measure(edit: Edit, scale: Scale) -> Iterator[Row]:
    """The source's own run resumed at each of `scale.state_steps` with more and more of its state."""
    baseline = _stock(edit, None, {"generator": torch.Generator("cpu").manual_seed(edit.pair.seed)})
    same = compare_images(edit.sources[0].result.image, baseline)
    yield {"pair": edit.number, "kept": "baseline", "step": 0, "psnr_db": same.psnr_db, "identical": same.identical}
    for step in scale.state_steps:
        for kept, picture in _resumed(edit, step):
            metrics = compare_images(picture, baseline)
            row = {"pair": edit.number, "kept": kept, "step": step}
            yield {**row, "psnr_db": round(metrics.psnr_db, 2), "ssim": round(metrics.ssim, 4),
                   "identical": metrics.identical}  # fmt: skip


def _resumed(edit: Edit, step: int) -> Iterator[tuple[str, Image]]:
    source, pipeline = edit.source_run, edit.bench.pipeline
    latents = latents_at(source, step)
    left = source.schedule.steps - step
    yield "latents", _stock(edit, latents, {"num_inference_steps": left})
    generator = torch.Generator("cpu").manual_seed(edit.pair.seed)
    torch.randn(latents.shape, generator=generator)
    yield "generator", _stock(edit, latents, {"num_inference_steps": left, "generator": generator})
    sigmas = source.schedule.sigmas[step:-1].tolist()
    yield "partial scheduler", _stock(edit, latents, {"num_inference_steps": left, "sigmas": sigmas})
    own = pipeline.scheduler
    # The sigmas are shifted already: a scheduler that shifts would do it twice.
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler.from_config(own.config, shift=1.0, use_dynamic_shifting=False)
    try:
        yield "full state", _stock(edit, latents, {"num_inference_steps": left, "sigmas": sigmas})
    finally:
        pipeline.scheduler = own
    plan = SamplingPlan.switching("resume", source.schedule, step)
    field = Field(edit.bench.model, edit.old, source.schedule, source.noise, left)
    yield "trajflow", edit.bench.model.decode(run(Direct(), plan, field, (source,)))


def _stock(edit: Edit, latents: Tensor | None, options: Row) -> Image:
    """A picture of the source prompt by the pipeline's own call."""
    model = edit.bench.model
    length = int(edit.bench.model.identity()["text_length"])
    given = {"height": model.defaults.height, "width": model.defaults.width, **options}
    given = {"num_inference_steps": model.defaults.steps, "guidance_scale": model.defaults.guidance, **given}
    return edit.bench.pipeline(edit.pair.source, latents=latents, max_sequence_length=length, **given).images[0]
