"""Stable Diffusion 3 and 3.5 pipelines, the bundled model among them (arXiv:2403.03206).

Every call below is what `StableDiffusion3Pipeline.__call__` does between the prompt and the picture, taken apart so
that each velocity can be seen, counted and kept.
"""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor, nn

from trajflow.base import Conditioning, Defaults, Evaluation, Point, Schedule
from trajflow.errors import ModelError


class SD3Model:
    """A `StableDiffusion3Pipeline` as a velocity field.

    `settings`: `max_sequence_length` of the T5 part of the text, default `steps` and `guidance`.
    """

    def __init__(self, pipeline: StableDiffusion3Pipeline, name: str, settings: Mapping[str, Any]) -> None:
        scheduler = pipeline.scheduler
        if type(scheduler) is not FlowMatchEulerDiscreteScheduler or scheduler.config.stochastic_sampling:
            raise ModelError(
                f"The pipeline's scheduler is {type(scheduler).__name__}; trajectories can be carried over only with a "
                "deterministic FlowMatchEulerDiscreteScheduler. Set pipe.scheduler to one."
            )
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
        self._identity: tuple[tuple, dict[str, Any]] | None = None

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self._pipeline._execution_device

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a picture: weights and configs of all parts, dtype, text length, batch layout.

        Read anew whenever a parameter was replaced or written to, as loading a LoRA does.
        """
        pipeline = self._pipeline
        encoders = (pipeline.text_encoder, pipeline.text_encoder_2, pipeline.text_encoder_3)
        parts = [part for part in (pipeline.transformer, *encoders, pipeline.vae) if part is not None]
        state = tuple((tensor.data_ptr(), tensor._version) for part in parts for tensor in part.parameters())
        if self._identity is None or self._identity[0] != state:
            tokenizers = (pipeline.tokenizer, pipeline.tokenizer_2, pipeline.tokenizer_3)
            identity = {
                "pipeline": type(pipeline).__name__,
                "weights": [digest_weights(part) for part in parts],
                "configs": [plain_config(part) for part in parts],
                "vocabularies": [digest_vocabulary(each) for each in tokenizers if each is not None],
                "dtype": str(pipeline.transformer.dtype),
                "device": self.device.type,
                "text_length": self._text_length,
                "guidance": "classifier-free, negative row first, one batch",
                "scheduler": plain_config(pipeline.scheduler),
            }
            self._identity = (state, identity)
        return self._identity[1]

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
    """A fingerprint of a module's tensors: names, shapes, dtypes, a hash over all bits, and up to 256 spread values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(torch.hash_tensor(tensor).cpu().numpy().tobytes())
        flat = tensor.flatten()
        spread = flat[:: max(1, flat.numel() // 256)].to("cpu", torch.float64)
        digest.update(spread.numpy().tobytes())
    return digest.hexdigest()


def digest_vocabulary(tokenizer: Any) -> str:
    """A fingerprint of what a tokenizer maps words to, and of where it cuts them off."""
    vocabulary = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(f"{tokenizer.model_max_length} {vocabulary}".encode()).hexdigest()


def plain_config(part: Any) -> dict[str, Any]:
    """A part's config as plain JSON, without what saving and loading changes."""
    config = part.config if isinstance(part.config, Mapping) else part.config.to_dict()
    passing = ("architectures", "dtype", "torch_dtype", "transformers_version")
    kept = {key: value for key, value in sorted(config.items()) if key[0] != "_" and key not in passing}
    return json.loads(json.dumps(kept, default=str))
