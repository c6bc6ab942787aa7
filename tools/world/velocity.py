"""The transformer learns the velocity of the rectified flow (arXiv:2209.03003, arXiv:2403.03206).

With latents z and noise e: x = (1 - sigma) z + sigma e, and the target is v = e - z. Block matrices are trained by
Muon, all else by AdamW. Every sample's caption is drawn anew, from what is told of its scene to the last typo. Where
the judge's views are kept, an early block is aligned to them; where it is kept what things cover, that counts more.
Compiled and with plain attention instead of the fused kernel, a step takes less than half the time on a CPU.
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.world import alignment, focus, stage, together
from tools.world.alignment import Alignment
from tools.world.architecture import TEXT_TOKENS, encode
from tools.world.captions import caption
from tools.world.codes import to_scene
from tools.world.optimizer import Optimizer, follow
from tools.world.pictures import Album, finished_shards
from tools.world.scene import ATTRIBUTES, STYLES, Scene, tell

TextEncoders = tuple[CLIPTextModelWithProjection, CLIPTextModelWithProjection]
EMPTY_SHARE = 0.1
# Most captions leave out about half of a scene. A few name one thing only, as negative prompts do, or nearly all.
DROPS, DROP_SHARES = (0.45, 0.9, 0.1), (0.8, 0.12, 0.08)
# Most batches are captions that fit into a quarter or a third of the tokens: a half-size step reads little more.
LENGTHS, LENGTH_SHARES = (16, 24, TEXT_TOKENS), (0.5, 0.35, 0.15)
# Half of what is learned are photos, however many of the pictures are: a model this small shows them best.
STYLE_SHARES = {"photo": 0.5, "watercolour": 1 / 6, "oil": 1 / 6, "pastel": 1 / 6}
EMA = 0.999
_WORDINGS_TRIED = 8


@dataclass(frozen=True)
class VelocityRecipe:
    """Steps in all, samples a step of each process, the full learning rates, and processes that word captions.

    With 0 of those the training process words them.
    """

    steps: int = 20_000
    batch: int = 64
    muon: float = 2e-3
    adamw: float = 1e-3
    workers: int = 0


@dataclass(frozen=True)
class Shard:
    """Latents [n, 8, h, w] of one size, the codes of their scenes, how likely each is to be taken, and what else there
    is to know of them: see `Samples`.
    """

    latents: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    seen: np.ndarray | None
    covers: np.ndarray | None


@dataclass(frozen=True)
class Samples:
    """One step's worth: latents [B, 8, h, w] float16, token ids [B, T], sigma [B] and the seed of the noise.

    Where they are kept: what the judge sees, [B, SEEN, H/16, W/16], and what share things cover, [B, H/16, W/16].
    """

    latents: Tensor
    ids: Tensor
    sigma: Tensor
    seed: int
    seen: Tensor | None
    covers: Tensor | None


class Lessons(Dataset):
    """Step number to `Samples`: always the same for the same number, so that a resumed run sees what it would have.

    folder: of latents; views, things: where the judge's views of the same pictures are kept, and what things cover.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: CLIPTokenizer,
        batch: int,
        seed: int,
        views: Path | None = None,
        things: Path | None = None,
    ) -> None:
        self.buckets: dict[tuple[int, ...], list[Shard]] = {}
        for path, (latents, codes) in zip(finished_shards(folder), Album(folder).shards, strict=True):
            seen, covers = (np.load(kept / path.name, mmap_mode="r") if kept else None for kept in (views, things))
            shard = Shard(latents, codes, weigh(codes), seen, covers)
            self.buckets.setdefault(latents.shape[1:], []).append(shard)
        self.tokenizer, self.batch, self.seed = tokenizer, batch, seed

    def __getitem__(self, step: int) -> Samples:
        rng, generator = stage.randomness(self.seed, step)
        shares = np.array([len(shards) for shards in self.buckets.values()], float)
        shards = list(self.buckets.values())[rng.choice(len(shares), p=shares / shares.sum())]
        chosen = [shards[int(rng.integers(len(shards)))] for _ in range(self.batch)]
        places = [(shard, int(rng.choice(len(shard.weights), p=shard.weights))) for shard in chosen]
        scenes = [to_scene(shard.codes[index]) for shard, index in places]
        tokens = int(rng.choice(LENGTHS, p=LENGTH_SHARES))
        return Samples(
            _stacked([shard.latents[index] for shard, index in places]),
            self.word(scenes, tokens, rng),
            draw_sigmas(self.batch, generator),
            int(rng.integers(2**62)),
            _stacked([shard.seen[index] for shard, index in places if shard.seen is not None]),
            _stacked([shard.covers[index] for shard, index in places if shard.covers is not None]),
        )

    def word(self, scenes: list[Scene], tokens: int, rng: np.random.Generator) -> Tensor:
        """Token ids [B, tokens] of new captions of the scenes, some of them empty; only at full length are any cut."""
        rows = []
        for scene in scenes:
            is_empty = rng.random() < EMPTY_SHARE
            for _ in range(_WORDINGS_TRIED):
                text = "" if is_empty else new_caption(scene, rng)
                row = self.tokenizer(text, padding="max_length", max_length=TEXT_TOKENS, truncation=True).input_ids
                if row[tokens - 1] == self.tokenizer.eos_token_id:
                    break
            rows.append([*row[: tokens - 1], self.tokenizer.eos_token_id])
        return torch.tensor(rows)


def _stacked(parts: list[np.ndarray]) -> Tensor | None:
    return torch.from_numpy(np.stack(parts)) if parts else None


def weigh(codes: np.ndarray) -> np.ndarray:
    """How likely each picture of a shard is to be taken, [n]: styles by `STYLE_SHARES`, all of one style alike."""
    styles = codes[:, list(ATTRIBUTES).index("style")]
    counts = np.bincount(styles, minlength=len(STYLES))
    weights = np.array([STYLE_SHARES[style] for style in STYLES])[styles] / counts[styles]
    return weights / weights.sum()


def new_caption(scene: Scene, rng: np.random.Generator) -> str:
    """What might be typed for the scene, saying more or less of it."""
    return caption(tell(scene, rng, DROPS[rng.choice(len(DROPS), p=DROP_SHARES)]), rng)


def draw_sigmas(batch: int, generator: torch.Generator) -> Tensor:
    """Noise levels [B] in (0, 1): logit-normal around 0.6, where a shifted schedule spends its steps."""
    return torch.sigmoid(0.4 + torch.randn(batch, generator=generator))


def train_velocity(
    transformer: SD3Transformer2DModel,
    folder: Path,
    latents: Path,
    text: tuple[TextEncoders, CLIPTokenizer],
    recipe: VelocityRecipe,
    device: torch.device,
    until: float = float("inf"),
    on_save: Callable[[SD3Transformer2DModel, int], None] | None = None,
    compiled: bool = True,
    save_every: float = 600.0,
    is_last: bool = False,
    seed: int = 2,
    views: Path | None = None,
    things: Path | None = None,
) -> SD3Transformer2DModel:
    """Train as far as `recipe` and time allow, going on from the checkpoint in `folder`; returns averaged weights.

    The stage is named, and its checkpoint found, by the folder. views, things: where the judge's views of the pictures
    are, and what the things in them cover.
    """
    encoders, tokenizer = text
    transformer.to(device).train()
    average = copy.deepcopy(transformer).eval().requires_grad_(False)
    aligned = Alignment(transformer).to(device) if views else None
    learned = nn.ModuleDict({"transformer": transformer, **({"aligned": aligned} if aligned else {})})
    optimizer = Optimizer(learned, recipe.muon, recipe.adamw, by_muon=lambda name: "transformer_blocks" in name)
    if compiled:
        # Block by block, as that compiles in a third of the time and runs as fast. Three lengths of text, two numbers
        # of image tokens and two kinds of blocks are more versions than torch keeps by default.
        torch._dynamo.reset()
        torch._dynamo.config.recompile_limit = 32
        for block in transformer.transformer_blocks:
            block.compile(dynamic=False)
    lessons = Lessons(latents, tokenizer, recipe.batch, seed + 1000 * together.place(), views, things)
    stream = _Stream(lessons, recipe)
    pace = stage.Pace(recipe.steps, until, is_last)
    # On a CPU the fused kernel's backward is slower than plain matrix products; on a GPU it is the fast one.
    attention = nullcontext if device.type == "cuda" else partial(sdpa_kernel, SDPBackend.MATH)
    samples_a_step = recipe.batch * together.processes()

    def take_step(step: int) -> dict[str, float]:
        samples = stream.at(step)
        image, sigma = (part.to(device).float() for part in (samples.latents, samples.sigma))
        noise = torch.randn(image.shape, device=device, generator=torch.Generator(device).manual_seed(samples.seed))
        mix = sigma.view(-1, 1, 1, 1)
        with torch.autocast(device.type, torch.bfloat16), attention():
            with torch.no_grad():
                states, pooled = encode(samples.ids.to(device), encoders)
            velocity = transformer(
                (1 - mix) * image + mix * noise,
                encoder_hidden_states=pad(states.float(), (0, 0, 0, 1)),
                pooled_projections=pooled.float(),
                timestep=1000 * sigma,
                return_dict=False,
            )[0]
            unlike = aligned.loss(alignment.view(samples.seen.to(device), image)) if aligned else torch.zeros(())
        errors = (velocity.float() - (noise - image)).square()
        if samples.covers is not None and pace.factor(step) == 1:
            weighed = (errors * focus.weigh(samples.covers.to(device), image)).mean()
        else:
            weighed = errors.mean()
        (weighed + alignment.WEIGHT * unlike).backward()
        together.average([parameter.grad for parameter in optimizer.parameters if parameter.grad is not None])
        norm = optimizer.step(pace.factor(step))
        follow(average, transformer, step, EMA)
        return {"loss": errors.mean().item(), "unlike": unlike.item(), "norm": norm, "samples": samples_a_step}

    parts = {"learned": learned, "average": average, "optimizer": optimizer}
    saved = (lambda step: on_save(average, step)) if on_save else None
    path = folder / "velocity.pt"
    stage.run(folder.name, take_step, pace, path, parts, device, save_every, saved)
    return average


class _Stream:
    """Lessons in the order of the steps, from the first one asked for, worded ahead by other processes if there are."""

    def __init__(self, lessons: Lessons, recipe: VelocityRecipe) -> None:
        self.lessons, self.recipe = lessons, recipe
        self._ahead = None

    def at(self, step: int) -> Samples:
        if not self.recipe.workers:
            return self.lessons[step]
        if self._ahead is None:
            order = range(step, self.recipe.steps)
            loader = DataLoader(self.lessons, batch_size=None, sampler=order, num_workers=self.recipe.workers)
            self._ahead = iter(loader)
        return next(self._ahead)
