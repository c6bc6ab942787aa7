"""FLUX.1 pipelines, dev and schnell (Black Forest Labs, 2024; guidance embedding: arXiv:2210.03142).

dev was distilled with its guidance as one more input of the network, so one row gives a guided velocity; schnell was
distilled to four steps and has no guidance at all. Stock diffusers adds a second evaluation with a negative prompt when
`true_cfg_scale` > 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxPipeline
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule
from trajflow.errors import RequestError
from trajflow.models.defaults import COMMON, check_whole, make_defaults
from trajflow.models.encoding import encoding, finite
from trajflow.models.grid import check_scheduler, even_sigmas, read_grid, shift_for
from trajflow.models.identity import Identity
from trajflow.models.packing import pack, unpack
from trajflow.models.seam import Asking, Keeping, Replaying, Seam

LARGEST_SIDE = 2048
SEAM = Seam(
    "x_embedder",
    ("transformer_blocks", "single_transformer_blocks"),
    "norm_out",
    ("attn", "ff", "ff_context", "proj_mlp"),
)


class FluxModel:
    """A `FluxPipeline` as a velocity field; x is [1, 16, H / 8, W / 8], packed only where the network reads it.

    `settings`: those of `COMMON`, and `true_cfg_scale`, above 1 for guidance by a negative prompt (two rows).
    """

    family = "FLUX.1"
    takes = (*COMMON, "true_cfg_scale")

    def __init__(self, pipeline: FluxPipeline, name: str, settings: Mapping[str, Any]) -> None:
        check_scheduler(pipeline)
        check_whole(pipeline, ("transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 512))
        self._true_guidance = float(settings.get("true_cfg_scale", 1.0))
        self._is_guided = bool(pipeline.transformer.config.guidance_embeds)
        self.defaults = make_defaults(
            settings,
            steps=28 if self._is_guided else 4,
            guidance=3.5 if self._is_guided else 0.0,
            side=pipeline.default_sample_size * pipeline.vae_scale_factor,
            multiple=2 * pipeline.vae_scale_factor,
            largest_side=LARGEST_SIDE,
        )
        self._identity = Identity(
            pipeline,
            ("transformer", "text_encoder", "text_encoder_2", "vae"),
            ("tokenizer", "tokenizer_2"),
            {
                "text_length": self._text_length,
                "guidance": f"embedded: {self._is_guided}, by a negative prompt: {self._true_guidance}, row by row",
            },
        )

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self._pipeline._execution_device

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a picture."""
        return self._identity.read()

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, C, H / f, W / f] for a picture of height x width pixels."""
        scale = self._pipeline.vae_scale_factor
        return (1, self._pipeline.transformer.config.in_channels // 4, height // scale, width // scale)

    @encoding
    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Token states [1, T, D], pooled vector [1, P] and token positions [T, 3], for a negative prompt as well.

        Raises RequestError for a negative prompt that the model would not listen to.
        """
        if negative_prompt and self._true_guidance <= 1:
            raise RequestError(
                "This model does not listen to a negative prompt: leave it empty, or load the model with the setting "
                "true_cfg_scale above 1, at twice the cost of a step."
            )
        self._pipeline.maybe_free_model_hooks()
        tensors = self._encode(prompt, "text")
        if negative_prompt:
            tensors |= self._encode(negative_prompt, "negative")
        return Conditioning(prompt, negative_prompt, guidance, tensors)

    def _encode(self, prompt: str, kind: str) -> dict[str, Tensor]:
        states, pooled, positions = self._pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, device=self.device, max_sequence_length=self._text_length
        )
        return {f"{kind} states": states, f"{kind} pooled": pooled, f"{kind} positions": positions}

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator, in the dtype of the text states."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self._pipeline.text_encoder_2.dtype)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid; with dynamic shifting it depends on the size."""
        scheduler = self._pipeline.scheduler
        mu = shift_for(scheduler, (shape[-2] // 2) * (shape[-1] // 2))
        return read_grid(scheduler, self.device, sigmas=even_sigmas(steps), mu=mu)

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x [1, C, H, W], with its branches."""
        network = self._pipeline.transformer
        asking = Asking(network) if keep is None else Keeping(network, SEAM, keep)
        velocity, branches = self._guide(x, point, conditioning, asking)
        return Evaluation(velocity, branches, len(branches), asking.residual)

    @torch.no_grad()
    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """The guided velocity at x by the blocks' part of another step."""
        return self._guide(x, point, conditioning, Replaying(self._pipeline.transformer, SEAM, residual))[0]

    def _guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, asking: Asking
    ) -> tuple[Tensor, dict[str, Tensor]]:
        height, width = x.shape[-2:]
        text = self._ask(x, point, conditioning, "text", asking)
        if "negative states" not in conditioning.tensors:
            velocity = unpack(text, height, width)
            return velocity, {"text": velocity}
        negative = self._ask(x, point, conditioning, "negative", asking)
        guided = negative + self._true_guidance * (text - negative)
        branches = {"negative": unpack(negative, height, width), "text": unpack(text, height, width)}
        return unpack(guided, height, width), branches

    def _ask(self, x: Tensor, point: Point, conditioning: Conditioning, kind: str, asking: Asking) -> Tensor:
        """The network's answer in tokens [1, L, 4 C], one row."""
        pipeline, tensors = self._pipeline, conditioning.tensors
        height, width = x.shape[-2:]
        guidance = torch.full([1], conditioning.guidance, device=x.device, dtype=torch.float32)
        return asking(kind)(
            hidden_states=pack(x),
            timestep=point.timestep.expand(1).to(x.dtype) / 1000,
            guidance=guidance if self._is_guided else None,
            pooled_projections=tensors[f"{kind} pooled"],
            encoder_hidden_states=tensors[f"{kind} states"],
            txt_ids=tensors[f"{kind} positions"],
            img_ids=pipeline._prepare_latent_image_ids(1, height // 2, width // 2, x.device, x.dtype),
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture."""
        vae = self._pipeline.vae
        latents = (x / vae.config.scaling_factor) + vae.config.shift_factor
        pixels = finite(vae.decode(latents, return_dict=False)[0])
        return self._pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
