"""Does a picture show what was asked? A small classifier, trained on renders, reads the attributes back.

`python -m tools.tiny.judge --work runs/tiny --model assets/tiny` trains it (once), measures it on held-out renders
and on their reconstructions by the autoencoder, then reads pictures generated from captions of held-out scenes in
held-out wordings, at the model's default settings. `--release FILE` only writes the weights that the bench reads.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from PIL import Image
from safetensors.torch import load_model, save_file, save_model
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate
from tqdm import trange

from benchmarks.tiny_judge import AttributeClassifier, as_batch
from tools.tiny.architecture import IMAGE_SIZE
from tools.tiny.captions import HELDOUT_SCENES, TRAIN_SCENES, caption
from tools.tiny.pairs import targets_of
from tools.tiny.scenes import Scene, render
from tools.tiny.text import ATTRIBUTES, attribute_labels
from tools.tiny.train import load_released


def draw(scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """Renders of the scenes, [B, 3, 128, 128] in [-1, 1]."""
    return as_batch([render(scene, rng, IMAGE_SIZE) for scene in scenes])


def train_judge(steps: int, seed: int = 5, batch: int = 32) -> AttributeClassifier:
    """Train on renders of the training scenes, some of them blurred and all a little noisy."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    judge = AttributeClassifier(ATTRIBUTES)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for _ in trange(steps, desc="judge", mininterval=5):
        scenes = [TRAIN_SCENES[i] for i in rng.integers(len(TRAIN_SCENES), size=batch)]
        images = draw(scenes, rng)
        half = batch // 2
        images[:half] = interpolate(avg_pool2d(images[:half], 2), scale_factor=2, mode="bilinear")
        images += 0.05 * torch.randn_like(images)
        labels = attribute_labels(scenes)
        loss = torch.stack([cross_entropy(logits, labels[name]) for name, logits in judge(images).items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


@torch.no_grad()
def accuracy(judge: AttributeClassifier, images: Tensor, scenes: list[Scene]) -> dict[str, float]:
    """Share of pictures whose attribute is read as asked, for every attribute."""
    labels, read = attribute_labels(scenes), judge(images)
    return {name: round(float((read[name].argmax(-1) == labels[name]).float().mean()), 4) for name in ATTRIBUTES}


@torch.no_grad()
def reconstruct(pipeline: StableDiffusion3Pipeline, images: Tensor) -> Tensor:
    """Images through the autoencoder and back."""
    return pipeline.vae.decode(pipeline.vae.encode(images).latent_dist.mean).sample.clamp(-1, 1)


def heldout_requests(count: int, seed: int = 9) -> tuple[list[Scene], list[str]]:
    """Scenes never trained on, each in a wording never trained on."""
    rng = np.random.default_rng(seed)
    scenes = [HELDOUT_SCENES[i % len(HELDOUT_SCENES)] for i in range(count)]
    return scenes, [caption(scene, rng, "heldout") for scene in scenes]


def generate(
    pipeline: StableDiffusion3Pipeline, prompts: list[str], settings: dict, batch: int = 8
) -> list[Image.Image]:
    """One picture per prompt by the stock pipeline at the model's default settings; picture i has seed i."""
    pictures: list[Image.Image] = []
    for first in trange(0, len(prompts), batch, desc="pictures", mininterval=5):
        chosen = prompts[first : first + batch]
        pictures += pipeline(
            chosen,
            num_inference_steps=settings["steps"],
            guidance_scale=settings["guidance"],
            max_sequence_length=settings["max_sequence_length"],
            generator=[torch.Generator().manual_seed(first + i) for i in range(len(chosen))],
        ).images
    return pictures


def contact_sheet(pictures: list[Image.Image], columns: int) -> Image.Image:
    """Pictures in rows of `columns`."""
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * width, i // columns * height))
    return sheet


def release(judge: AttributeClassifier, path: Path) -> None:
    """Write the weights in half precision, with the attributes and what each target of the held-out pairs asks for."""
    asked = {text: {name: getattr(scene, name) for name in ATTRIBUTES} for text, scene in targets_of("heldout")}
    weights = {name: tensor.half().contiguous() for name, tensor in judge.state_dict().items()}
    save_file(weights, path, {"attributes": json.dumps(ATTRIBUTES), "asked": json.dumps(asked)})


def main(arguments: list[str] | None = None) -> None:
    """Train or read the judge, then print what it says as JSON and save a contact sheet beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/tiny"))
    parser.add_argument("--model", type=Path, default=Path("assets/tiny"))
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--captions", type=int, default=200)
    parser.add_argument("--release", type=Path, help="write the bench's weights here, measure nothing")
    options = parser.parse_args(arguments)

    weights = options.work / "judge.safetensors"
    judge = AttributeClassifier(ATTRIBUTES).eval()
    if weights.exists():
        load_model(judge, weights)
    else:
        judge = train_judge(options.steps)
        save_model(judge, str(weights))
    if options.release:
        release(judge, options.release)
        return
    pipeline = load_released(options.model)
    pipeline.set_progress_bar_config(disable=True)
    settings = json.loads((options.model / "trajflow.json").read_text())

    scenes = list(HELDOUT_SCENES) * 10
    renders = draw(scenes, np.random.default_rng(6))
    rebuilt = reconstruct(pipeline, renders)
    asked, prompts = heldout_requests(options.captions)
    pictures = generate(pipeline, prompts, settings)
    contact_sheet(pictures[:48], 8).save(options.work / "heldout.png")
    report = {
        "held-out renders": accuracy(judge, renders, scenes),
        "their reconstructions": accuracy(judge, rebuilt, scenes),
        "reconstruction_psnr_db": round(float(-10 * ((rebuilt - renders) / 2).square().mean().log10()), 2),
        "pictures of held-out captions": accuracy(judge, as_batch([np.asarray(p) for p in pictures]), asked),
        "captions": options.captions,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
