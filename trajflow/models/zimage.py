"""Z-Image pipelines, base and turbo (arXiv:2511.22699).

The network looks from the image toward the noise, so v is the negative of what it says; time runs the other way as
well, 1 - sigma. Steps are taken in float32 whatever the dtype of the weights. Guidance counts from 0:

    v = -(t + s (t - n))
"""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import ZImagePipeline
from diffusers.pipelines.z_image.pipeline_z_image import get_default_z_image_sigmas
from diffusers.utils.torch_utils import randn_tensor
from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Point, Residual, Schedule
from trajflow.errors import ModelError
from trajflow.models.defaults import COMMON, check_whole, is_turbo, make_defaults
from trajflow.models.encoding import encoding, finite
from trajflow.models.grid import check_scheduler, read_grid, shift_for
from trajflow.models.identity import Identity
from trajflow.models.seam import Asking, Keeping, Replaying, Seam

LARGEST_SIDE = 2048
SIDE = 1024
SEAM = Seam(
    "all_x_embedder",
    ("noise_refiner", "context_refiner", "layers"),
    "all_final_layer",
    ("attention", "feed_forward"),
)


class ZImageModel:
    """A `ZImagePipeline` as a velocity field; x is [1, 16, H / 8, W / 8] in float32.

    `settings`: those of `COMMON`. Guidance is on above 0.
    """

    family = "Z-Image"
    takes = COMMON

    def __init__(self, pipeline: ZImagePipeline, name: str, settings: Mapping[str, Any]) -> None:
        check_scheduler(pipeline)
        check_whole(pipeline, ("transformer", "vae", "text_encoder", "tokenizer"))
        self.name = name
        self._pipeline = pipeline
        self._text_length = int(settings.get("max_sequence_length", 512))
        turbo = is_turbo(pipeline, name)
        self.defaults = make_defaults(
            settings,
            steps=8 if turbo else 50,
            guidance=0.0 if turbo else 5.0,
            side=SIDE,
            multiple=2 * pipeline.vae_scale_factor,
            largest_side=LARGEST_SIDE,
        )
        self._identity = Identity(
            pipeline,
            ("transformer", "text_encoder", "vae"),
            ("tokenizer",),
            {"text_length": self._text_length, "guidance": "classifier-free above 0, positive row first, one batch"},
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
        return (1, self._pipeline.transformer.in_channels, height // scale, width // scale)

    @encoding
    @torch.no_grad()
    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Token states [T, D] of the prompt, and of the negative one when guidance > 0, each of its own length."""
        self._pipeline.maybe_free_model_hooks()
        [text], negative = self._pipeline.encode_prompt(
            prompt=prompt,
            negative_prompt=negative_prompt,
            do_classifier_free_guidance=guidance > 0,
            device=self.device,
            max_sequence_length=self._text_length,
        )
        tensors = {"text": text, "negative": negative[0]} if guidance > 0 else {"text": text}
        return Conditioning(prompt, negative_prompt, guidance, tensors)

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, from a CPU generator, float32."""
        generator = torch.Generator("cpu").manual_seed(seed)
        return randn_tensor(shape, generator=generator, device=self.device, dtype=torch.float32)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The pipeline's own grid."""
        scheduler = self._pipeline.scheduler
        mu = shift_for(scheduler, (shape[-2] // 2) * (shape[-1] // 2))
        return read_grid(scheduler, self.device, sigmas=get_default_z_image_sigmas(steps), mu=mu)

    @torch.no_grad()
    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """One guided velocity at x [1, C, H, W], float32, with its branches."""
        if keep == "stack":
            raise ModelError(
                "Z-Image's blocks mix picture and text tokens, so what they add as a whole cannot be reused: choose a "
                "policy that reuses velocities or the parts of each block."
            )
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
        tensors = conditioning.tensors
        time = (1000 - point.timestep.expand(1)) / 1000
        typed = x.to(self._pipeline.transformer.dtype)
        if conditioning.guidance <= 0:
            inputs = {"x": [typed[0].unsqueeze(1)], "t": time, "cap_feats": [tensors["text"]]}
            [said] = asking("rows")(**inputs, return_dict=False)[0]
            velocity = -said.float().squeeze(1).unsqueeze(0)
            return velocity, {"text": velocity}
        rows = list(typed.repeat(2, 1, 1, 1).unsqueeze(2).unbind(dim=0))
        inputs = {"x": rows, "t": time.repeat(2), "cap_feats": [tensors["text"], tensors["negative"]]}
        said = asking("rows")(**inputs, return_dict=False)[0]
        text, negative = (each.float().squeeze(1).unsqueeze(0) for each in said)
        guided = text + conditioning.guidance * (text - negative)
        return -guided, {"negative": -negative, "text": -text}

    @torch.no_grad()
    def decode(self, x: Tensor) -> Image:
        """Latents at sigma = 0 to an RGB picture."""
        vae = self._pipeline.vae
        latents = (x.to(vae.dtype) / vae.config.scaling_factor) + vae.config.shift_factor
        pixels = finite(vae.decode(latents, return_dict=False)[0])
        return self._pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
