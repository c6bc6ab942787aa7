"""FLUX.2 pipelines: dev, and klein in its base and distilled forms (Black Forest Labs, 2025).

dev takes its guidance as an input of the network; klein's base model is guided by a second evaluation with an empty
prompt, g = n + s (t - n); klein distilled is not guided. None of them has a negative prompt of the user's.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import Flux2KleinPipeline, Flux2Pipeline
from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule
from trajflow.errors import RequestError
from trajflow.models.defaults import COMMON, check_whole, make_defaults
from trajflow.models.encoding import encoding, finite
from trajflow.models.grid import check_scheduler, even_sigmas, read_grid
from trajflow.models.identity import Identity
from trajflow.models.seam import Asking, Keeping, Replaying, Seam

LARGEST_SIDE = 2048
SEAM = Seam("x_embedder", ("transformer_blocks", "single_transformer_blocks"), "norm_out", ("attn", "ff", "ff_context"))


class Flux2Model:
    """A `Flux2Pipeline` or `Flux2KleinPipeline` as a velocity field; x is [1, 128, H / 16, W / 16].

    `settings`: those of `COMMON`.
    """

    family = "FLUX.2"
    takes = COMMON

    def __init__(self, pipeline: Flux2Pipeline | Flux2KleinPipeline, name: str, settings: Mapping[str, Any]) -> None:
        check_scheduler(pipeline)
        check_whole(pipeline, ("transformer", "vae", "text_encoder", "tokenizer"))
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 512))
        self._is_klein = isinstance(pipeline, Flux2KleinPipeline)
        self._is_distilled = self._is_klein and bool(pipeline.config.is_distilled)
        self.defaults = make_defaults(
            settings,
            steps=4 if self._is_distilled else 50,
            guidance=1.0 if self._is_distilled else 4.0,
            side=pipeline.default_sample_size * pipeline.vae_scale_factor,
            multiple=2 * pipeline.vae_scale_factor,
            largest_side=LARGEST_SIDE,
        )
        kind = "none" if self._is_distilled else "by an empty prompt, row by row" if self._is_klein else "embedded"
        self._identity = Identity(
            pipeline,
            ("transformer", "text_encoder", "vae"),
            ("tokenizer",),
            {"text_length": self._text_length, "guidance": kind},
        )

    @property
    def device(self) -> torch.device:
        """Where the pipeline computes."""
        return self._pipeline._execution_device

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a picture."""
        return self._identity.read()

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, 4 C, H / 2f, W / 2f] for a picture of height x width pixels."""
        scale = 2 * self._pipeline.vae_scale_factor
        return (1, self._pipeline.transformer.config.in_channels, height // scale, width // scale)

    @encoding
    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Token states [1, T, D] and positions [1, T, 4]; of the empty prompt too where it guides.

        Raises RequestError for a negative prompt.
        """
        if negative_prompt:
            raise RequestError("FLUX.2 does not listen to a negative prompt: leave it empty.")
        self._pipeline.maybe_free_model_hooks()
        tensors = self._encode(prompt, "text")
        if self._is_klein and not self._is_distilled and guidance > 1:
            tensors |= self._encode("", "negative")
        return Conditioning(prompt, negative_prompt, guidance, tensors)

    def _encode(self, prompt: str, kind: str) -> dict[str, Tensor]:
        states, positions = self._pipeline.encode_prompt(
            prompt=prompt, device=self.device, max_sequence_length=self._text_length
        )
        return {f"{kind} states": states, f"{kind} positions": positions}

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator, in the dtype of the text states."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=self._pipeline.text_encoder.dtype)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid, which depends on the size and on the number of steps."""
        mu = compute_empirical_mu(image_seq_len=shape[-2] * shape[-1], num_steps=steps)
        return read_grid(self._pipeline.scheduler, self.device, sigmas=even_sigmas(steps), mu=mu)

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x [1, 4 C, H, W], with its branches."""
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
        text = self._ask(x, point, conditioning, "text", asking)
        if "negative states" not in conditioning.tensors:
            velocity = _unpack(text, x)
            return velocity, {"text": velocity}
        negative = self._ask(x, point, conditioning, "negative", asking)
        guided = negative + conditioning.guidance * (text - negative)
        return _unpack(guided, x), {"negative": _unpack(negative, x), "text": _unpack(text, x)}

    def _ask(self, x: Tensor, point: Point, conditioning: Conditioning, kind: str, asking: Asking) -> Tensor:
        """The network's answer in tokens [1, L, 4 C], one row."""
        pipeline, tensors = self._pipeline, conditioning.tensors
        guidance = torch.full([1], conditioning.guidance, device=x.device, dtype=torch.float32)
        return asking(kind)(
            hidden_states=pipeline._pack_latents(x.contiguous()).to(pipeline.transformer.dtype),
            timestep=point.timestep.expand(1).to(x.dtype) / 1000,
            guidance=None if self._is_klein else guidance,
            encoder_hidden_states=tensors[f"{kind} states"],
            txt_ids=tensors[f"{kind} positions"],
            img_ids=pipeline._prepare_latent_ids(x).to(x.device),
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture: the batch norm undone, patches laid out, then the decoder."""
        pipeline, vae = self._pipeline, self._pipeline.vae
        tokens, positions = pipeline._pack_latents(x.contiguous()), pipeline._prepare_latent_ids(x).to(x.device)
        latents = pipeline._unpack_latents_with_ids(tokens, positions)
        mean = vae.bn.running_mean.view(1, -1, 1, 1).to(x.device, x.dtype)
        variance = vae.bn.running_var.view(1, -1, 1, 1)
        deviation = torch.sqrt(variance + vae.config.batch_norm_eps).to(x.device, x.dtype)
        latents = pipeline._unpatchify_latents(latents * deviation + mean)
        pixels = finite(vae.decode(latents, return_dict=False)[0])
        return pipeline.image_processor.postprocess(pixels, output_type="pil")[0]


def _unpack(tokens: Tensor, x: Tensor) -> Tensor:
    """Tokens [1, H W, C] as latents [1, C, H, W], contiguous; H and W are those of x."""
    return tokens[:, : x.shape[-2] * x.shape[-1]].permute(0, 2, 1).reshape(x.shape).contiguous()
