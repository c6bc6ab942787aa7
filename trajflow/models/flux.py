"""FLUX.1 pipelines, dev and schnell (Black Forest Labs, 2024; guidance embedding: arXiv:2210.03142).

dev was distilled with its guidance as one more input of the network, so one row gives a guided velocity; schnell was
distilled to four steps and has no guidance at all. Stock diffusers adds a second evaluation with a negative prompt when
`true_cfg_scale` > 1.
"""

from collections.abc import Mapping
from typing import Any

from diffusers import FluxPipeline
from torch import Tensor

from trajflow.errors import RequestError
from trajflow.models.adapter import spaced
from trajflow.models.branches import BranchAdapter
from trajflow.models.defaults import COMMON
from trajflow.models.packing import pack
from trajflow.models.seam import Seam


class FluxModel(BranchAdapter):
    """A `FluxPipeline` as a velocity field; x is [1, 16, H / 8, W / 8], packed only where the network reads it.

    `settings`: those of `COMMON`, and `true_cfg_scale`, above 1 for guidance by a negative prompt (two rows).
    """

    family = "FLUX.1"
    takes = (*COMMON, "true_cfg_scale")
    encoders = ("text_encoder", "text_encoder_2")
    tokenizers = ("tokenizer", "tokenizer_2")
    longest_text = 512
    seam = Seam(
        "x_embedder",
        ("transformer_blocks", "single_transformer_blocks"),
        "norm_out",
        ("attn", "ff", "ff_context", "proj_mlp"),
    )

    def __init__(self, pipeline: FluxPipeline, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(pipeline, name, settings)
        self._true_guidance = float(settings.get("true_cfg_scale", 1.0))

    @property
    def is_guided(self) -> bool:
        """Whether the network hears the guidance."""
        return bool(self.pipeline.transformer.config.guidance_embeds)

    @property
    def usual(self) -> tuple[int, float]:
        """dev's, or those of schnell."""
        return (28, 3.5) if self.is_guided else (4, 0.0)

    @property
    def guided_by(self) -> str:
        """Embedded, by a negative prompt, both or not at all."""
        return f"embedded: {self.is_guided}, by a negative prompt: {self._true_guidance}, row by row"

    @property
    def latents(self) -> tuple[int, int]:
        """A token is 2 x 2 places."""
        return self.pipeline.transformer.config.in_channels // 4, self.pipeline.vae_scale_factor

    def grid(self, steps: int, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """As usual, or with the scheduler's own sigmas."""
        return spaced(self.pipeline.scheduler, steps, super().grid(steps, shape))

    def against(self, negative_prompt: str, guidance: float) -> str | None:
        """A negative prompt, where the model was loaded to listen to it."""
        if negative_prompt and self._true_guidance <= 1:
            raise RequestError(
                "This model does not listen to a negative prompt: leave it empty, or load the model with the setting "
                "true_cfg_scale above 1, at twice the cost of a step."
            )
        return negative_prompt or None

    def encode_one(self, prompt: str) -> dict[str, Tensor]:
        """Token states [1, T, D], pooled vector [1, P] and token positions [T, 3]."""
        states, pooled, positions = self.pipeline.encode_prompt(
            prompt=prompt, prompt_2=None, device=self.device, max_sequence_length=self.text_length
        )
        return {"states": states, "pooled": pooled, "positions": positions}

    def inputs(self, x: Tensor, told: dict[str, Tensor], guidance: Tensor) -> dict[str, Any]:
        """Patches of 2 x 2 as tokens, with their positions."""
        height, width = x.shape[-2:]
        return {
            "hidden_states": pack(x),
            "guidance": guidance if self.is_guided else None,
            "pooled_projections": told["pooled"],
            "txt_ids": told["positions"],
            "img_ids": self.pipeline._prepare_latent_image_ids(1, height // 2, width // 2, x.device, x.dtype),
        }

    def combine(self, text: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """By the true guidance; the request's own is told to the network."""
        return super().combine(text, negative, self._true_guidance)
