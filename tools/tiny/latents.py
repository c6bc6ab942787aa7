"""A training set of encoded renders: drawn and encoded once, read many times, its captions worded afresh each time."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from tools.tiny.architecture import IMAGE_SIZE
from tools.tiny.captions import TRAIN_SCENES
from tools.tiny.scenes import render


class NumberedRenders(Dataset):
    """Picture i of the training set: scene i mod the number of training scenes, drawn from its own seed."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        scene = index % len(TRAIN_SCENES)
        pixels = render(TRAIN_SCENES[scene], np.random.default_rng([self.seed, index]), IMAGE_SIZE)
        return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1.0).permute(2, 0, 1), scene


@torch.no_grad()
def encode_renders(
    autoencoder: AutoencoderKL, count: int, device: torch.device, workers: int, path: Path, seed: int = 1
) -> None:
    """Write `latents` [count, 8, 16, 16] (float16, as the transformer sees them) and `scenes` [count] to `path`."""
    autoencoder.to(device, memory_format=torch.channels_last)
    latents, scenes = [], []
    for images, indices in tqdm(
        DataLoader(NumberedRenders(count, seed), batch_size=64, num_workers=workers), desc="latents", mininterval=5
    ):
        with torch.autocast(device.type, torch.bfloat16):
            mean = autoencoder.encode(images.to(device, memory_format=torch.channels_last)).latent_dist.mean
        scaled = (mean.float() - autoencoder.config.shift_factor) * autoencoder.config.scaling_factor
        latents.append(scaled.half().contiguous().cpu())
        scenes.append(indices)
    save_file({"latents": torch.cat(latents), "scenes": torch.cat(scenes)}, path)


def load_latents(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """`latents` [count, 8, 16, 16] float16 and `scenes` [count], indices into the training scenes."""
    stored = load_file(path)
    return stored["latents"], stored["scenes"]
