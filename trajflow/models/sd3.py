"""Stable Diffusion 3 and 3.5 pipelines, the bundled model among them (arXiv:2403.03206).

Every call below is what `StableDiffusion3Pipeline.__call__` does between the prompt and the picture, taken apart so
that each velocity can be seen, counted and kept.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule
from trajflow.models.defaults import COMMON, check_whole, is_turbo, make_defaults
from trajflow.models.encoding import encoding, finite
from trajflow.models.grid import check_scheduler, read_grid, shift_for
from trajflow.models.identity import Identity
from trajflow.models.seam import Asking, Keeping, Replaying, Seam

SEAM = Seam("pos_embed", ("transformer_blocks",), "norm_out", ("attn", "attn2", "ff", "ff_context"))

SKIPPING = {
    "skip_guidance_layers": None,
    "skip_layer_guidance_scale": 2.8,
    "skip_layer_guidance_start": 0.01,
    "skip_layer_guidance_stop": 0.2,
}


class SD3Model:
    """A `StableDiffusion3Pipeline` as a velocity field.

    `settings`: those of `COMMON`, where `max_sequence_length` is that of the T5 part of the text; `t5`, False to load
    the model without T5; those of `SKIPPING`, named as in the stock call, for skip-layer guidance, which evaluates
    one more row, without the layers named, at the steps start N < k < stop N.
    """

    family = "Stable Diffusion 3"
    takes = (*COMMON, "t5", *SKIPPING)

    def __init__(self, pipeline: StableDiffusion3Pipeline, name: str, settings: Mapping[str, Any]) -> None:
        check_scheduler(pipeline)
        check_whole(pipeline, ("transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 256))
        skipping = {**SKIPPING, **{key: value for key, value in settings.items() if key in SKIPPING}}
        self._skipped, self._skip_scale, self._skip_start, self._skip_stop = skipping.values()
        turbo = is_turbo(pipeline, name)
        scale = pipeline.vae_scale_factor * pipeline.patch_size
        self.defaults = make_defaults(
            settings,
            steps=4 if turbo else 28,
            guidance=0.0 if turbo else 7.0,
            side=pipeline.default_sample_size * pipeline.vae_scale_factor,
            multiple=scale,
            largest_side=pipeline.transformer.config.pos_embed_max_size * scale,
        )
        self._identity = Identity(
            pipeline,
            ("transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"),
            ("tokenizer", "tokenizer_2", "tokenizer_3"),
            {
                "text_length": self._text_length,
                "guidance": "classifier-free, negative row first, one batch",
                **({"skipping": list(skipping.values())} if self._skipped else {}),
            },
        )

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self._pipeline._execution_device

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a picture: weights and configs of all parts, dtype, text length, batch layout."""
        return self._identity.read()

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, C, H / f, W / f] for a picture of height x width pixels."""
        scale = self._pipeline.vae_scale_factor
        return (1, self._pipeline.transformer.config.in_channels, height // scale, width // scale)

    @encoding
    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Token states [rows, T, D] and pooled vectors [rows, P]; two rows, the negative first, when guidance > 1."""
        self._pipeline.maybe_free_model_hooks()
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
        scheduler, patch, mu = self._pipeline.scheduler, self._pipeline.transformer.config.patch_size, None
        if scheduler.config.get("use_dynamic_shifting", None):
            mu = shift_for(scheduler, (shape[-2] // patch) * (shape[-1] // patch), max_shift=1.16)
        return read_grid(scheduler, self.device, steps=steps, mu=mu)

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x [1, C, H, W], with its branches."""
        network = self._pipeline.transformer
        asking = Asking(network) if keep is None else Keeping(network, SEAM, keep)
        velocity, branches = self._guide(x, point, conditioning, asking)
        return Evaluation(velocity, branches, len(branches), asking.residual)

    @torch.no_grad()
    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """The guided velocity at x [1, C, H, W] by the blocks' part of another step."""
        return self._guide(x, point, conditioning, Replaying(self._pipeline.transformer, SEAM, residual))[0]

    def _guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, asking: Asking
    ) -> tuple[Tensor, dict[str, Tensor]]:
        is_guided = conditioning.guidance > 1
        rows = torch.cat([x] * 2) if is_guided else x
        velocity = asking("rows")(
            hidden_states=rows,
            timestep=point.timestep.expand(rows.shape[0]),
            encoder_hidden_states=conditioning.tensors["states"],
            pooled_projections=conditioning.tensors["pooled"],
            return_dict=False,
        )[0]
        if not is_guided:
            return velocity, {"text": velocity}
        negative, text = velocity.chunk(2)
        guided = negative + conditioning.guidance * (text - negative)
        branches = {"negative": negative, "text": text}
        if not self._is_skipping(point) or not asking.knows("skipped"):
            return guided, branches
        skipped = asking("skipped")(
            hidden_states=x,
            timestep=point.timestep.expand(1),
            encoder_hidden_states=conditioning.tensors["states"][1:],
            pooled_projections=conditioning.tensors["pooled"][1:],
            return_dict=False,
            skip_layers=self._skipped,
        )[0]
        return guided + (text - skipped) * self._skip_scale, {**branches, "skipped": skipped}

    def _is_skipping(self, point: Point) -> bool:
        return bool(self._skipped) and point.steps * self._skip_start < point.k < point.steps * self._skip_stop

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture."""
        vae = self._pipeline.vae
        latents = (x / vae.config.scaling_factor) + vae.config.shift_factor
        pixels = finite(vae.decode(latents, return_dict=False)[0])
        return self._pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
