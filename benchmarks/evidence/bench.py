"""What every measurement works with: the bundled model with its stock pipeline, the judge, the searched steps, and one
held-out edit at a time with everything that was made from scratch for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from PIL.Image import Image
from torch import Tensor

from benchmarks.judge import Judge, load_judge
from benchmarks.steps import Steps, read_steps
from trajflow.assets import WORLD, asset
from trajflow.base import Conditioning, Metrics, Model, Result, Schedule, Trajectory
from trajflow.bench.frontier import ROOM_BYTES, FromScratch
from trajflow.cache import Entry
from trajflow.field import latents_at
from trajflow.learning.pairs import Pair, read_pairs
from trajflow.metrics import compare_images
from trajflow.models.registry import SETTINGS_FILE, bundled_folder, wrap
from trajflow.session import Session

PAIRS_FILE = WORLD.heldout_session


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Every method meets every pair at `budgets`, the few that the frontier draws also at `line_budgets`. The switch curve
    and the fades are measured on every `some`-th pair. `requests`, `chains` of `edits`, `ablated`, `refined` and
    `prompts` count what the other parts look at, `learning` the prompts that theirs are learned from; `alone_budgets`
    are those of runs without a source on the model's grid, `grid_budgets` on one of `grid_steps`. Chains, runs without
    a source and batches of `beside` prompts take `steps`, pictures are `side` pixels wide and high; None means the
    model's own.
    """

    pairs: int
    history: int
    budgets: tuple[int, ...]
    line_budgets: tuple[int, ...]
    some: int
    switches: tuple[int, ...]
    fade_budgets: tuple[int, ...]
    state_steps: tuple[int, ...]
    path_budget: int
    resamples: int
    repeats: int
    requests: int
    chains: int
    edits: int
    ablated: int
    refined: int
    prompts: int
    learning: int
    alone_budgets: tuple[int, ...]
    grid_steps: int
    grid_budgets: tuple[int, ...]
    grid_prompts: int
    cache_runs: int
    beside: tuple[int, ...]
    steps: int | None = None
    side: int | None = None


FULL = Scale(
    pairs=48,
    history=5,
    budgets=(3, 5, 7, 10),
    line_budgets=(4, 6, 8, 14),
    some=4,
    switches=(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 27),
    fade_budgets=(7, 13),
    state_steps=(7, 14, 21),
    path_budget=7,
    resamples=10_000,
    repeats=30,
    requests=300,
    chains=2,
    edits=20,
    ablated=48,
    refined=48,
    prompts=48,
    learning=48,
    alone_budgets=(6, 8, 10),
    grid_steps=50,
    grid_budgets=(6, 10),
    grid_prompts=24,
    cache_runs=5,
    beside=(2, 4, 8),
)
QUICK = replace(
    FULL,
    pairs=2,
    history=1,
    budgets=(3,),
    line_budgets=(),
    some=2,
    switches=(14, 24),
    fade_budgets=(7,),
    state_steps=(14,),
    path_budget=3,
    repeats=3,
    requests=1,
    chains=1,
    edits=2,
    ablated=1,
    refined=1,
    prompts=2,
    learning=2,
    alone_budgets=(3,),
    grid_steps=4,
    grid_budgets=(2,),
    grid_prompts=1,
    cache_runs=1,
    beside=(2,),
    steps=6,
    side=64,
)


def read_shortened(name: str, scale: Scale) -> tuple[Pair, ...]:
    """The pairs of an asset, with as much history as the scale allows."""
    return tuple(replace(pair, history=pair.history[: scale.history]) for pair in read_pairs(asset(name)))


def choose_pairs(scale: Scale) -> tuple[Pair, ...]:
    """Held-out pairs spread over all kinds."""
    pairs = read_shortened(PAIRS_FILE, scale)
    return pairs[len(pairs) // scale.pairs // 2 :: len(pairs) // scale.pairs][: scale.pairs]


@dataclass(frozen=True, eq=False)
class Bench:
    """The bundled model, taken apart as far as the rivals need."""

    pipeline: StableDiffusion3Pipeline
    model: Model
    settings: Mapping[str, Any]
    judge: Judge
    steps: Steps

    @classmethod
    def load(cls, side: int | None = None) -> "Bench":
        """Read the bundled weights, the judge and the searched steps; `side` as in `Scale`."""
        folder = bundled_folder()
        absent = dict.fromkeys(("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor"))
        pipeline = StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32, **absent)
        pipeline.set_progress_bar_config(disable=True)
        settings = json.loads((folder / SETTINGS_FILE).read_text())
        settings |= {"height": side, "width": side} if side else {}
        return cls(pipeline, wrap(pipeline, "tiny", settings), settings, load_judge(), read_steps())

    def schedule(self, steps: int | None = None) -> Schedule:
        """The model's own grid at its default size."""
        defaults = self.model.defaults
        return self.model.schedule(steps or defaults.steps, self.model.latent_shape(defaults.height, defaults.width))

    def noise(self, seed: int) -> Tensor:
        """The initial x of that seed."""
        return self.model.noise(seed, self.model.latent_shape(self.model.defaults.height, self.model.defaults.width))

    def encode(self, prompt: str, negative: str = "") -> Conditioning:
        """A prompt at the model's default guidance."""
        return self.model.encode(prompt, negative, self.model.defaults.guidance)

    @cached_property
    def from_scratch(self) -> FromScratch:
        """All steps computed, in a session of its own."""
        return FromScratch(self.model, None)

    @torch.no_grad()
    def encode_picture(self, picture: Image, generator: torch.Generator) -> Tensor:
        """Latents [1, C, H, W] of a picture, drawn from the autoencoder's posterior as stock does."""
        vae = self.pipeline.vae
        pixels = self.pipeline.image_processor.preprocess(picture)
        latents = vae.encode(pixels).latent_dist.sample(generator)
        return (latents - vae.config.shift_factor) * vae.config.scaling_factor


@dataclass(frozen=True)
class Edit:
    """One held-out pair with its from-scratch runs: the sources, nearest first, and the target they are judged by."""

    bench: Bench
    number: int
    pair: Pair
    sources: tuple[Entry, ...]
    target: Entry

    @classmethod
    def prepare(cls, bench: Bench, number: int, pair: Pair) -> "Edit":
        """Make everything from scratch that the pair needs."""
        sources = tuple(bench.from_scratch(prompt, pair.seed) for prompt in pair.cached)
        return cls(bench, number, pair, sources, bench.from_scratch(pair.target, pair.seed, pair.negative))

    @cached_property
    def old(self) -> Conditioning:
        """The source prompt, encoded."""
        return self.bench.encode(self.pair.source)

    @cached_property
    def new(self) -> Conditioning:
        """The target prompt, encoded."""
        return self.bench.encode(self.pair.target, self.pair.negative)

    @property
    def source_run(self) -> Trajectory:
        """The trajectory of the picture that is edited."""
        assert self.sources[0].trajectory is not None
        return self.sources[0].trajectory

    @cached_property
    def old_latents(self) -> Tensor:
        """Final latents of the picture that is edited."""
        return latents_at(self.source_run, self.bench.model.defaults.steps)

    @cached_property
    def new_latents(self) -> Tensor:
        """Final latents of the from-scratch run of the new prompt."""
        assert self.target.trajectory is not None
        return latents_at(self.target.trajectory, self.bench.model.defaults.steps)

    def make(self, strategy: str, budget: int | None, sources: int | None = None) -> tuple[Result, Tensor | None]:
        """The target by a session that holds the first `sources` of them, None for all; latents where kept."""
        result, trajectory = self.follow(strategy, budget, sources)
        kept = trajectory is not None and trajectory.schedule.steps == self.bench.model.defaults.steps
        return result, latents_at(trajectory, trajectory.schedule.steps) if kept and trajectory else None

    def follow(self, strategy: str, budget: int | None, sources: int | None = None) -> tuple[Result, Trajectory | None]:
        """The same, with the path that was taken."""
        session = Session(self.bench.model, cache_bytes=ROOM_BYTES)
        for entry in self.sources[:sources]:
            session.adopt(entry)
        pair = self.pair
        result = session.generate(
            pair.target, seed=pair.seed, negative_prompt=pair.negative, strategy=strategy, budget=budget
        )
        return result, session.entries()[0].trajectory

    def to_new(self, picture: Image) -> Metrics:
        """Fidelity to the new prompt's own from-scratch picture."""
        return compare_images(picture, self.target.result.image)

    def to_old(self, picture: Image) -> Metrics:
        """Likeness to the old prompt's picture."""
        return compare_images(picture, self.sources[0].result.image)
