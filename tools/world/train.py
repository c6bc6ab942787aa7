"""Make the bundled model from nothing:

    python -m tools.world.train --work runs/world --release assets/world

Stages in order: text encoders, pictures, judge, autoencoder, decoder's polish, latents, the velocity of half-size
pictures, the velocity. Each keeps what it made in the work folder, goes on where it stopped and is skipped when done,
so the same command may be given again and again. `--minutes` makes it stop cleanly before. What there is, is released.
"""

import argparse
import copy
import json
import os
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline

from tools.world import carry, text, together
from tools.world.alignment import see_shards
from tools.world.autoencoder import AutoencoderRecipe, polish_decoder, train_autoencoder
from tools.world.coarse import coarsen_positions, take_over
from tools.world.focus import find_shards
from tools.world.judge import Judge, JudgeRecipe, read_judge, train_judge
from tools.world.latents import encode_shards, set_scale
from tools.world.network import IMAGE_SIZE, Shape, assemble, build_transformer
from tools.world.pictures import Album, draw_pictures, finished_shards
from tools.world.progress import Progress
from tools.world.velocity import VelocityRecipe, train_velocity

SETTINGS = {"max_sequence_length": 1, "steps": 28, "guidance": 3.5}
STAGES = ("text", "pictures", "judge", "autoencoder", "polish", "latents", "coarse", "velocity")


@dataclass(frozen=True)
class Recipe:
    """All that decides what the model becomes."""

    text_steps: int = 4000
    text_corpus: int = text.CORPUS
    text_batch: int = text.BATCH
    pictures: int = 150_000
    shard: int = 256
    shape: Shape = field(default_factory=Shape)
    judge: JudgeRecipe = field(default_factory=JudgeRecipe)
    autoencoder: AutoencoderRecipe = field(default_factory=AutoencoderRecipe)
    coarse: VelocityRecipe = field(default_factory=VelocityRecipe)
    velocity: VelocityRecipe = field(default_factory=VelocityRecipe)


MINIATURE = Recipe(
    text_steps=2,
    text_corpus=500,
    text_batch=8,
    pictures=8,
    shard=2,
    shape=Shape(widths=(8, 8, 8, 8), blocks=2, width=64, heads=1),
    judge=JudgeRecipe(steps=2, batch=2),
    autoencoder=AutoencoderRecipe(steps=2, polish_steps=2, batch=2, crop=32),
    coarse=VelocityRecipe(steps=2, batch=2),
    velocity=VelocityRecipe(steps=4, batch=2),
)


@dataclass(frozen=True)
class Workshop:
    """Where and how the stages run.

    The folder, the device, processes that draw, the time to stop (`time.time()`), processes that word captions.
    """

    work: Path
    device: torch.device
    workers: int
    until: float = float("inf")
    compiled: bool = True
    # Whether the time to stop is the stage's end: rates fall to nothing by then, and it is finished.
    is_last: bool = False
    wording: int = 0

    @property
    def album(self) -> Album:
        """The training pictures there are."""
        return Album(self.work / "pictures")

    def make_text(self, recipe: Recipe) -> text.Readers:
        """The text encoders, trained or read back."""
        folder = self.work / "text"
        if not (folder / "reader.safetensors").exists():
            readers = text.new_readers(text.new_tokenizer(corpus=recipe.text_corpus))
            for module in readers.modules():
                module.to(self.device)
            unfinished = self.work / "text.unfinished"
            text.train(
                readers,
                recipe.text_steps,
                batch=recipe.text_batch,
                work=unfinished,
                until=self.until,
                workers=self.wording,
            )
            text.save(readers, folder)
        readers = text.load(folder)
        for module in readers.modules():
            module.to(self.device)
        return readers

    def make_judge(self, recipe: Recipe) -> Judge | None:
        """The judge, trained or read back; None when time ran out."""
        folder = self.work / "judge"
        # What was finished early, by the clock, is not taken up again for the steps that were left.
        marker = folder / "finished"
        if marker.exists() and int(marker.read_text()) >= recipe.judge.steps:
            return read_judge(folder).to(self.device)
        judge = train_judge(self.album, folder, recipe.judge, self.device, self.until, self.is_last)
        if judge:
            marker.write_text(str(recipe.judge.steps))
        return judge

    def make_autoencoder(self, recipe: Recipe, judge: Judge) -> AutoencoderKL | None:
        """The autoencoder with its scale stated; None when time ran out."""
        folder = self.work / "vae"
        if not folder.exists():
            work = self.work / "autoencoder"
            shape, plan = recipe.shape, recipe.autoencoder
            vae = train_autoencoder(self.album, judge, work, shape, plan, self.device, self.until, self.is_last)
            if vae is None:
                return None
            set_scale(vae, self.album, self.device)
            vae.save_pretrained(folder.with_suffix(".unfinished"))
            folder.with_suffix(".unfinished").rename(folder)
        return AutoencoderKL.from_pretrained(folder).to(self.device).eval().requires_grad_(False)

    def polish(self, recipe: Recipe, autoencoder: AutoencoderKL, judge: Judge) -> None:
        """Train the decoder on as long as there is time; what there is becomes the released decoder."""
        work = self.work / "autoencoder"
        polished = polish_decoder(
            autoencoder, self.album, judge, work, recipe.autoencoder, self.device, self.until, self.is_last
        )
        polished.save_pretrained(self.work / "vae_polished.unfinished")
        if self.polished.exists():
            shutil.rmtree(self.polished)
        (self.work / "vae_polished.unfinished").rename(self.polished)

    @property
    def polished(self) -> Path:
        """Where the autoencoder with the polished decoder is kept."""
        return self.work / "vae_polished"

    @property
    def views(self) -> Path:
        """Where the judge's views of the pictures are kept."""
        return self.work / "views"

    @property
    def things(self) -> Path:
        """Where it is kept what the things in the pictures cover."""
        return self.work / "things"

    def best_autoencoder(self) -> AutoencoderKL:
        """The polished autoencoder, or the one there is."""
        folder = self.polished if self.polished.exists() else self.work / "vae"
        return AutoencoderKL.from_pretrained(folder).to(self.device).eval().requires_grad_(False)

    def encode(self) -> None:
        """Latents of all pictures, at full and at half size, where their things are, and what the judge sees."""
        # Things and views first, so that there is one of everything that is encoded.
        find_shards(self.work / "pictures", self.things, self.workers, self.until)
        if (self.work / "judge" / "finished").exists():
            judge = read_judge(self.work / "judge")
            see_shards(judge, self.work / "pictures", self.views, self.device, self.until)
        autoencoder = AutoencoderKL.from_pretrained(self.work / "vae").eval().requires_grad_(False)
        for name, shrink in (("latents_half", 2), ("latents", 1)):
            encode_shards(autoencoder, self.work / "pictures", self.work / name, self.device, self.until, shrink)

    def train_velocity(self, recipe: Recipe, stages: tuple[str, ...]) -> StableDiffusion3Pipeline:
        """The pipeline with the averaged weights of the moment training ended or had to stop."""
        readers = self.make_text(recipe)
        text_side = (readers.encoders, readers.tokenizer)
        torch.manual_seed(0)
        transformer = build_transformer(recipe.shape)
        pipeline = assemble(transformer, self.best_autoencoder(), *text_side)
        half = coarsen_positions(copy.deepcopy(transformer))
        if "coarse" in stages:
            self.begin(half)
            self._train(half, "coarse", "latents_half", pipeline, text_side, recipe.coarse, IMAGE_SIZE // 2)
        # Half-size training that had to stop goes on next time, before anything is built on it.
        if "velocity" in stages and time.time() < self.until:
            self.begin(transformer)
            transformer = self._train(
                transformer, "velocity", "latents", pipeline, text_side, recipe.velocity, IMAGE_SIZE
            )
        elif (kept := self.work / "velocity" / "velocity.pt").exists():
            transformer.load_state_dict(carry.average_of(kept))
        else:
            self.begin(transformer)
        pipeline.transformer = transformer
        return pipeline

    def begin(self, transformer: SD3Transformer2DModel) -> None:
        """Give it the weights of half-size training, or those that were brought along."""
        learned, brought = self.work / "coarse" / "velocity.pt", self.work / "start"
        if learned.exists():
            half = copy.deepcopy(transformer)
            half.load_state_dict(carry.average_of(learned))
            take_over(transformer, half)
        elif brought.exists():
            take_over(transformer, SD3Transformer2DModel.from_pretrained(brought))

    def _train(self, transformer, name, latents, pipeline, text_side, recipe: VelocityRecipe, size: int):
        folder = self.work / name
        encoded, drawn = (len(finished_shards(self.work / kept)) for kept in (latents, "pictures"))
        if encoded < drawn:
            print(f"{name} learns from {encoded} of {drawn} shards of pictures: the stage latents encodes the rest")
        progress = Progress(pipeline, folder / "velocity.csv", folder / "progress", size)
        return train_velocity(
            transformer,
            folder,
            self.work / latents,
            text_side,
            recipe,
            self.device,
            self.until,
            on_save=progress,
            compiled=self.compiled,
            is_last=self.is_last,
            views=self.views if self.views.exists() else None,
            things=self.things if self.things.exists() else None,
        )

    def run(self, recipe: Recipe, stages: tuple[str, ...] = STAGES) -> StableDiffusion3Pipeline | None:
        """All `stages` in order; the pipeline as far as it came, None when there is none yet."""
        if "text" in stages:
            self.make_text(recipe)
        if "pictures" in stages:
            draw_pictures(self.work / "pictures", recipe.pictures, self.workers, self.until, recipe.shard)
        if not finished_shards(self.work / "pictures"):
            return None
        judge = self.make_judge(recipe) if {"judge", "autoencoder", "polish"} & set(stages) else None
        if judge and {"autoencoder", "polish"} & set(stages):
            autoencoder = self.make_autoencoder(recipe, judge)
            if autoencoder and "polish" in stages:
                self.polish(recipe, autoencoder, judge)
        if "latents" in stages and (self.work / "vae").exists():
            self.encode()
        if {"coarse", "velocity"} & set(stages) and finished_shards(self.work / "latents"):
            return self.train_velocity(recipe, stages)
        return None


def release(pipeline: StableDiffusion3Pipeline, folder: Path, vocabulary: Path | None = None) -> None:
    """Save the pipeline as float16 safetensors that stock diffusers loads, with its settings and its vocabulary."""
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        part.cpu().half()
    pipeline.save_pretrained(folder)
    carry.forget_origin(folder)
    (folder / "trajflow.json").write_text(json.dumps(SETTINGS, indent=2) + "\n")
    if vocabulary and vocabulary.exists():
        shutil.copy(vocabulary, folder / "vocabulary.json")


def load_released(folder: Path) -> StableDiffusion3Pipeline:
    """A released pipeline in float32, by stock diffusers."""
    absent = dict.fromkeys(("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor"))
    return StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32, **absent)


def main(arguments: list[str] | None = None) -> None:
    """Run the stages that are asked for and not done, then release what there is."""
    recipe = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/world"), help="where stages and checkpoints are kept")
    parser.add_argument("--release", type=Path, help="where the pipeline goes (float16)")
    parser.add_argument("--carried", type=Path, help="a folder of tools.world.carry: go on with what it has")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop cleanly after so many minutes")
    parser.add_argument("--pictures", type=int, default=recipe.pictures)
    parser.add_argument("--judge-steps", type=int, default=recipe.judge.steps)
    parser.add_argument("--autoencoder-steps", type=int, default=recipe.autoencoder.steps)
    parser.add_argument("--polish-steps", type=int, default=recipe.autoencoder.polish_steps)
    parser.add_argument("--coarse-steps", type=int, default=recipe.coarse.steps, help="at half size, in all")
    parser.add_argument("--velocity-steps", type=int, default=recipe.velocity.steps, help="over all resumptions")
    parser.add_argument("--batch", type=int, default=recipe.velocity.batch, help="samples a step of the velocity")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="drawing processes")
    options = parser.parse_args(arguments)
    together.begin()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # A GPU is faster than one process finds words.
    wording = options.workers if device.type == "cuda" else 0
    recipe = replace(
        recipe,
        pictures=options.pictures,
        judge=replace(recipe.judge, steps=options.judge_steps),
        autoencoder=replace(recipe.autoencoder, steps=options.autoencoder_steps, polish_steps=options.polish_steps),
        coarse=replace(recipe.coarse, steps=options.coarse_steps, workers=wording),
        velocity=replace(recipe.velocity, steps=options.velocity_steps, batch=options.batch, workers=wording),
    )
    until = time.time() + 60 * options.minutes
    workshop = Workshop(options.work, device, options.workers, until)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.carried and together.place() == 0:
        carry.take(options.carried, options.work)
    # The others begin once it is there.
    together.agree(True)
    pipeline = workshop.run(recipe, tuple(options.stages))
    if options.release and not pipeline:
        raise SystemExit("Nothing was released: there is no velocity yet, or its stage was not among --stages.")
    if pipeline and options.release and together.place() == 0:
        release(pipeline, options.release, options.work / "text" / "vocabulary.json")
        print(f"released to {options.release}")


if __name__ == "__main__":
    main()
