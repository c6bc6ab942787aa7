"""FLUX.2 pipelines: dev, and klein in its base and distilled forms (Black Forest Labs, 2025).

dev takes its guidance as an input of the network; klein's base model is guided by a second evaluation with an empty
prompt, g = n + s (t - n); klein distilled is not guided. None of them has a negative prompt of the user's.
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu, format_input
from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor

from trajflow.errors import RequestError
from trajflow.models.adapter import even_sigmas, spaced
from trajflow.models.branches import BranchAdapter
from trajflow.models.seam import Seam


class Flux2Model(BranchAdapter):
    """A `Flux2Pipeline` or `Flux2KleinPipeline` as a velocity field; x is [1, 128, H / 16, W / 16].

    `settings`: those of `COMMON`.
    """

    family = "FLUX.2"
    seam = Seam(
        "x_embedder", ("transformer_blocks", "single_transformer_blocks"), "norm_out", ("attn", "ff", "ff_context")
    )

    @property
    def is_klein(self) -> bool:
        """Whether the network hears no guidance."""
        return isinstance(self.pipeline, Flux2KleinPipeline)

    @property
    def is_distilled(self) -> bool:
        """Whether there is no guidance at all."""
        return self.is_klein and bool(self.pipeline.config.is_distilled)

    @property
    def usual(self) -> tuple[int, float]:
        """Those of the full models, or of distilled klein."""
        return (4, 1.0) if self.is_distilled else (50, 4.0)

    @property
    def guided_by(self) -> str:
        """By klein's empty prompt, or as dev was distilled."""
        return "none" if self.is_distilled else "by an empty prompt, row by row" if self.is_klein else "embedded"

    @property
    def latents(self) -> tuple[int, int]:
        """A token is one place of x, and 2 x 2 of the decoder's."""
        return self.pipeline.transformer.config.in_channels, 2 * self.pipeline.vae_scale_factor

    def facts(self) -> Mapping[str, Any]:
        """A system message of the user's own counts as well."""
        told = SYSTEM_MESSAGE if self.is_klein else self.pipeline.system_message
        return {**super().facts(), **({} if told == SYSTEM_MESSAGE else {"system_message": told})}

    def grid(self, steps: int, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """It depends on the size and on the number of steps."""
        mu = compute_empirical_mu(image_seq_len=shape[-2] * shape[-1], num_steps=steps)
        return spaced(self.pipeline.scheduler, steps, {"sigmas": even_sigmas(steps), "mu": mu})

    def against(self, negative_prompt: str, guidance: float) -> str | None:
        """The empty prompt, for klein's base model."""
        if negative_prompt:
            raise RequestError("FLUX.2 does not listen to a negative prompt: leave it empty.")
        return "" if self.is_klein and not self.is_distilled and guidance > 1 else None

    def told(self, text: str) -> str:
        """A message of the user's, for dev after one of the system's."""
        tokenizer = self.pipeline.tokenizer
        if self.is_klein:
            messages = [{"role": "user", "content": text}]
            return tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        [messages] = format_input([text], system_message=self.pipeline.system_message)
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)

    def encode_one(self, prompt: str) -> dict[str, Tensor]:
        """Token states [1, T, D] and positions [1, T, 4]."""
        states, positions = self.pipeline.encode_prompt(
            prompt=prompt, device=self.device, max_sequence_length=self.text_length
        )
        return {"states": states, "positions": positions}

    def inputs(self, x: Tensor, told: dict[str, Tensor], guidance: Tensor) -> dict[str, Any]:
        """Places of x as tokens, with their positions."""
        pipeline = self.pipeline
        return {
            "hidden_states": pipeline._pack_latents(x.contiguous()).to(pipeline.transformer.dtype),
            "guidance": None if self.is_klein else guidance,
            "txt_ids": told["positions"],
            "img_ids": pipeline._prepare_latent_ids(x).to(x.device),
        }

    def unpack(self, tokens: Tensor, x: Tensor) -> Tensor:
        """Tokens [1, H W, C] as latents [1, C, H, W]."""
        return tokens[:, : x.shape[-2] * x.shape[-1]].permute(0, 2, 1).reshape(x.shape).contiguous()

    def decode_latents(self, x: Tensor) -> Tensor:
        """The batch norm undone, patches laid out, then the decoder."""
        pipeline, vae = self.pipeline, self.pipeline.vae
        tokens, positions = pipeline._pack_latents(x.contiguous()), pipeline._prepare_latent_ids(x).to(x.device)
        latents = pipeline._unpack_latents_with_ids(tokens, positions)
        mean = vae.bn.running_mean.view(1, -1, 1, 1).to(x.device, x.dtype)
        variance = vae.bn.running_var.view(1, -1, 1, 1)
        deviation = torch.sqrt(variance + vae.config.batch_norm_eps).to(x.device, x.dtype)
        latents = pipeline._unpatchify_latents(latents * deviation + mean)
        return vae.decode(latents.to(get_module_execution_device(vae)), return_dict=False)[0]
