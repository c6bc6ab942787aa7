"""Representation alignment (REPA, arXiv:2410.06940): a middle block is to know of the noisy picture what the judge sees
in the clean one.

The judge's last stage has one vector for every token of the transformer. They are computed once for all pictures; while
the velocity is trained, a small head reads them out of an early block, and is thrown away afterwards.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity

from tools.world.judge import Judge
from tools.world.latents import keep, read_shards

SEEN = 160
# Two fifths of the way, where the paper finds the best of its depths.
DEPTH = 3
WEIGHT = 0.5
_STANDARD = "standard.npz"


class Alignment(nn.Module):
    """Reads the judge's view out of block number `DEPTH` of `transformer`, which it listens to."""

    def __init__(self, transformer: SD3Transformer2DModel) -> None:
        super().__init__()
        width = transformer.inner_dim
        self.head = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, SEEN))
        blocks = transformer.transformer_blocks
        blocks[min(DEPTH, len(blocks)) - 1].register_forward_hook(self._listen)
        self._heard: Tensor | None = None

    def _listen(self, block: nn.Module, arguments: tuple, output: tuple[Tensor | None, Tensor]) -> None:
        self._heard = output[1]

    def loss(self, seen: Tensor) -> Tensor:
        """1 - cosine, averaged over tokens, of what is read from the last call and `seen` [B, SEEN, h, w]."""
        told = self.head(self._heard)
        self._heard = None
        return 1 - cosine_similarity(told.float(), seen.flatten(2).transpose(1, 2), dim=-1).mean()


def see_shards(judge: Judge, pictures: Path, folder: Path, device: torch.device, until: float = float("inf")) -> None:
    """Keep what the judge sees of every finished shard: float16 [n, SEEN, H/16, W/16], each channel standardised."""
    judge.to(device, memory_format=torch.channels_last)
    for path, seen in read_shards(pictures, folder, lambda images: judge.features(images)[-1], device, until):
        standard = _standard(folder, seen)
        keep((seen - standard["mean"]) / standard["std"], folder / path.name)


def view(seen: Tensor, latents: Tensor) -> Tensor:
    """Views [B, SEEN, H/16, W/16], float32, one for each token of `latents`: averages where pictures are half-size."""
    return adaptive_avg_pool2d(seen.float(), (latents.shape[2] // 2, latents.shape[3] // 2))


def _standard(folder: Path, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and standard deviation of each channel, [SEEN, 1, 1], as the first shard had them."""
    path = folder / _STANDARD
    if not path.exists():
        mean, std = seen.mean(axis=(0, 2, 3), keepdims=True)[0], seen.std(axis=(0, 2, 3), keepdims=True)[0]
        np.savez(path, mean=mean, std=std + 1e-6)
    return dict(np.load(path))
