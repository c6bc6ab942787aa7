"""The transformer learns the velocity of the rectified flow (arXiv:2209.03003, arXiv:2403.03206).

With image latents z and noise e: x = (1 - sigma) z + sigma e, and the target is v = e - z. Block matrices are trained
by Muon, all else by AdamW; the learning rate is constant, then falls linearly to zero over the last fifth. Compiled,
and with plain attention instead of the fused kernel, a step takes less than half the time on a CPU.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.tiny.architecture import embed
from tools.tiny.captions import TRAIN_SCENES, caption

UNCONDITIONAL_SHARE = 0.1
COOLDOWN = 0.2
EMA = 0.998
EMA_EVERY = 4
WORDINGS = 40


def build_optimizers(transformer: SD3Transformer2DModel) -> list[torch.optim.Optimizer]:
    """Muon for the 2-D weights inside the blocks, AdamW for embeddings, norms, biases and the output."""
    muon: list[nn.Parameter] = []
    adamw: list[nn.Parameter] = []
    for name, parameter in transformer.named_parameters():
        (muon if parameter.ndim == 2 and name.startswith("transformer_blocks") else adamw).append(parameter)
    return [
        torch.optim.Muon(muon, lr=2e-3, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(adamw, lr=1e-3, weight_decay=0.0, betas=(0.9, 0.99)),
    ]


@torch.no_grad()
def embed_wordings(
    text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
    tokenizer: CLIPTokenizer,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token states [S, W, T, D] and pooled vectors [S, W, P] of W wordings of each of the S training scenes.

    The wording after the last is the empty prompt.
    """
    texts = [[caption(scene, rng) for _ in range(WORDINGS)] + [""] for scene in TRAIN_SCENES]
    embedded = [embed(row, text_encoders, tokenizer) for row in tqdm(texts, desc="wordings", mininterval=5)]
    states, pooled = zip(*embedded, strict=True)
    return torch.stack(states), torch.stack(pooled)


def learning_rate_factor(step: int, steps: int, warmup: int = 200) -> float:
    """Linear warm-up, a plateau at 1, a linear fall to 0 over the last `COOLDOWN` of `steps`."""
    return max(0.0, min(1.0, (step + 1) / warmup, (steps - step) / (COOLDOWN * steps)))


def draw_sigmas(batch: int, generator: torch.Generator) -> torch.Tensor:
    """Noise levels [B] in (0, 1): logit-normal around 0.6, where a shifted schedule spends its steps."""
    return torch.sigmoid(0.4 + torch.randn(batch, generator=generator))


def train_velocity(
    transformer: SD3Transformer2DModel,
    text_encoders: tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection],
    tokenizer: CLIPTokenizer,
    dataset: tuple[torch.Tensor, torch.Tensor],
    steps: int,
    checkpoint: Path,
    device: torch.device,
    batch: int = 96,
    seed: int = 2,
    save_every: int = 250,
    on_save: Callable[[SD3Transformer2DModel, int], None] | None = None,
) -> tuple[SD3Transformer2DModel, float]:
    """Train until `steps`, resuming from `checkpoint` when it exists.

    `on_save(ema, step)` is called at every checkpoint. Returns the averaged weights and the smoothed loss.
    """
    latents, scenes = dataset
    transformer.to(device).train()
    average = copy.deepcopy(transformer).eval().requires_grad_(False)
    optimizers = build_optimizers(transformer)
    peak = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    start, smoothed = 0, float("nan")
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        transformer.load_state_dict(state["transformer"])
        average.load_state_dict(state["average"])
        for optimizer, stored in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        start, smoothed = state["step"], state["loss"]
    rng = np.random.default_rng([seed, start])
    generator = torch.Generator().manual_seed(seed + start)
    states, pooled = embed_wordings(text_encoders, tokenizer, rng)
    compiled = torch.compile(transformer)

    def save(step: int) -> None:
        partial = checkpoint.with_suffix(".partial")
        torch.save(
            {
                "transformer": transformer.state_dict(),
                "average": average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "step": step,
                "loss": smoothed,
            },
            partial,
        )
        partial.replace(checkpoint)
        if on_save:
            on_save(average, step)

    bar = tqdm(range(start, steps), initial=start, total=steps, desc="velocity", mininterval=10)
    for step in bar:
        chosen = torch.from_numpy(rng.integers(len(latents), size=batch))
        wording = rng.integers(WORDINGS, size=batch)
        wording[rng.random(batch) < UNCONDITIONAL_SHARE] = WORDINGS
        told = (scenes[chosen], torch.from_numpy(wording))
        image = latents[chosen].to(device).float()
        noise = torch.randn(image.shape, generator=generator).to(device)
        sigma = draw_sigmas(batch, generator).to(device)
        mix = sigma.view(-1, 1, 1, 1)
        with torch.autocast(device.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            velocity = compiled(
                (1 - mix) * image + mix * noise,
                encoder_hidden_states=states[told],
                pooled_projections=pooled[told],
                timestep=1000 * sigma,
                return_dict=False,
            )[0]
        loss = (velocity.float() - (noise - image)).square().mean()
        for optimizer, rate in zip(optimizers, peak, strict=True):
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(step, steps)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        if step % EMA_EVERY == 0:
            decay = min(EMA, (step + 1) / (step + 10)) ** EMA_EVERY
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(transformer.parameters()), 1 - decay)
        smoothed = loss.item() if np.isnan(smoothed) else 0.99 * smoothed + 0.01 * loss.item()
        bar.set_postfix(loss=f"{smoothed:.4f}", refresh=False)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            save(step + 1)
    return average, smoothed
