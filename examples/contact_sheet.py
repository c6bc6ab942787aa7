"""Edits down, budgets across, each picture under what it cost and how near it is: python examples/contact_sheet.py"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

import trajflow

SOURCE = "a mountain landscape"
EDITS = ["a mountain landscape at sunset", "a mountain landscape in the snow", "a city skyline at sunset"]
MARGIN = 18

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--steps", type=int, default=28)
parser.add_argument("--budgets", type=int, nargs="+", default=[3, 5, 7, 10])
parser.add_argument("--out", type=Path, default=Path("contact-sheet.png"))
asked = parser.parse_args()

model = trajflow.load("tiny")
side = model.defaults.width
sheet = Image.new("RGB", ((1 + len(asked.budgets)) * side, len(EDITS) * (side + MARGIN)), "white")
draw = ImageDraw.Draw(sheet)
for row, edit in enumerate(EDITS):
    top = row * (side + MARGIN)
    for column, budget in enumerate([asked.steps, *asked.budgets]):
        # A session of its own for each picture, so that every edit is made from the source alone.
        session = trajflow.Session(model)
        session.generate(SOURCE, seed=asked.seed, steps=asked.steps)
        result = session.generate(edit, seed=asked.seed, steps=asked.steps, budget=budget, compare=True)
        nearness = "identical" if result.metrics.identical else f"{result.metrics.psnr_db:.1f} dB"
        draw.text((column * side + 4, top + 3), f"{result.cost.nfe} evaluations, {nearness}", fill="black")
        sheet.paste(result.image, (column * side, top + MARGIN))
sheet.save(asked.out)
print(asked.out)
