"""Many pictures at once from a released pipeline, with what the pipeline itself does not show: latents and velocities.

The loop is the pipeline's: noise of one generator per seed, guidance by the negative or empty prompt, Euler along the
scheduler's sigmas.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from torch import Tensor

from tools.world.architecture import embed
from tools.world.latents import decode
from tools.world.network import LATENT_CHANNELS


def noise(seeds: Sequence[int], height: int = 192, width: int = 192, channels: int = LATENT_CHANNELS) -> Tensor:
    """Starting latents [B, 8, H/8, W/8], one generator per seed."""
    shape = (channels, height // 8, width // 8)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


class Sampler:
    """The guided velocity of some prompts, and pictures from noise."""

    def __init__(
        self,
        pipeline: StableDiffusion3Pipeline,
        prompts: Sequence[str],
        guidance: float,
        negatives: Sequence[str] | None = None,
    ) -> None:
        self.pipeline, self.guidance = pipeline, guidance
        texts = [*(negatives or [""] * len(prompts)), *prompts]
        with torch.no_grad():
            self.states, self.pooled = embed(
                texts, (pipeline.text_encoder, pipeline.text_encoder_2), pipeline.tokenizer
            )

    @torch.no_grad()
    def velocity(self, x: Tensor, sigma: float) -> Tensor:
        """v(x, sigma) [B, 8, h, w] of x of that shape."""
        empty, full = self.pipeline.transformer(
            torch.cat([x, x]),
            encoder_hidden_states=self.states,
            pooled_projections=self.pooled,
            timestep=torch.full((2 * len(x),), 1000 * sigma, device=x.device),
            return_dict=False,
        )[0].chunk(2)
        return empty + self.guidance * (full - empty)

    def sample(self, x: Tensor, steps: int) -> Tensor:
        """Latents after `steps` Euler steps from noise `x`, on the transformer's device."""
        x = x.to(self.states.device)
        scheduler = self.pipeline.scheduler
        scheduler.set_timesteps(steps)
        sigmas = scheduler.sigmas.tolist()
        for sigma, after in pairwise(sigmas):
            x = x + (after - sigma) * self.velocity(x, sigma)
        return x


def generate(
    pipeline: StableDiffusion3Pipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    guidance: float,
    negatives: Sequence[str] | None = None,
    batch: int = 8,
) -> tuple[Tensor, Tensor]:
    """Latents [N, 8, 24, 24] and pictures [N, 3, 192, 192] in [-1, 1], a picture per prompt and seed; on the CPU.

    They are made where the pipeline is.
    """
    latents, images = [], []
    for first in range(0, len(prompts), batch):
        part = slice(first, first + batch)
        sampler = Sampler(pipeline, prompts[part], guidance, negatives[part] if negatives else None)
        found = sampler.sample(noise(seeds[part]), steps)
        latents.append(found.cpu())
        images.append(decode(pipeline.vae, found).cpu())
    return torch.cat(latents), torch.cat(images)


def as_pixels(images: Tensor) -> np.ndarray:
    """[B, 3, H, W] in [-1, 1] as uint8 [B, H, W, 3]."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
