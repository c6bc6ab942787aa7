"""The autoencoder: reconstruct renders, with a light KL term, and keep edges by matching image gradients too.

Convolutions are trained by Muon on their flattened kernels, which reaches in 130 batches what AdamW needs 1,700 for.
The posterior starts almost deterministic (standard deviation 0.05): at the usual 1 its noise drowns what is encoded.
"""

from collections.abc import Iterator

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn
from torch.nn.utils import parametrize
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm

from tools.tiny.architecture import IMAGE_SIZE
from tools.tiny.captions import TRAIN_SCENES
from tools.tiny.scenes import render


class Renders(IterableDataset):
    """An endless stream of rendered training scenes, [3, 128, 128] in [-1, 1]."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            scene = TRAIN_SCENES[rng.integers(len(TRAIN_SCENES))]
            pixels = render(scene, rng, IMAGE_SIZE).astype(np.float32) / 127.5 - 1.0
            yield torch.from_numpy(pixels).permute(2, 0, 1)


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 on pixels and on their horizontal and vertical differences; both [B, 3, H, W]."""
    error = output - target
    return error.abs().mean() + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


class FlatKernel(nn.Module):
    """A convolution kernel [O, I, h, w] kept as the matrix [O, I h w] that Muon can orthogonalise."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        """Matrix to kernel."""
        return matrix.view(self.shape).contiguous(memory_format=torch.channels_last)

    def right_inverse(self, kernel: torch.Tensor) -> torch.Tensor:
        """Kernel to matrix."""
        return kernel.reshape(len(kernel), -1).contiguous()


def train_autoencoder(
    autoencoder: AutoencoderKL, steps: int, device: torch.device, workers: int, seed: int = 0
) -> AutoencoderKL:
    """Train in place for `steps` batches and return it in eval mode with its latent scale and shift set."""
    with torch.no_grad():
        autoencoder.encoder.conv_out.bias[autoencoder.config.latent_channels :] = -6.0
    loader = _optimize(autoencoder, autoencoder, 1.0, steps, device, workers, seed)
    with torch.no_grad():
        latents = torch.cat([autoencoder.encode(next(loader).to(device)).latent_dist.mean for _ in range(16)])
    autoencoder.register_to_config(
        scaling_factor=round(1 / latents.std().item(), 4), shift_factor=round(latents.mean().item(), 4)
    )
    return autoencoder


def polish_decoder(
    autoencoder: AutoencoderKL, steps: int, device: torch.device, workers: int, seed: int = 7
) -> AutoencoderKL:
    """Train the decoder on, gently; the latents, and so a transformer that was trained on them, stay as they are."""
    autoencoder.encoder.requires_grad_(False)
    _optimize(autoencoder, autoencoder.decoder, 0.4, steps, device, workers, seed)
    return autoencoder


def _optimize(
    autoencoder: AutoencoderKL,
    trained: nn.Module,
    pace: float,
    steps: int,
    device: torch.device,
    workers: int,
    seed: int,
    batch: int = 8,
) -> Iterator[torch.Tensor]:
    """Train one part of the autoencoder at `pace` times the full learning rates; returns the stream of batches."""
    autoencoder.to(device, memory_format=torch.channels_last).train()
    convolutions = [module for module in trained.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        parametrize.register_parametrization(convolution, "weight", FlatKernel(convolution.weight.shape))
    matrices = [parameter for parameter in trained.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in trained.parameters() if parameter.ndim != 2]
    optimizers = [
        torch.optim.Muon(matrices, lr=pace * 4e-3, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=pace * 2e-3, weight_decay=0.0),
    ]
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            optimizer, optimizer.param_groups[0]["lr"], total_steps=steps, pct_start=0.05, cycle_momentum=False
        )
        for optimizer in optimizers
    ]
    loader = iter(DataLoader(Renders(seed), batch_size=batch, num_workers=workers))
    bar = tqdm(range(steps), desc="autoencoder", mininterval=5)
    for _ in bar:
        images = next(loader).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = autoencoder.encode(images).latent_dist
            output = autoencoder.decode(posterior.sample()).sample
        loss = reconstruction_loss(output.float(), images) + 1e-8 * posterior.kl().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        mse = (output.detach().float() - images).square().mean().item() / 4
        bar.set_postfix(loss=f"{loss.item():.4f}", psnr=f"{-10 * np.log10(mse):.1f}", refresh=False)
    for convolution in convolutions:
        parametrize.remove_parametrizations(convolution, "weight")
    autoencoder.eval().requires_grad_(False)
    return loader
