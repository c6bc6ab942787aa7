"""Z-Image pipelines, base and turbo (arXiv:2511.22699).

The network looks from the image toward the noise, so v is the negative of what it says; time runs the other way as
well, 1 - sigma. Steps are taken in float32 whatever the dtype of the weights. Guidance counts from 0:

    v = -(t + s (t - n))
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.pipelines.z_image.pipeline_z_image import get_default_z_image_sigmas
from torch import Tensor

from trajflow.base import Conditioning, Point
from trajflow.models.adapter import Adapter, Calls
from trajflow.models.defaults import is_turbo
from trajflow.models.seam import Seam


class ZImageModel(Adapter):
    """A `ZImagePipeline` as a velocity field; x is [1, 16, H / 8, W / 8] in float32.

    `settings`: those of `COMMON`. Guidance is on above 0. Its blocks mix picture and text tokens, so what they add as a
    whole is no level of its own.
    """

    family = "Z-Image"
    guided_by = "classifier-free above 0, positive row first, one batch"
    unguided = 0.0
    levels = ("velocity", "blocks")
    side = 1024
    noise_dtype = torch.float32
    seam = Seam(
        "all_x_embedder",
        ("noise_refiner", "context_refiner", "layers"),
        "all_final_layer",
        ("attention", "feed_forward"),
    )

    @property
    def usual(self) -> tuple[int, float]:
        """Those of the base model, or of turbo."""
        return (8, 0.0) if is_turbo(self.pipeline, self.name) else (50, 5.0)

    def grid(self, steps: int, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """With sigmas that the pipeline spaces itself."""
        return {**super().grid(steps, shape), "sigmas": get_default_z_image_sigmas(steps)}

    def told(self, text: str) -> str:
        """A message of the user's."""
        messages = [{"role": "user", "content": text}]
        return self.pipeline.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=True
        )

    def encode_text(self, prompt: str, negative_prompt: str, guidance: float) -> dict[str, Tensor]:
        """Token states [T, D] of the prompt, and of the negative one when guidance > 0, each of its own length."""
        [text], negative = self.pipeline.encode_prompt(
            prompt=prompt,
            negative_prompt=negative_prompt,
            do_classifier_free_guidance=guidance > 0,
            device=self.device,
            max_sequence_length=self.text_length,
        )
        return {"text": text, "negative": negative[0]} if guidance > 0 else {"text": text}

    def guide(
        self, x: Tensor, point: Point, conditioning: Conditioning, calls: Calls
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """v as above; both rows in one call."""
        tensors = conditioning.tensors
        time = (1000 - point.timestep.expand(1)) / 1000
        typed = x.to(self.pipeline.transformer.dtype)
        if conditioning.guidance <= 0:
            inputs = {"x": [typed[0].unsqueeze(1)], "t": time, "cap_feats": [tensors["text"]]}
            [said] = calls("rows")(**inputs, return_dict=False)[0]
            velocity = -said.float().squeeze(1).unsqueeze(0)
            return velocity, {"text": velocity}
        rows = list(typed.repeat(2, 1, 1, 1).unsqueeze(2).unbind(dim=0))
        inputs = {"x": rows, "t": time.repeat(2), "cap_feats": [tensors["text"], tensors["negative"]]}
        said = calls("rows")(**inputs, return_dict=False)[0]
        text, negative = (each.float().squeeze(1).unsqueeze(0) for each in said)
        guided = text + conditioning.guidance * (text - negative)
        return -guided, {"negative": -negative, "text": -text}
