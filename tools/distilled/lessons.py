"""What the student is taught: places on the way from noise to picture, and both branches of its teacher there.

    x = (1 - sigma) z + sigma e,   v(x, g) = n + g (t - n)

n is the teacher's velocity without a prompt, t with it; as both are kept, one lesson serves every guidance g. Half the
places lie on short guided runs of the teacher, on grids moved at random; the other half mix what those runs end in with
new noise, told in other words. So every evaluation of the teacher is a lesson.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from tools.distilled.architecture import attention, tokenize
from tools.tiny.architecture import SHIFT, embed
from tools.tiny.captions import TRAIN_SCENES, caption
from tools.tiny.velocity import draw_sigmas

GUIDANCE = (1.5, 4.5)
SCENES = 32
RUN_STEPS = 8
_FIELDS = ("x", "sigma", "ids", "text", "negative")
Lessons = dict[str, Tensor]


class Teacher:
    """The bundled model, asked for both branches at once; compiled, it answers half as many questions again."""

    def __init__(self, pipeline: StableDiffusion3Pipeline, compiled: bool = False) -> None:
        if compiled:
            for block in pipeline.transformer.transformer_blocks:
                block.compile(dynamic=False)
        self.pipeline = pipeline
        self.tokenizer = pipeline.tokenizer
        self.empty = self.read([""])

    def read(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Token states [B, 25, 256] and pooled vectors [B, 256]."""
        with torch.no_grad():
            return embed(prompts, (self.pipeline.text_encoder, self.pipeline.text_encoder_2), self.tokenizer)

    @torch.no_grad()
    def branches(self, x: Tensor, sigma: Tensor, told: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(text, negative), each [B, 8, 16, 16], at x of that shape and noise levels [B]."""
        states, pooled = (
            torch.cat([one, nothing.expand_as(one)]) for one, nothing in zip(told, self.empty, strict=True)
        )
        with torch.autocast(x.device.type, torch.bfloat16), attention(x.device):
            both = self.pipeline.transformer(
                torch.cat([x, x]),
                encoder_hidden_states=states,
                pooled_projections=pooled,
                timestep=1000 * torch.cat([sigma, sigma]),
                return_dict=False,
            )[0]
        text, negative = both.float().chunk(2)
        return text, negative


def random_grid(steps: int, rng: np.random.Generator) -> list[float]:
    """Sigmas from 1 to 0 of so many steps, shifted as the model's own grid, the inner ones each moved at random."""
    inner = 1 - (np.arange(1, steps) + rng.uniform(-0.5, 0.5, steps - 1)) / steps
    return [1.0, *(SHIFT * inner / (1 + (SHIFT - 1) * inner)).tolist(), 0.0]


def draw_lessons(teacher: Teacher, number: int, device: torch.device, count: int = SCENES, seed: int = 3) -> Lessons:
    """Shard `number`: the lessons of `count` scenes, `2 RUN_STEPS` of each; the same for the same number."""
    rng = np.random.default_rng([seed, number])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    scenes = [TRAIN_SCENES[i] for i in rng.integers(len(TRAIN_SCENES), size=count)]
    guidance = torch.from_numpy(rng.uniform(*GUIDANCE, size=(count, 1, 1, 1))).float().to(device)
    x = torch.randn(count, 8, 16, 16, generator=generator).to(device)
    rows: list[tuple[Tensor, ...]] = []

    def ask(x: Tensor, sigma: Tensor, ids: Tensor, told: tuple[Tensor, Tensor]) -> Tensor:
        text, negative = teacher.branches(x, sigma.to(device), told)
        rows.append(tuple(part.cpu() for part in (x.half(), sigma, ids.short(), text.half(), negative.half())))
        return negative + guidance * (text - negative)

    texts = [caption(scene, rng) for scene in scenes]
    ids, told = tokenize(texts, teacher.tokenizer), teacher.read(texts)
    for sigma, after in pairwise(random_grid(RUN_STEPS, rng)):
        x = x + (after - sigma) * ask(x, torch.full([count], sigma), ids, told)
    for _ in range(RUN_STEPS):
        texts = [caption(scene, rng) for scene in scenes]
        sigma = draw_sigmas(count, generator)
        mix = sigma.view(-1, 1, 1, 1).to(device)
        noise = torch.randn(x.shape, generator=generator).to(device)
        ask((1 - mix) * x + mix * noise, sigma, tokenize(texts, teacher.tokenizer), teacher.read(texts))
    return {name: torch.cat(parts) for name, parts in zip(_FIELDS, zip(*rows, strict=True), strict=True)}


def write_lessons(
    teacher: Teacher, folder: Path, shards: int, device: torch.device, count: int = SCENES
) -> Iterator[Path]:
    """Write those of the first `shards` shards that are missing, one after the other, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(shards):
        path = folder / f"{number:05}.safetensors"
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            save_file(draw_lessons(teacher, number, device, count), unfinished)
            unfinished.replace(path)
        yield path


def read_lessons(folder: Path, shards: int) -> Lessons:
    """The first `shards` shards as one: x, text, negative [N, 8, 16, 16] float16, sigma [N], ids [N, 24] int16."""
    parts = [load_file(folder / f"{number:05}.safetensors") for number in range(shards)]
    return {name: torch.cat([part[name] for part in parts]) for name in _FIELDS}
