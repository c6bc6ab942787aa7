"""Where the things of a picture are: small forms weigh more while the velocity is learned.

A cabin covers one token in fifty, so a loss that counts all tokens alike learns its form last. A picture is drawn once
more without its things; where it differs, its error counts `WEIGHT` times. A weight that depends on the picture makes
things likelier than they are, so it is for the steps at the full rate only: while that falls, all tokens count alike.
"""

import time
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from tqdm import tqdm

from tools.world.latents import keep
from tools.world.pictures import finished_shards, plan, shard_number
from tools.world.render import render

TOKEN = 16
WEIGHT = 6.0
_VISIBLE = 12


def find_shards(pictures: Path, folder: Path, workers: int, until: float = float("inf")) -> None:
    """Keep what the things cover of every finished shard of `pictures`: float16 [n, H/16, W/16], 0..1 of each token.

    It ends when the clock (`time.time()`) says `until`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [path for path in finished_shards(pictures) if not (folder / path.name).exists()]
    with Pool(workers) as pool:
        for _ in tqdm(pool.imap(partial(_find_shard, folder=folder), missing), total=len(missing), desc=folder.name):
            if time.time() > until:
                pool.terminate()
                break


def covered(picture: np.ndarray, bare: np.ndarray) -> np.ndarray:
    """The share [H/16, W/16] of each token where `picture` [H, W, 3] uint8 visibly differs from `bare`."""
    differs = np.abs(picture.astype(np.int16) - bare).max(axis=-1) > _VISIBLE
    height, width = differs.shape
    return differs.reshape(height // TOKEN, TOKEN, width // TOKEN, TOKEN).mean(axis=(1, 3))


def weigh(covers: Tensor, latents: Tensor) -> Tensor:
    """How much each place of `latents` [B, 8, h, w] counts, [B, 1, h, w], 1 on average over the batch."""
    shares = adaptive_avg_pool2d(covers.float()[:, None], (latents.shape[2] // 2, latents.shape[3] // 2))
    weights = 1 + (WEIGHT - 1) * shares.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return weights / weights.mean()


def _find_shard(path: Path, folder: Path) -> None:
    pictures = np.load(path, mmap_mode="r")
    height, width = pictures.shape[1:3]
    found = np.zeros((len(pictures), height // TOKEN, width // TOKEN))
    for index, picture in enumerate(pictures):
        scene, seed = plan(shard_number(path), index)
        if scene.things:
            found[index] = covered(picture, render(replace(scene, things=()), seed, height, width))
    keep(found, folder / path.name)
