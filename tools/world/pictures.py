"""Training pictures: drawn once, kept in shards of one size each, read as often as needed.

    python -m tools.world.pictures --work runs/world --count 150000 --workers 16

Shard k holds pictures of the size `bucket(k)` as `00042_192x128.npy` (uint8 [n, H, W, 3], mapped, never read whole)
and their scenes as `00042_192x128.scenes.npy` (int8 [n, WIDTH]). Every picture follows from its number alone, so a run
that was interrupted goes on with the shards that are not there, and ends with the same files.
"""

import argparse
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from tools.world.codes import is_heldout, to_codes
from tools.world.render import render
from tools.world.scene import Scene, draw

BUCKETS = ((192, 192), (128, 192), (192, 192), (192, 128))
SHARD = 256
CPU = torch.device("cpu")


def bucket(number: int) -> tuple[int, int]:
    """Height and width of the pictures in shard `number`: half of the shards are square."""
    return BUCKETS[number % len(BUCKETS)]


def training_scene(rng: np.random.Generator) -> Scene:
    """A random scene that is not held out."""
    while is_heldout(scene := draw(rng)):
        pass
    return scene


def plan(number: int, index: int, seed: int = 1) -> tuple[Scene, int]:
    """The scene of picture `index` of shard `number`, and the seed it is rendered from."""
    rng = np.random.default_rng([seed, number, index])
    return training_scene(rng), int(rng.integers(2**31))


def shard_number(path: Path) -> int:
    """The inverse of `shard_path`."""
    return int(path.name.split("_")[0])


def shard_path(folder: Path, number: int) -> Path:
    """Where the pictures of shard `number` are kept."""
    height, width = bucket(number)
    return folder / f"{number:05d}_{height}x{width}.npy"


def scenes_path(pictures: Path) -> Path:
    """Where the scenes of a shard are kept."""
    return pictures.with_suffix(".scenes.npy")


def draw_shard(number: int, folder: Path, size: int = SHARD, seed: int = 1) -> None:
    """Draw and keep one shard, unless it is there; the file of pictures appears last and whole."""
    path = shard_path(folder, number)
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    height, width = bucket(number)
    pictures, codes = [], []
    for index in range(size):
        scene, chance = plan(number, index, seed)
        pictures.append(render(scene, chance, height, width))
        codes.append(to_codes(scene))
    np.save(scenes_path(path), np.stack(codes))
    unfinished = path.with_suffix(".unfinished.npy")
    np.save(unfinished, np.stack(pictures))
    unfinished.replace(path)


def finished_shards(folder: Path) -> list[Path]:
    """The shards that are whole, in the order of their numbers."""
    return sorted(path for path in folder.glob("*.npy") if path.name.count(".") == 1)


def draw_pictures(folder: Path, count: int, workers: int, until: float = float("inf"), size: int = SHARD) -> int:
    """Draw shards until there are `count` pictures or the clock (`time.time()`) says `until`; how many there are."""
    numbers = range(-(-count // size))
    missing = [number for number in numbers if not shard_path(folder, number).exists()]
    with Pool(workers) as pool:
        drawn = pool.imap_unordered(partial(draw_shard, folder=folder, size=size), missing)
        for _ in tqdm(drawn, total=len(missing), desc="picture shards", mininterval=10):
            if time.time() > until:
                pool.terminate()
                break
    return size * len(finished_shards(folder))


@dataclass(frozen=True)
class Batch:
    """Pictures [B, 3, H, W] in [-1, 1], float32, and the codes of their scenes, int64 [B, WIDTH]."""

    images: Tensor
    codes: Tensor


class Album:
    """The shards of a folder, read at random; shards that appear later are found by `refresh`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards: list[tuple[np.ndarray, np.ndarray]] = []
        self._known: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Map shards that were finished since."""
        for path in finished_shards(self.folder):
            if path not in self._known:
                self._known.add(path)
                self.shards.append((np.load(path, mmap_mode="r"), np.load(scenes_path(path))))

    def __len__(self) -> int:
        return sum(len(codes) for _, codes in self.shards)

    def batch(
        self,
        size: int,
        rng: np.random.Generator,
        crop: int | None = None,
        device: torch.device = CPU,
    ) -> Batch:
        """`size` random pictures of one size, on `device`.

        With `crop`, random squares of so many pixels of pictures of any size.
        """
        if crop is None:
            shard = int(rng.integers(len(self.shards)))
            chosen = [(shard, int(rng.integers(len(self.shards[shard][1])))) for _ in range(size)]
        else:
            shards = rng.integers(len(self.shards), size=size)
            chosen = [(int(shard), int(rng.integers(len(self.shards[shard][1])))) for shard in shards]
        pixels = np.stack([_cropped(self.shards[shard][0][index], crop, rng) for shard, index in chosen])
        codes = np.stack([self.shards[shard][1][index] for shard, index in chosen])
        return Batch(as_images(pixels, device), torch.from_numpy(codes.astype(np.int64)))


def as_images(pixels: np.ndarray, device: torch.device = CPU) -> Tensor:
    """uint8 [B, H, W, 3] as float32 [B, 3, H, W] in [-1, 1], channels last in memory."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def _cropped(picture: np.ndarray, crop: int | None, rng: np.random.Generator) -> np.ndarray:
    if crop is None:
        return picture
    top, left = (int(rng.integers(length - crop + 1)) for length in picture.shape[:2])
    return picture[top : top + crop, left : left + crop]


def main(arguments: list[str] | None = None) -> None:
    """Draw what is missing of a training set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=150_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--shard", type=int, default=SHARD, help="pictures a file")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many minutes")
    options = parser.parse_args(arguments)
    until = time.time() + 60 * options.minutes
    there = draw_pictures(options.work / "pictures", options.count, options.workers, until, options.shard)
    print(f"{there} pictures in {options.work / 'pictures'}")


if __name__ == "__main__":
    main()
