"""Qwen-Image pipelines (arXiv:2508.02324).

Guidance is by a negative prompt, row by row, and the guided velocity g is brought back to the length of the branch t
of the prompt, token by token:

    g = n + s (t - n),    v = g |t| / |g|
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import QwenImagePipeline
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule
from trajflow.errors import ModelError
from trajflow.models.defaults import COMMON, check_whole, make_defaults
from trajflow.models.encoding import encoding, finite
from trajflow.models.grid import check_scheduler, even_sigmas, read_grid, shift_for
from trajflow.models.identity import Identity
from trajflow.models.packing import pack, unpack
from trajflow.models.seam import Asking, Keeping, Replaying, Seam

LARGEST_SIDE = 2048
SEAM = Seam("img_in", ("transformer_blocks",), "norm_out", ("attn", "img_mlp", "txt_mlp"))


class QwenModel:
    """A `QwenImagePipeline` as a velocity field; x is [1, 16, H / 8, W / 8], packed only where the network reads it.

    `settings`: those of `COMMON`. The guidance of a request is the pipeline's `true_cfg_scale`.
    """

    family = "Qwen-Image"
    takes = COMMON

    def __init__(self, pipeline: QwenImagePipeline, name: str, settings: Mapping[str, Any]) -> None:
        check_scheduler(pipeline)
        check_whole(pipeline, ("transformer", "vae", "text_encoder", "tokenizer"))
        if pipeline.transformer.config.guidance_embeds:
            raise ModelError("Qwen-Image transformers with an embedded guidance are not supported.")
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 512))
        self.defaults = make_defaults(
            settings,
            steps=50,
            guidance=4.0,
            side=pipeline.default_sample_size * pipeline.vae_scale_factor,
            multiple=2 * pipeline.vae_scale_factor,
            largest_side=LARGEST_SIDE,
        )
        self._identity = Identity(
            pipeline,
            ("transformer", "text_encoder", "vae"),
            ("tokenizer",),
            {"text_length": self._text_length, "guidance": "classifier-free, renormalised, row by row"},
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
        """Token states [1, T, D] of the prompt, and of the negative one when guidance > 1.

        An empty negative prompt is told as one space, as the model's authors do.
        """
        self._pipeline.maybe_free_model_hooks()
        tensors = self._encode(prompt, "text")
        if guidance > 1:
            tensors |= self._encode(negative_prompt or " ", "negative")
        return Conditioning(prompt, negative_prompt, guidance, tensors)

    def _encode(self, prompt: str, kind: str) -> dict[str, Tensor]:
        states, mask = self._pipeline.encode_prompt(
            prompt=prompt, device=self.device, max_sequence_length=self._text_length
        )
        assert mask is None, "a single prompt is not padded"
        return {f"{kind} states": states}

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator, in the dtype of the text states."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self._pipeline.text_encoder.dtype)

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
        if conditioning.guidance <= 1:
            velocity = unpack(text, height, width)
            return velocity, {"text": velocity}
        negative = self._ask(x, point, conditioning, "negative", asking)
        guided = negative + conditioning.guidance * (text - negative)
        lengths = torch.norm(text, dim=-1, keepdim=True) / torch.norm(guided, dim=-1, keepdim=True)
        branches = {"negative": unpack(negative, height, width), "text": unpack(text, height, width)}
        return unpack(guided * lengths, height, width), branches

    def _ask(self, x: Tensor, point: Point, conditioning: Conditioning, kind: str, asking: Asking) -> Tensor:
        """The network's answer in tokens [1, L, 4 C], one row."""
        return asking(kind)(
            hidden_states=pack(x),
            timestep=point.timestep.expand(1).to(x.dtype) / 1000,
            encoder_hidden_states=conditioning.tensors[f"{kind} states"],
            img_shapes=[[(1, x.shape[-2] // 2, x.shape[-1] // 2)]],
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture: the first frame of the video decoder."""
        vae = self._pipeline.vae
        latents = x.unsqueeze(2).to(vae.dtype)
        mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        scale = 1.0 / torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        pixels = finite(vae.decode(latents / scale + mean, return_dict=False)[0][:, :, 0])
        return self._pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
