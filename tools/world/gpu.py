"""The whole training on a machine with a GPU, in three calls of less than ten minutes each, 26 in all:

    python -m tools.world.gpu 1 --work /tmp/world
    python -m tools.world.gpu 2 --work /tmp/world
    python -m tools.world.gpu 3 --work /tmp/world --out OUT

1 draws pictures in the background on the other cores while it trains text encoders, judge and autoencoder; 2 polishes
the decoder, encodes the pictures and trains the velocity, first at half size; 3 encodes what was drawn since, finishes
the velocity, and writes the half-precision model as pieces of 16 MiB (`tools.world.pieces` joins them), a sheet of
samples, and what was measured. A call that broke off is given again and goes on. On another machine `--carried FOLDER`
spares what a joined folder has of it: text encoders, judge, autoencoder, and the transformer to begin with. `--minutes
FACTOR` stretches or shortens every stage. `--miniature` rehearses the calls with tiny networks, on anything.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import StableDiffusion3Pipeline

from tools.world import carry, measure, pieces, vocabulary
from tools.world.autoencoder import AutoencoderRecipe
from tools.world.judge import JudgeRecipe
from tools.world.pictures import finished_shards
from tools.world.progress import PROMPTS
from tools.world.sampling import as_pixels, generate
from tools.world.train import MINIATURE, SETTINGS, Recipe, Workshop, load_released, release
from tools.world.velocity import VelocityRecipe

# The clock ends every stage long before its steps do.
_ENDLESS = 1_000_000
GPU = Recipe(
    text_steps=_ENDLESS,
    text_batch=384,
    judge=JudgeRecipe(steps=_ENDLESS, batch=128),
    autoencoder=AutoencoderRecipe(steps=_ENDLESS, polish_steps=_ENDLESS, batch=48, crop=128),
    coarse=VelocityRecipe(steps=_ENDLESS, batch=1024),
    velocity=VelocityRecipe(steps=_ENDLESS, batch=512),
)


@dataclass(frozen=True)
class Part:
    """A stage in a call: for how many minutes, and whether it is finished then."""

    stage: str
    minutes: float
    is_last: bool = True


CALLS = {
    1: (Part("text", 2.5), Part("judge", 1.5), Part("autoencoder", 4.0)),
    2: (Part("polish", 1.5), Part("latents", 1.5), Part("coarse", 1.5), Part("velocity", 3.5, is_last=False)),
    3: (Part("latents", 0.5), Part("velocity", 5.5)),
}
FEWEST_SHARDS = 16
MEASURED = 200
SHEET_SEEDS = 4


def draw_in_background(work: Path, count: int, shard: int, workers: int) -> None:
    """Begin to draw what is missing, in a session of its own that outlives this call; once at a time."""
    running = work / "drawing.pid"
    if running.exists() and _is_alive(int(running.read_text())):
        return
    command = ["nice", "-n", "10", sys.executable, "-m", "tools.world.pictures", "--work", str(work)]
    command += ["--count", str(count), "--shard", str(shard), "--workers", str(workers)]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output = [(os.POSIX_SPAWN_OPEN, stream, work / "drawing.log", append, 0o644) for stream in (1, 2)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running.write_text(str(os.posix_spawnp("nice", command, environment, file_actions=output, setsid=True)))


def wait_for_pictures(work: Path, shards: int) -> None:
    """Until so many shards are whole. Raises RuntimeError when drawing has ended before."""
    while True:
        # Asked first: whoever has ended since then has left all that there will be.
        is_alive = _is_alive(int((work / "drawing.pid").read_text()))
        if len(finished_shards(work / "pictures")) >= shards:
            return
        if not is_alive:
            raise RuntimeError(f"Drawing ended too early; {work / 'drawing.log'} says why.")
        time.sleep(0.2)


def pack(pipeline: StableDiffusion3Pipeline, work: Path, out: Path) -> None:
    """Write the model, the reader's heads and the judge as pieces under `out`."""
    folder = work / "pack"
    words = work / "text" / "vocabulary.json"
    vocabulary.main(["--work", str(work / "text"), "--out", str(words)])
    release(pipeline, folder / "model", words)
    carry.pack_readers(work, folder)
    pieces.split(folder, out)


def sample_sheet(model: Path, device: torch.device, path: Path) -> None:
    """Save the progress prompts, `SHEET_SEEDS` seeds each, one row a seed."""
    pipeline = load_released(model).to(device)
    rows = []
    for seed in range(SHEET_SEEDS):
        seeds = [seed] * len(PROMPTS)
        _, pictures = generate(pipeline, PROMPTS, seeds, SETTINGS["steps"], SETTINGS["guidance"], batch=len(PROMPTS))
        rows.append(pictures)
    measure.contact_sheet(as_pixels(torch.cat(rows)), len(PROMPTS)).save(path)


def call(number: int, workshop: Workshop, recipe: Recipe, minutes: float = 1.0) -> StableDiffusion3Pipeline | None:
    """The stages of one call, each for its minutes times `minutes`; the pipeline, if the velocity was trained."""
    pipeline = None
    for part in CALLS[number]:
        began = time.time()
        if part.stage in ("judge", "autoencoder", "polish", "latents"):
            wait_for_pictures(workshop.work, min(FEWEST_SHARDS, -(-recipe.pictures // recipe.shard)))
        until = time.time() + 60 * minutes * part.minutes
        # Half-size training is over before it would be compiled.
        compiled = workshop.compiled and part.stage == "velocity"
        bench = replace(workshop, until=until, is_last=part.is_last, compiled=compiled)
        pipeline = bench.run(recipe, (part.stage,)) or pipeline
        shards = len(finished_shards(workshop.work / "pictures"))
        print(f"{part.stage}: {time.time() - began:.0f} s; {shards} shards of pictures", flush=True)
    return pipeline


def _is_alive(process: int) -> bool:
    """Whether a process still works: it exists and is no remains of one that ended."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def main(arguments: list[str] | None = None) -> None:
    """One call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", type=int, choices=CALLS)
    parser.add_argument("--work", type=Path, required=True, help="where everything is kept between the calls")
    parser.add_argument("--out", type=Path, help="where the pieces, the sheet and the figures go (call 3)")
    parser.add_argument("--carried", type=Path, help="a joined folder of an earlier machine, or a part of one")
    parser.add_argument("--minutes", type=float, default=1.0, help="factor on every stage's minutes")
    parser.add_argument("--pictures", type=int, default=GPU.pictures)
    parser.add_argument("--eager", action="store_true", help="do not compile the transformer")
    parser.add_argument("--miniature", action="store_true", help="tiny networks, eight pictures")
    options = parser.parse_args(arguments)
    if options.call == 3 and not options.out:
        parser.error("call 3 needs --out")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    others = max(1, (os.cpu_count() or 2) - 3)
    wording = 0 if options.miniature else others
    recipe = MINIATURE if options.miniature else replace(GPU, pictures=options.pictures)
    coarse, velocity = (replace(each, workers=wording) for each in (recipe.coarse, recipe.velocity))
    recipe = replace(recipe, coarse=coarse, velocity=velocity)
    workshop = Workshop(
        options.work, device, others, compiled=not (options.eager or options.miniature), wording=wording
    )
    options.work.mkdir(parents=True, exist_ok=True)
    if options.carried:
        carry.take(options.carried, options.work)
    draw_in_background(options.work, recipe.pictures, recipe.shard, others)
    pipeline = call(options.call, workshop, recipe, options.minutes)
    if options.call < 3:
        return
    if pipeline is None:
        raise SystemExit("There is no velocity yet: give calls 1 and 2 first.")
    options.out.mkdir(parents=True, exist_ok=True)
    pack(pipeline, options.work, options.out)
    model = options.work / "pack" / "model"
    sample_sheet(model, device, options.out / "samples.png")
    count = 3 if options.miniature else MEASURED
    measured = ["--model", str(model), "--work", str(options.work), "--out", str(options.out / "measured.json")]
    measure.main([*measured, "--pictures", str(count)])


if __name__ == "__main__":
    main()
