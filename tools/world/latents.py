"""Pictures as the transformer sees them: every shard encoded once, with the scale and shift the autoencoder states."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import avg_pool2d
from tqdm import tqdm

from tools.world.pictures import Album, as_images, finished_shards, scenes_path


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, images: Tensor) -> Tensor:
    """[B, 3, H, W] in [-1, 1] to scaled latents [B, 8, H/8, W/8], float32."""
    mean = autoencoder.encoder(images).float().chunk(2, dim=1)[0]
    return (mean - autoencoder.config.shift_factor) * autoencoder.config.scaling_factor


@torch.no_grad()
def decode(autoencoder: AutoencoderKL, latents: Tensor) -> Tensor:
    """The inverse of `encode`, clipped to [-1, 1]."""
    images = autoencoder.decoder(latents / autoencoder.config.scaling_factor + autoencoder.config.shift_factor)
    return images.float().clamp(-1, 1)


@torch.no_grad()
def set_scale(autoencoder: AutoencoderKL, album: Album, device: torch.device) -> None:
    """State in the configuration the scale and shift that bring latents to mean 0 and variance 1."""
    rng = np.random.default_rng(4)
    batches = min(32, -(-len(album) // 8))
    found = [
        autoencoder.encoder(album.batch(8, rng).images.to(device)).float().chunk(2, dim=1)[0].flatten().cpu()
        for _ in range(batches)
    ]
    values = torch.cat(found)
    autoencoder.register_to_config(
        scaling_factor=round(1 / values.std().item(), 4), shift_factor=round(values.mean().item(), 4)
    )


def encode_shards(
    autoencoder: AutoencoderKL,
    pictures: Path,
    folder: Path,
    device: torch.device,
    until: float = float("inf"),
    shrink: int = 1,
) -> int:
    """Encode every finished shard that has no latents yet (float16 [n, 8, h, w]); how many shards have them.

    Pictures are made `shrink` times smaller first.
    """
    autoencoder.to(device, memory_format=torch.channels_last)
    shards = read_shards(
        pictures, folder, lambda images: encode(autoencoder, avg_pool2d(images, shrink)), device, until
    )
    for path, latents in shards:
        np.save(folder / scenes_path(path).name, np.load(scenes_path(path)))
        keep(latents, folder / path.name)
    return len(finished_shards(folder))


@torch.no_grad()
def read_shards(
    pictures: Path, folder: Path, read: Callable[[Tensor], Tensor], device: torch.device, until: float
) -> Iterator[tuple[Path, np.ndarray]]:
    """Every finished shard that `folder`, which is made, has nothing of, and what `read` sees in its pictures, float32.

    It ends when the clock (`time.time()`) says `until`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [path for path in finished_shards(pictures) if not (folder / path.name).exists()]
    for path in tqdm(missing, desc=folder.name, mininterval=10):
        if time.time() > until:
            break
        shard = np.load(path, mmap_mode="r")
        found = []
        for first in range(0, len(shard), 64):
            images = as_images(np.array(shard[first : first + 64]), device)
            with torch.autocast(device.type, torch.bfloat16):
                found.append(read(images).float().cpu().contiguous().numpy())
        yield path, np.concatenate(found)


def keep(values: np.ndarray, path: Path) -> None:
    """Save as float16, whole or not at all."""
    unfinished = path.with_suffix(".unfinished.npy")
    np.save(unfinished, values.astype(np.float16))
    unfinished.replace(path)
