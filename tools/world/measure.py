"""Everything the model card says of the model, by one command, as JSON and as a table.

    python -m tools.world.measure --model assets/world --work runs/world --out runs/world/measured.json

Scenes are held-out combinations in held-out wordings, seeds 0, 1, 2, ... The work folder has the judge, the reader and
the training pictures. 400 pictures of 28 guided steps take about half an hour on two cores.
"""

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusion3Pipeline
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from tools.world import text
from tools.world.captions import caption
from tools.world.judge import Judge, read_judge
from tools.world.latents import decode, encode
from tools.world.obedience import heldout_requests, obeyed, shares
from tools.world.phrases import load_phrases, score
from tools.world.pictures import Album, as_images, finished_shards
from tools.world.progress import PROMPTS
from tools.world.quality import (
    band_energy,
    explained_share,
    features,
    frechet,
    nearest,
    psnr_db,
    seed_ssim,
    verdict,
)
from tools.world.render import render
from tools.world.sampling import Sampler, as_pixels, generate, noise
from tools.world.scene import ATTRIBUTES, WEATHERS, Scene, Told
from tools.world.train import load_released
from trajflow.field import angle_degrees

FEW = 24
SEEDS = 4
ALBUM = 4096
SECTIONS = ("obedience", "phrases", "variety", "hardness", "removal", "memory", "reconstruction", "quality")


class Measurement:
    """The model, its judge, and what is asked of it."""

    def __init__(self, model: Path, work: Path, count: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.pipeline: StableDiffusion3Pipeline = load_released(model).to(self.device)
        for part in (self.pipeline.transformer, self.pipeline.vae):
            part.requires_grad_(False)
        self.settings = json.loads((model / "trajflow.json").read_text())
        self.work, self.few = work, min(FEW, count)
        self.judge: Judge = read_judge(work / "judge")
        self.scenes, self.told = zip(*heldout_requests(count), strict=True)
        rng = np.random.default_rng(10)
        self.prompts = [caption(one, rng, "heldout") for one in self.told]
        self.renders = draw(self.scenes, first_seed=10_000)
        self.latents, self.pictures = self.generate(self.prompts, range(count))

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], steps: int | None = None, **options
    ) -> tuple[Tensor, Tensor]:
        """Latents and pictures at the model's settings."""
        steps = steps or self.settings["steps"]
        return generate(
            self.pipeline,
            prompts,
            list(seeds),
            steps,
            self.settings["guidance"],
            batch=128 if self.device.type == "cuda" else 8,
            **options,
        )

    def obedience(self) -> Mapping[str, object]:
        """Shares obeyed, by the model and by renders of the same requests, which is what the judge can read at all."""
        return {
            "pictures": shares(obeyed(self.judge, self.pictures, self.told)),
            "renders": shares(obeyed(self.judge, self.renders, self.told)),
        }

    def phrases(self) -> Mapping[str, int]:
        """Of the phrases typed by hand, how many the text encoders read as meant."""
        results = score(text.load(self.work / "text"), load_phrases())
        return {"read": sum(not wrong for wrong in results), "of": len(results)}

    def variety(self) -> Mapping[str, float]:
        """SSIM between seeds of short prompts, and the share of the latent variance that held-out captions explain."""
        ssim = []
        for prompt in PROMPTS[:6]:
            _, pictures = self.generate([prompt] * 6, range(6))
            ssim.append(seed_ssim(as_pixels(pictures)))
        prompts = [prompt for prompt in self.prompts[: self.few] for _ in range(SEEDS)]
        latents, _ = self.generate(prompts, range(len(prompts)))
        share = explained_share(latents.unflatten(0, (self.few, SEEDS)))
        return {"seed_ssim": float(np.mean(ssim)), "seed_ssim_worst": max(ssim), "explained_share": share}

    def hardness(self) -> Mapping[str, float]:
        """PSNR in dB against 28 steps in float32, of one step, half the steps and bfloat16; the angle of an edit."""
        prompts, seeds = self.prompts[: self.few], range(self.few)
        jump, half = (self.generate(prompts, seeds, steps)[1] for steps in (1, self.settings["steps"] // 2))
        weights = self.pipeline.transformer
        self.pipeline.transformer = _Rounded(weights)
        rounded = self.generate(prompts, seeds)[1]
        self.pipeline.transformer = weights
        found = {"one_jump_db": jump, "half_the_steps_db": half, "bfloat16_db": rounded}
        measured = {name: float(psnr_db(images, self.pictures[: self.few]).median()) for name, images in found.items()}
        return measured | {"edit_angle_degrees": float(np.median(self.edit_angles()))}

    def edit_angles(self) -> list[float]:
        """Degrees between the first guided velocities of a prompt and of one that tells one attribute otherwise."""
        angles = []
        for number, one in enumerate(self.told[: 2 * self.few]):
            names = [name for name in ATTRIBUTES if getattr(one, name)]
            if not names:
                continue
            rng = np.random.default_rng([11, number])
            name = str(rng.choice(names))
            others = [value for value in ATTRIBUTES[name] if value != getattr(one, name)]
            edited = replace(one, **{name: str(rng.choice(others))})
            pair = [caption(each, np.random.default_rng([12, number]), typos=0.0) for each in (one, edited)]
            sampler = Sampler(self.pipeline, pair, self.settings["guidance"])
            first, second = sampler.velocity(noise([number, number]).to(self.device), 1.0).cpu()
            angles.append(angle_degrees(first, second))
        return angles

    def removal(self) -> Mapping[str, float]:
        """How often a weather that is not told is seen, without and with a negative prompt that names it."""
        told = [Told(subject=scene.subject) for scene in self.scenes[: self.few]]
        prompts = [f"{one.subject}" for one in told]
        weathers = [WEATHERS[1 + number % (len(WEATHERS) - 1)] for number in range(self.few)]
        asked = [Told(weather=weather) for weather in weathers]
        seen = {}
        for name, negatives in (("without", None), ("with", weathers)):
            _, pictures = self.generate(prompts, range(self.few), negatives=negatives)
            seen[name] = shares(obeyed(self.judge, pictures, asked))["weather"]
        return seen

    def memory(self) -> Mapping[str, float]:
        """Median distance to the nearest training picture: of generated pictures, and of fresh renders."""
        square = [pictures for pictures, _ in Album(self.work / "pictures").shards if pictures.shape[1:3] == (192, 192)]
        trained = torch.cat([avg_pool2d(as_images(np.array(shard)), 8) for shard in square[: ALBUM // 256]])
        sets = {"pictures": self.pictures, "renders": self.renders}
        return {name: float(nearest(images, trained).median()) for name, images in sets.items()}

    def reconstruction(self) -> Mapping[str, Mapping[str, float]]:
        """The autoencoder on unseen renders: PSNR in dB, share of fine detail kept; overall and where it is hard."""
        groups: dict[str, Callable[[Scene], bool]] = {
            "all": lambda scene: True,
            "flowers": lambda scene: any(thing.kind == "flower" for thing in scene.things),
            "windows": lambda scene: scene.subject == "city" and scene.time in ("dusk", "night"),
            "flakes": lambda scene: scene.weather == "snow",
            "rain": lambda scene: scene.weather == "rain",
            "clear": lambda scene: scene.weather == "clear",
        }
        result = {}
        for name, belongs in groups.items():
            chosen = [number for number, scene in enumerate(self.scenes) if belongs(scene)][: 2 * self.few]
            if not chosen:
                continue
            images = self.renders[chosen]
            parts = [decode(self.pipeline.vae, encode(self.pipeline.vae, x.to(self.device))) for x in images.split(8)]
            rebuilt = torch.cat(parts).cpu()
            result[name] = {
                "psnr_db": float(psnr_db(rebuilt, images).mean()),
                "fine_detail": band_energy(rebuilt) / band_energy(images),
            }
        return result

    def quality(self) -> Mapping[str, Mapping[str, object]]:
        """Detail, Frechet distance and the judge's verdict, of pictures and of what has to fail."""
        other = draw(self.scenes, first_seed=20_000)
        real = features(self.judge, self.renders)
        floor = frechet(real, features(self.judge, other))
        thumbnails = interpolate(avg_pool2d(other, 6), scale_factor=6.0, mode="bilinear")
        _, jumps = self.generate(self.prompts, range(len(self.prompts)), steps=1)
        report = {}
        sets = {"pictures": self.pictures, "renders": other, "one step": jumps, "thumbnails": thumbnails}
        for name, images in sets.items():
            detail = band_energy(images) / band_energy(self.renders)
            distance = frechet(features(self.judge, images), real)
            answers = obeyed(self.judge, images, self.told)
            obedience = float(np.mean([value for values in answers.values() for value in values]))
            report[name] = {"detail": detail, "frechet": distance, "floor": floor, "obedience": obedience}
            report[name] |= {"fails": verdict(detail, distance / floor, obedience)}
        return report


class _Rounded(torch.nn.Module):
    """A transformer in bfloat16 that takes and returns float32."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.rounded = copy.deepcopy(transformer).bfloat16()

    def forward(self, x: Tensor, encoder_hidden_states: Tensor, pooled_projections: Tensor, **options):
        states, pooled = encoder_hidden_states.bfloat16(), pooled_projections.bfloat16()
        velocity = self.rounded(x.bfloat16(), encoder_hidden_states=states, pooled_projections=pooled, **options)[0]
        return (velocity.float(),)


def draw(scenes: Sequence[Scene], first_seed: int) -> Tensor:
    """Square renders of the scenes, [N, 3, 192, 192]; the i-th has seed `first_seed` + i."""
    return as_images(np.stack([render(scene, first_seed + i, 192, 192) for i, scene in enumerate(scenes)]))


def contact_sheet(pictures: np.ndarray, columns: int) -> Image.Image:
    """Pictures [N, H, W, 3] in rows of `columns`."""
    _, height, width, _ = pictures.shape
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
    for number, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture), (number % columns * width, number // columns * height))
    return sheet


def table(report: Mapping[str, Mapping]) -> str:
    """The report as the lines of a Markdown table: what, measured, wanted."""
    obedience, hardness, variety = report["obedience"], report["hardness"], report["variety"]
    rows = [
        (f"obeys: {name}", f"{100 * share:.1f} % (renders {100 * obedience['renders'][name]:.1f} %)", "90 %")
        for name, share in obedience["pictures"].items()
    ]
    reading, memory, removal = report["phrases"], report["memory"], report["removal"]
    rows += [
        ("phrases typed by hand read as meant", f"{reading['read']} of {reading['of']}", "270 of 300"),
        ("SSIM between seeds", f"{variety['seed_ssim']:.2f}", "0.45 or less"),
        ("latent variance the prompt explains", f"{100 * variety['explained_share']:.0f} %", "40 % or less"),
        ("one Euler jump", f"{hardness['one_jump_db']:.1f} dB", "12 dB or less"),
        ("Euler, half the steps", f"{hardness['half_the_steps_db']:.1f} dB", "30 to 36 dB"),
        ("bfloat16 against float32", f"{hardness['bfloat16_db']:.1f} dB", "45 dB or less"),
        ("edit angle at the noise, median", f"{hardness['edit_angle_degrees']:.1f} degrees", "15 degrees or less"),
        (
            "a weather is seen that was not asked for",
            f"{100 * removal['without']:.0f} %; with a negative prompt that names it {100 * removal['with']:.0f} %",
            "less with it",
        ),
        ("nearest training picture", f"{memory['pictures']:.2f} (fresh render {memory['renders']:.2f})", "no nearer"),
    ]
    rows += [
        (
            f"autoencoder: {name}",
            f"{found['psnr_db']:.1f} dB, {100 * found['fine_detail']:.0f} % of fine detail",
            "30 dB, 85 %",
        )
        for name, found in report["reconstruction"].items()
    ]
    rows += [
        (
            f"judge on {name}",
            f"detail {found['detail']:.2f}, Frechet {found['frechet'] / found['floor']:.1f} floors, "
            f"obedience {100 * found['obedience']:.0f} %: {', '.join(found['fails']) or 'passes'}",
            "passes" if name in ("pictures", "renders") else "fails",
        )
        for name, found in report["quality"].items()
    ]
    lines = ["| what | measured | wanted |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure, write the JSON and a sheet of the first pictures, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=400)
    options = parser.parse_args(arguments)
    if not finished_shards(options.work / "pictures"):
        parser.error("there are no training pictures to compare with; python -m tools.world.pictures draws them")
    measurement = Measurement(options.model, options.work, options.pictures)
    contact_sheet(as_pixels(measurement.pictures[:48]), 8).save(options.out.with_suffix(".png"))
    report = {}
    for name in SECTIONS:
        report[name] = getattr(measurement, name)()
        options.out.write_text(json.dumps(report, indent=2) + "\n")
        print(name, json.dumps(report[name]), flush=True)
    print(table(report))


if __name__ == "__main__":
    main()
