"""Qwen-Image pipelines (arXiv:2508.02324).

Guidance is by a negative prompt, row by row, and the guided velocity g is brought back to the length of the branch t
of the prompt, token by token:

    g = n + s (t - n),    v = g |t| / |g|
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from diffusers import QwenImagePipeline
from torch import Tensor

from trajflow.errors import ModelError
from trajflow.models.branches import BranchAdapter
from trajflow.models.packing import pack
from trajflow.models.seam import Seam


class QwenModel(BranchAdapter):
    """A `QwenImagePipeline` as a velocity field; x is [1, 16, H / 8, W / 8], packed only where the network reads it.

    `settings`: those of `COMMON`. The guidance of a request is the pipeline's `true_cfg_scale`.
    """

    family = "Qwen-Image"
    usual = (50, 4.0)
    guided_by = "classifier-free, renormalised, row by row"
    longest_text = 1024
    unguided = 1.0
    seam = Seam("img_in", ("transformer_blocks",), "norm_out", ("attn", "img_mlp", "txt_mlp"))

    def __init__(self, pipeline: QwenImagePipeline, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(pipeline, name, settings)
        if pipeline.transformer.config.guidance_embeds:
            raise ModelError("Qwen-Image transformers with an embedded guidance are not supported.")

    @property
    def latents(self) -> tuple[int, int]:
        """A token is 2 x 2 places."""
        return self.pipeline.transformer.config.in_channels // 4, self.pipeline.vae_scale_factor

    def facts(self) -> Mapping[str, Any]:
        """A template of the user's own counts as well."""
        told = template_of(self.pipeline)
        return {**super().facts(), **({} if told == usual_template() else {"template": list(told)})}

    def against(self, negative_prompt: str, guidance: float) -> str | None:
        """The negative prompt above 1; an empty one is told as one space, as the model's authors do."""
        return (negative_prompt or " ") if guidance > 1 else None

    def told(self, text: str) -> str:
        """The prompt in the template of the model's authors."""
        return self.pipeline.prompt_template_encode.format(text)

    @property
    def told_length(self) -> int:
        """What comes before the prompt is dropped again."""
        return self.text_length + self.pipeline.prompt_template_encode_start_idx

    def encode_one(self, prompt: str) -> dict[str, Tensor]:
        """Token states [1, T, D] of the prompt's own length."""
        states, mask = self.pipeline.encode_prompt(
            prompt=prompt, device=self.device, max_sequence_length=self.text_length
        )
        assert mask is None, "a single prompt is not padded"
        return {"states": states}

    def inputs(self, x: Tensor, told: dict[str, Tensor], guidance: Tensor) -> dict[str, Any]:
        """Patches of 2 x 2 as tokens, and how many there are each way."""
        return {"hidden_states": pack(x), "img_shapes": [[(1, x.shape[-2] // 2, x.shape[-1] // 2)]]}

    def combine(self, text: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """v as above."""
        guided = super().combine(text, negative, guidance)
        return guided * (torch.norm(text, dim=-1, keepdim=True) / torch.norm(guided, dim=-1, keepdim=True))

    def decode_latents(self, x: Tensor) -> Tensor:
        """The first frame of the video decoder."""
        vae = self.pipeline.vae
        latents = x.unsqueeze(2).to(vae.dtype)
        mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        scale = 1.0 / torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1).to(latents.device, latents.dtype)
        return vae.decode(latents / scale + mean, return_dict=False)[0][:, :, 0]


def template_of(pipeline: QwenImagePipeline) -> tuple[str, int]:
    """What is written around a prompt, and how many tokens of that come before it."""
    return pipeline.prompt_template_encode, pipeline.prompt_template_encode_start_idx


@cache
def usual_template() -> tuple[str, int]:
    """That of the model's authors, which every new pipeline has."""
    return template_of(QwenImagePipeline(None, None, None, None, None))
