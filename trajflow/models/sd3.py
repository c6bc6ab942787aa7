"""Stable Diffusion 3 and 3.5 pipelines, the bundled model among them (arXiv:2403.03206).

Every call below is what `StableDiffusion3Pipeline.__call__` does between the prompt and the picture, taken apart so
that each velocity can be seen, counted and kept.
"""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor, nn

from trajflow.base import Conditioning, Defaults, Evaluation, Point, Schedule


class SD3Model:
    """A `StableDiffusion3Pipeline` as a velocity field.

    `settings`: `max_sequence_length` of the T5 part of the text, default `steps` and `guidance`.
    """

    def __init__(self, pipeline: StableDiffusion3Pipeline, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 256))
        size = pipeline.default_sample_size * pipeline.vae_scale_factor
        self.defaults = Defaults(
            steps=int(settings.get("steps", 28)),
            guidance=float(settings.get("guidance", 7.0)),
            height=size,
            width=size,
            size_multiple=pipeline.vae_scale_factor * pipeline.patch_size,
            largest_side=pipeline.transformer.config.pos_embed_max_size
            * pipeline.patch_size
            * pipeline.vae_scale_factor,
        )
        self._identity: dict[str, Any] | None = None

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self._pipeline._execution_device

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a velocity: weights and configs of all parts, dtype, text length, batch layout."""
        if self._identity is None:
            pipeline = self._pipeline
            parts = (pipeline.transformer, pipeline.text_encoder, pipeline.text_encoder_2, pipeline.text_encoder_3)
            self._identity = {
                "pipeline": type(pipeline).__name__,
                "weights": [digest_weights(part) for part in parts if part is not None],
                "dtype": str(pipeline.transformer.dtype),
                "device": self.device.type,
                "text_length": self._text_length,
                "guidance": "classifier-free, negative row first, one batch",
                "scheduler": {key: str(value) for key, value in sorted(pipeline.scheduler.config.items())},
            }
        return self._identity

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, C, H / f, W / f] for a picture of height x width pixels."""
        scale = self._pipeline.vae_scale_factor
        return (1, self._pipeline.transformer.config.in_channels, height // scale, width // scale)

    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Token states [rows, T, D] and pooled vectors [rows, P]; two rows, the negative first, when guidance > 1."""
        states, negative_states, pooled, negative_pooled = self._pipeline.encode_prompt(
            prompt=prompt,
            prompt_2=None,
            prompt_3=None,
            negative_prompt=negative_prompt,
            do_classifier_free_guidance=guidance > 1,
            device=self.device,
            max_sequence_length=self._text_length,
        )
        if guidance > 1:
            states = torch.cat([negative_states, states], dim=0)
            pooled = torch.cat([negative_pooled, pooled], dim=0)
        return Conditioning(prompt, negative_prompt, guidance, {"states": states, "pooled": pooled})

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self._pipeline.transformer.dtype)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid, dynamic shifting included."""
        scheduler = copy.deepcopy(self._pipeline.scheduler)
        config = scheduler.config
        extra = {}
        if config.get("use_dynamic_shifting", None):
            patch = self._pipeline.transformer.config.patch_size
            extra["mu"] = calculate_shift(
                (shape[-2] // patch) * (shape[-1] // patch),
                config.get("base_image_seq_len", 256),
                config.get("max_image_seq_len", 4096),
                config.get("base_shift", 0.5),
                config.get("max_shift", 1.16),
            )
        scheduler.set_timesteps(steps, device=self.device, **extra)
        return Schedule(scheduler.sigmas, scheduler.timesteps)

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning) -> Evaluation:
        """One guided velocity at x [1, C, H, W], with its branches."""
        guided = conditioning.guidance > 1
        rows = torch.cat([x] * 2) if guided else x
        velocity = self._pipeline.transformer(
            hidden_states=rows,
            timestep=point.timestep.expand(rows.shape[0]),
            encoder_hidden_states=conditioning.tensors["states"],
            pooled_projections=conditioning.tensors["pooled"],
            return_dict=False,
        )[0]
        if not guided:
            return Evaluation(velocity, {"text": velocity}, rows=1)
        negative, text = velocity.chunk(2)
        return Evaluation(
            negative + conditioning.guidance * (text - negative), {"negative": negative, "text": text}, rows=2
        )

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture."""
        vae = self._pipeline.vae
        latents = (x / vae.config.scaling_factor) + vae.config.shift_factor
        pixels = vae.decode(latents, return_dict=False)[0]
        return self._pipeline.image_processor.postprocess(pixels, output_type="pil")[0]


def digest_weights(module: nn.Module) -> str:
    """A fingerprint of a module's parameters: names, shapes, dtypes, and up to 256 spread values of each."""
    digest = hashlib.sha256()
    for name, parameter in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        flat = parameter.detach().flatten()
        spread = flat[:: max(1, flat.numel() // 256)].to("cpu", torch.float64)
        digest.update(spread.numpy().tobytes())
    return digest.hexdigest()
