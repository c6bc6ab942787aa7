"""Make the bundled model from nothing: `python -m tools.tiny.train --work runs/tiny --release assets/tiny`.

Stages, each kept in the work folder and skipped when its result is there: text encoders, autoencoder, latents,
velocity. The velocity stage resumes from its checkpoint; `--init` starts it from released weights, not from noise.
"""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from tools.tiny import vocabulary
from tools.tiny.architecture import (
    assemble,
    build_autoencoder,
    build_tokenizer,
    build_transformer,
)
from tools.tiny.autoencoder import polish_decoder, train_autoencoder
from tools.tiny.captions import TRAIN_SCENES, caption
from tools.tiny.latents import encode_renders, load_latents
from tools.tiny.text import train_text_encoders
from tools.tiny.velocity import train_velocity

SETTINGS = {"max_sequence_length": 1, "steps": 28, "guidance": 3.0}


def release(pipeline: DiffusionPipeline, folder: Path, settings: Mapping[str, Any] = SETTINGS) -> None:
    """Save the pipeline as float16 safetensors that stock diffusers loads, with its settings and its words."""
    for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        part.half()
    pipeline.save_pretrained(folder)
    for path in folder.glob("*/config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    (folder / "trajflow.json").write_text(json.dumps(settings, indent=2) + "\n")
    vocabulary.write(folder / "vocabulary.json")


def load_released(folder: Path) -> StableDiffusion3Pipeline:
    """A released pipeline in float32, by stock diffusers."""
    absent = dict.fromkeys(("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor"))
    return StableDiffusion3Pipeline.from_pretrained(folder, dtype=torch.float32, **absent)


def make_text_encoders(work: Path, steps: int, device: torch.device):
    """The tokenizer and both encoders, trained or read back from `work`."""
    folders = [work / "text_encoder", work / "text_encoder_2"]
    if not (work / "tokenizer").exists():
        rng = np.random.default_rng(0)
        corpus = [caption(TRAIN_SCENES[rng.integers(len(TRAIN_SCENES))], rng) for _ in range(20_000)]
        tokenizer = build_tokenizer(corpus)
        encoders, accuracy = train_text_encoders(tokenizer, steps, device)
        print("held-out wordings read:", json.dumps(accuracy))
        for encoder, folder in zip(encoders, folders, strict=True):
            encoder.save_pretrained(folder)
        tokenizer.save_pretrained(work / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    first, second = (
        CLIPTextModelWithProjection.from_pretrained(folder).to(device).eval().requires_grad_(False)
        for folder in folders
    )
    return tokenizer, (first, second)


def make_autoencoder(work: Path, steps: int, polish: int, device: torch.device, workers: int) -> AutoencoderKL:
    """The autoencoder, trained or read back from `work`; its decoder is trained on for `polish` batches, once."""
    folder, polished = work / "vae", work / "vae_polished"
    if not folder.exists():
        train_autoencoder(build_autoencoder(), steps, device, workers).save_pretrained(folder)
    if polish and not polished.exists():
        polish_decoder(AutoencoderKL.from_pretrained(folder), polish, device, workers).save_pretrained(polished)
    folder = polished if polish else folder
    return AutoencoderKL.from_pretrained(folder).to(device).eval().requires_grad_(False)


def main(arguments: list[str] | None = None) -> None:
    """Run every stage that is not there yet, then release the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/tiny"), help="where stages and checkpoints are kept")
    parser.add_argument("--release", type=Path, help="where the finished pipeline goes (float16)")
    parser.add_argument("--init", type=Path, help="a released pipeline whose weights every stage starts from")
    parser.add_argument("--text-steps", type=int, default=1500)
    parser.add_argument("--autoencoder-steps", type=int, default=2500)
    parser.add_argument("--polish-steps", type=int, default=0, help="further batches for the decoder alone")
    parser.add_argument("--pictures", type=int, default=40_000, help="size of the encoded training set")
    parser.add_argument("--steps", type=int, default=12_000, help="velocity steps, counted over all resumptions")
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--workers", type=int, default=max(0, (os.cpu_count() or 1) - 2), help="rendering processes")
    options = parser.parse_args(arguments)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options.work.mkdir(parents=True, exist_ok=True)
    if options.init and not (options.work / "tokenizer").exists():
        start = load_released(options.init)
        start.save_pretrained(options.work)
    tokenizer, encoders = make_text_encoders(options.work, options.text_steps, device)
    autoencoder = make_autoencoder(
        options.work, options.autoencoder_steps, options.polish_steps, device, options.workers
    )
    latents = options.work / "latents.safetensors"
    if not latents.exists():
        encode_renders(autoencoder, options.pictures, device, options.workers, latents)
    initial = options.work / "transformer"
    transformer = SD3Transformer2DModel.from_pretrained(initial) if initial.exists() else build_transformer()
    average, loss = train_velocity(
        transformer,
        encoders,
        tokenizer,
        load_latents(latents),
        options.steps,
        options.work / "velocity.pt",
        device,
        batch=options.batch,
    )
    print(f"velocity loss {loss:.4f} after {options.steps} steps of {options.batch}")
    if options.release:
        release(assemble(average, autoencoder, encoders, tokenizer), options.release)


if __name__ == "__main__":
    main()
