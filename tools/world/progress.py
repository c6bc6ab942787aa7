"""How training goes, as pictures: the loss over samples, and the same twelve prompts step by step."""

import csv
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
from PIL import Image, ImageDraw

PROMPTS = (
    "mountains at sunset",
    "a lake in autumn, watercolour",
    "a lighthouse in a storm at night",
    "a castle in the snow",
    "sea with two red boats on the left",
    "city at night in the rain",
    "a forest in spring with a blue cabin",
    "dunes at noon, oil painting",
    "three balloons over the hills",
    "a volcano at dusk",
    "a beach with a white windmill on the right",
    "aurora",
)
STEPS = 20
GUIDANCE = 3.0
_ROWS = 8


def plot_loss(table: Path, picture: Path, size: tuple[int, int] = (960, 360), smooth: int = 30) -> None:
    """Draw the column `loss` of a stage's table over its steps, each point and their running mean, on a log scale."""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    steps, losses = (np.array([float(row[name]) for row in rows]) for name in ("step", "loss"))
    width = min(smooth, len(losses))
    means = np.convolve(losses, np.ones(width) / width, "valid")
    low, high = np.log(means.min() * 0.97), np.log(np.quantile(losses, 0.99) * 1.05)
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = 64, 16, size[0] - 16, size[1] - 32

    def place(step: float, loss: float) -> tuple[float, float]:
        across = (step - steps[0]) / max(1.0, steps[-1] - steps[0])
        up = np.clip((np.log(loss) - low) / (high - low), 0, 1)
        return left + across * (right - left), bottom - up * (bottom - top)

    for mark in np.exp(np.linspace(low, high, 5)):
        height = place(steps[0], mark)[1]
        pen.line([(left, height), (right, height)], fill="#ddd")
        pen.text((8, height - 6), f"{mark:.4f}", fill="#444")
    for mark in np.linspace(steps[0], steps[-1], 5):
        pen.text((place(mark, np.exp(low))[0] - 20, bottom + 8), f"{mark:,.0f}", fill="#444")
    pen.point([place(*point) for point in zip(steps, losses, strict=True)], fill="#9bd")
    pen.line([place(*point) for point in zip(steps[width - 1 :], means, strict=True)], fill="#036", width=2)
    canvas.save(picture)


class Progress:
    """Called at checkpoints; every `every` seconds generates the prompts with the averaged weights of that moment."""

    def __init__(
        self, pipeline: StableDiffusion3Pipeline, table: Path, folder: Path, size: int, every: float = 1800.0
    ) -> None:
        self.pipeline, self.table, self.folder, self.size, self.every = pipeline, table, folder, size, every
        self._last = time.time()

    def __call__(self, transformer: SD3Transformer2DModel, step: int) -> None:
        """Redraw the loss; when it is time, add a row of pictures to the sheet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.table.exists():
            return  # the time was up before the first step
        plot_loss(self.table, self.folder / "loss.png")
        if time.time() - self._last < self.every:
            return
        self._last = time.time()
        self.pipeline.transformer = transformer
        self.pipeline.set_progress_bar_config(disable=True)
        row = Image.new("RGB", (96 * len(PROMPTS), 96))
        for column, prompt in enumerate(PROMPTS):
            with torch.no_grad(), torch.autocast(transformer.device.type, torch.bfloat16):
                picture = self.pipeline(
                    prompt,
                    height=self.size,
                    width=self.size,
                    num_inference_steps=STEPS,
                    guidance_scale=GUIDANCE,
                    max_sequence_length=1,
                    generator=torch.Generator().manual_seed(column),
                ).images[0]
            picture.save(self.folder / f"{column:02d}.png")
            row.paste(picture.resize((96, 96), Image.Resampling.LANCZOS), (96 * column, 0))
        row.save(self.folder / f"step_{step:07d}.png")
        self._sheet()

    def _sheet(self) -> None:
        """At most eight rows, evenly spaced over the run, the last one always among them."""
        rows = sorted(self.folder.glob("step_*.png"))
        chosen = [rows[i] for i in sorted({round(i) for i in np.linspace(0, len(rows) - 1, _ROWS)})]
        sheet = Image.new("RGB", (96 * len(PROMPTS) + 64, 96 * len(chosen)), "white")
        pen = ImageDraw.Draw(sheet)
        for number, path in enumerate(chosen):
            sheet.paste(Image.open(path), (64, 96 * number))
            pen.text((4, 96 * number + 40), f"{int(path.stem[5:]):,}", fill="black")
        sheet.save(self.folder / "samples.png")
