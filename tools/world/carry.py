"""What was learned so far, as a folder that goes from machine to machine:

    python -m tools.world.carry WORK FOLDER            every finished part, the velocity as far as it came
    python -m tools.world.train --work NEW --carried FOLDER ...   goes on with it elsewhere

`FOLDER/model` has the parts of a pipeline in half precision, in files of at most 15 MB; beside it lie the text reader's
heads and the judge. Pictures and latents are made anew where training goes on, and so is the optimizer's memory.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from tools.world import text
from tools.world.judge import Judge, read_judge
from tools.world.network import Shape, build_transformer

LARGEST = "15MB"
# More than any recipe asks for: what was carried is not trained on.
_FINISHED = 1_000_000


def pack(work: Path, folder: Path, shape: Shape | None = None) -> None:
    """Write what there is in `work`: text encoders, judge, autoencoder, and the averaged transformer of `shape`."""
    model = folder / "model"
    pack_readers(work, folder)
    if (work / "text" / "reader.safetensors").exists():
        readers = text.load(work / "text")
        for name, encoder in zip(("text_encoder", "text_encoder_2"), readers.encoders, strict=True):
            encoder.half().save_pretrained(model / name)
        readers.tokenizer.save_pretrained(model / "tokenizer")
    for name in ("vae_polished", "vae"):
        if (work / name).exists():
            AutoencoderKL.from_pretrained(work / name).half().save_pretrained(model / "vae")
            break
    for name in ("velocity", "coarse"):
        checkpoint = work / name / "velocity.pt"
        if checkpoint.exists():
            transformer = build_transformer(shape or Shape())
            transformer.load_state_dict(average_of(checkpoint))
            transformer.half().save_pretrained(model / "transformer", max_shard_size=LARGEST)
            break
    forget_origin(model)


def forget_origin(model: Path) -> None:
    """Leave out of a pipeline's configurations where its parts were read from."""
    for path in model.glob("*/config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")


def pack_readers(work: Path, folder: Path) -> None:
    """Write the heads that say what the text encoders read, and the judge that says what pictures show."""
    folder.mkdir(parents=True, exist_ok=True)
    if (work / "text" / "reader.safetensors").exists():
        shutil.copy(work / "text" / "reader.safetensors", folder)
    if (work / "judge" / "finished").exists():
        judge = {name: value.contiguous() for name, value in read_judge(work / "judge").state_dict().items()}
        save_file(judge, folder / "judge.safetensors")


def take(carried: Path, work: Path) -> None:
    """Put what a folder of `pack` has where the stages look for it, unless they have made their own."""
    model = carried / "model"
    if (carried / "reader.safetensors").exists() and not (work / "text").exists():
        for name in ("tokenizer", "text_encoder", "text_encoder_2"):
            shutil.copytree(model / name, work / "text" / name)
        shutil.copy(carried / "reader.safetensors", work / "text")
    if (carried / "judge.safetensors").exists() and not (work / "judge").exists():
        judge = Judge()
        judge.load_state_dict(load_file(carried / "judge.safetensors"))
        (work / "judge").mkdir(parents=True)
        torch.save({"step": _FINISHED, "judge": judge.state_dict()}, work / "judge" / "judge.pt")
        (work / "judge" / "finished").write_text(str(_FINISHED))
    for name, place in (("vae", "vae"), ("transformer", "start")):
        if (model / name).exists() and not (work / place).exists():
            shutil.copytree(model / name, work / place)


def average_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a velocity's checkpoint."""
    return torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]


def main(arguments: list[str] | None = None) -> None:
    """Write what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    pack(options.work, options.folder)


if __name__ == "__main__":
    main()
