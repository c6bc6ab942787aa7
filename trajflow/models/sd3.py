"""Stable Diffusion 3 and 3.5 pipelines, the bundled model among them (arXiv:2403.03206)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from torch import Tensor

from trajflow.base import Conditioning, Point
from trajflow.models.adapter import Adapter, Calls, shift_for
from trajflow.models.defaults import COMMON, is_turbo
from trajflow.models.seam import Seam

SEAM = Seam("pos_embed", ("transformer_blocks",), "norm_out", ("attn", "attn2", "ff", "ff_context"))

SKIPPING = {
    "skip_guidance_layers": None,
    "skip_layer_guidance_scale": 2.8,
    "skip_layer_guidance_start": 0.01,
    "skip_layer_guidance_stop": 0.2,
}


class SD3Model(Adapter):
    """A `StableDiffusion3Pipeline` as a velocity field.

    `settings`: those of `COMMON`, where `max_sequence_length` is that of the T5 part of the text; `t5`, False to load
    the model without T5; those of `SKIPPING`, named as in the stock call, for skip-layer guidance, which evaluates
    one more row, without the layers named, at the steps start N < k < stop N.
    """

    family = "Stable Diffusion 3"
    takes = (*COMMON, "t5", *SKIPPING)
    encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")
    tokenizers = ("tokenizer", "tokenizer_2", "tokenizer_3")
    optional = ("text_encoder_3", "tokenizer_3")
    guided_by = "classifier-free, negative row first, one batch"
    text_length = 256
    longest_text = 512
    unguided = 1.0
    most_prompts = 16
    seam = SEAM

    def __init__(self, pipeline: StableDiffusion3Pipeline, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(pipeline, name, settings)
        self._skipping = {**SKIPPING, **{key: value for key, value in settings.items() if key in SKIPPING}}
        self._skipped, self._skip_scale, self._skip_start, self._skip_stop = self._skipping.values()

    @property
    def needed(self) -> tuple[str, ...]:
        """T5 with its tokenizer, or neither."""
        has_t5 = self.pipeline.text_encoder_3 is not None
        return (*super().needed, *(("tokenizer_3",) if has_t5 else ()))

    @property
    def usual(self) -> tuple[int, float]:
        """Those of the full model, or of turbo."""
        return (4, 0.0) if is_turbo(self.pipeline, self.name) else (28, 7.0)

    @property
    def size_multiple(self) -> int:
        """A token is a patch."""
        return self.pipeline.vae_scale_factor * self.pipeline.patch_size

    @property
    def largest_side(self) -> int:
        """As many patches as positions were learned."""
        return self.pipeline.transformer.config.pos_embed_max_size * self.size_multiple

    def facts(self) -> Mapping[str, Any]:
        """Skipped layers count as well."""
        return {**super().facts(), **({"skipping": list(self._skipping.values())} if self._skipped else {})}

    @property
    def noise_dtype(self) -> torch.dtype:
        """The network's own."""
        return self.pipeline.transformer.dtype

    def grid(self, steps: int, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """The scheduler's own sigmas, shifted by the size where it asks for that."""
        scheduler, patch = self.pipeline.scheduler, self.pipeline.transformer.config.patch_size
        if not scheduler.config.get("use_dynamic_shifting", None):
            return {"steps": steps}
        tokens = (shape[-2] // patch) * (shape[-1] // patch)
        return {"steps": steps, "mu": shift_for(scheduler, tokens, max_shift=1.16)}

    def encode_text(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Tensor]:
        """Token states [rows, T, D] and pooled vectors [rows, P]; two rows, the negative first, when guidance > 1."""
        states, negative_states, pooled, negative_pooled = self.pipeline.encode_prompt(
            prompt=prompt,
            prompt_2=None,
            prompt_3=None,
            negative_prompt=negative_prompt,
            do_classifier_free_guidance=guidance > 1,
            device=self.device,
            max_sequence_length=self.text_length,
        )
        if guidance > 1:
            states = torch.cat([negative_states, states], dim=0)
            pooled = torch.cat([negative_pooled, pooled], dim=0)
        return {"states": states, "pooled": pooled}

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """Rows of one kind stand together, the negative ones first, as they do for a single picture."""
        tensors = {name: torch.stack([c.tensors[name] for c in each], dim=1).flatten(0, 1) for name in each[0].tensors}
        return Conditioning("", "", each[0].guidance, tensors)

    def guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, calls: Calls
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Both rows in one call, and one more call where layers are skipped."""
        states, pooled = conditioning.tensors["states"], conditioning.tensors["pooled"]
        is_guided = conditioning.guidance > 1
        rows = torch.cat([x] * 2) if is_guided else x
        velocity = calls("rows")(
            hidden_states=rows,
            timestep=point.timestep.expand(rows.shape[0]),
            encoder_hidden_states=states,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        if not is_guided:
            return velocity, {"text": velocity}
        negative, text = velocity.chunk(2)
        guided = negative + conditioning.guidance * (text - negative)
        branches = {"negative": negative, "text": text}
        if not self._is_skipping(point) or not calls.knows("skipped"):
            return guided, branches
        skipped = calls("skipped")(
            hidden_states=x,
            timestep=point.timestep.expand(x.shape[0]),
            encoder_hidden_states=states[x.shape[0] :],
            pooled_projections=pooled[x.shape[0] :],
            return_dict=False,
            skip_layers=self._skipped,
        )[0]
        return guided + (text - skipped) * self._skip_scale, {**branches, "skipped": skipped}

    def is_split(self, conditioning: Conditioning) -> bool:
        """With guidance and without skipped layers, whose row leans on the prompt's."""
        return conditioning.guidance > 1 and not self._skipped

    @torch.no_grad()
    def evaluate_text(self, x: Tensor, point: Point, conditioning: Conditioning) -> Tensor:
        """The prompt's row alone."""
        rows = len(x)
        return self.pipeline.transformer(
            hidden_states=x,
            timestep=point.timestep.expand(rows),
            encoder_hidden_states=conditioning.tensors["states"][rows:],
            pooled_projections=conditioning.tensors["pooled"][rows:],
            return_dict=False,
        )[0]

    def _is_skipping(self, point: Point) -> bool:
        return bool(self._skipped) and point.steps * self._skip_start < point.k < point.steps * self._skip_stop
