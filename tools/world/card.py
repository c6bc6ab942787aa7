"""The model card of any bundled model: sixty phrases at full size, twelve seeds of one, what it is, what it does.

    python -m tools.world.card --model assets/world --measured runs/world/measured.json --out runs/card

writes `README.md`, `phrases.jpg` and `seeds.jpg`. Stock diffusers makes the pictures, with the settings in the model's
`trajflow.json`. The phrases are a text file, one a line; other files may be given.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusion3Pipeline
from PIL import Image, ImageDraw

from tools.world.measure import table
from tools.world.train import load_released

PHRASES = Path(__file__).with_name("card_phrases.txt")
TEMPLATE = Path(__file__).with_name("card.md")
SEEDS = 12
SEEDS_PROMPT = "mountains at sunset"
ACROSS = 6
BATCH = 6
_PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2")
_LINE = 14


def make_pictures(
    pipeline: StableDiffusion3Pipeline, prompts: Sequence[str], seeds: Sequence[int], settings: Mapping[str, Any]
) -> list[Image.Image]:
    """A picture for each prompt with its seed."""
    pictures: list[Image.Image] = []
    side = picture_size(pipeline)
    for first in range(0, len(prompts), BATCH):
        part = slice(first, first + BATCH)
        pictures += pipeline(
            list(prompts[part]),
            height=side,
            width=side,
            num_inference_steps=settings["steps"],
            guidance_scale=settings["guidance"],
            max_sequence_length=settings["max_sequence_length"],
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
        ).images
    return pictures


def picture_size(pipeline: StableDiffusion3Pipeline) -> int:
    """The side of the pictures the model was trained on, pixels."""
    return pipeline.transformer.config.sample_size * pipeline.vae_scale_factor


def captioned(pictures: Sequence[Image.Image], captions: Sequence[str], across: int = ACROSS) -> Image.Image:
    """The pictures at full size in rows of `across`, each with its caption below, in as many lines as it needs."""
    side = pictures[0].width
    broken = [_lines(caption, side) for caption in captions]
    high = side + 6 + _LINE * max(map(len, broken))
    page = Image.new("RGB", (across * (side + 6), -(-len(pictures) // across) * high), "white")
    pen = ImageDraw.Draw(page)
    for number, (picture, lines) in enumerate(zip(pictures, broken, strict=True)):
        left, top = number % across * (side + 6), number // across * high
        page.paste(picture, (left, top))
        for row, line in enumerate(lines):
            pen.text((left + 2, top + side + 1 + _LINE * row), line, "black", font_size=11)
    return page


def _lines(caption: str, width: int) -> list[str]:
    """Broken between words, about six pixels a letter."""
    lines = [""]
    for word in caption.split():
        if lines[-1] and 6 * (len(lines[-1]) + 1 + len(word)) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def parts_table(pipeline: StableDiffusion3Pipeline) -> list[str]:
    """A row for each part: its class, how many parameters, and the numbers that say how it is built."""
    shapes = {
        "transformer": ("num_layers", "num_attention_heads", "attention_head_dim", "patch_size"),
        "vae": ("latent_channels", "block_out_channels"),
        "text_encoder": ("num_hidden_layers", "hidden_size", "max_position_embeddings", "vocab_size"),
    }
    rows = []
    for name in _PARTS:
        part = getattr(pipeline, name)
        shape = [f"{key} {getattr(part.config, key)}" for key in shapes[name.removesuffix("_2")]]
        rows.append(f"| {name} | `{type(part).__name__}` | {_count(part) / 1e6:.1f} M | {', '.join(shape)} |")
    return rows


def card(model: Path, pipeline: StableDiffusion3Pipeline, settings: Mapping[str, Any], report: Mapping | None) -> str:
    """The text of the card."""
    count = sum(_count(getattr(pipeline, name)) for name in _PARTS)
    weights = sum(path.stat().st_size for path in model.rglob("*.safetensors"))
    return TEMPLATE.read_text("utf-8").format(
        name=f"trajflow {model.name}",
        millions=f"{count / 1e6:.0f}",
        size=picture_size(pipeline),
        sequence=settings["max_sequence_length"],
        megabytes=f"{weights / 1e6:.0f}",
        phrases=settings["phrases"],
        steps=settings["steps"],
        guidance=settings["guidance"],
        seeds=SEEDS,
        seeds_prompt=SEEDS_PROMPT,
        last_seed=SEEDS - 1,
        parts="\n".join(parts_table(pipeline)),
        measured=f"**Measured** by `python -m tools.world.measure`.\n\n{table(report)}"
        if report
        else "Not measured yet.",
    )


def _count(part: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


def main(arguments: list[str] | None = None) -> None:
    """Make the pictures and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--measured", type=Path, help="the JSON that tools.world.measure wrote")
    parser.add_argument("--phrases", type=Path, default=PHRASES)
    parser.add_argument("--steps", type=int, help="instead of the model's own")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = load_released(options.model).to(device)
    pipeline.set_progress_bar_config(disable=True)
    phrases = options.phrases.read_text("utf-8").split("\n")[:-1]
    settings = json.loads((options.model / "trajflow.json").read_text()) | {"phrases": len(phrases)}
    settings["steps"] = options.steps or settings["steps"]
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = make_pictures(pipeline, phrases, [0] * len(phrases), settings)
    captioned(pictures, phrases).save(options.out / "phrases.jpg", quality=92)
    seeds = list(range(SEEDS))
    pictures = make_pictures(pipeline, [SEEDS_PROMPT] * SEEDS, seeds, settings)
    captioned(pictures, [f"seed {seed}" for seed in seeds]).save(options.out / "seeds.jpg", quality=92)
    report = json.loads(options.measured.read_text()) if options.measured else None
    (options.out / "README.md").write_text(card(options.model, pipeline, settings, report), "utf-8")


if __name__ == "__main__":
    main()
