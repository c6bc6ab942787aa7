"""Learn what to expect of a model, then see a forecast: what `trajflow calibrate` does, at its smallest.

The pairs of the real thing are in `assets/pairs`; these few only show the way. Needs pip install "trajflow[calibrate]".
"""

import argparse
from itertools import product
from pathlib import Path

import trajflow
from trajflow.calibration import write_profile
from trajflow.learning.calibrate import calibrate
from trajflow.learning.pairs import Pair

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--out", type=Path, default=Path("profile.json"))
asked = parser.parse_args()

model = trajflow.load("tiny")
# Where to evaluate is learned on some pairs, what to expect on others, which share no prompt with them.
placing = [Pair("time", "a mountain landscape", "a mountain landscape at dusk", seed=3)]
places, moods = ("beach", "lake", "forest", "valley"), ("in snow", "in rain", "with a cabin")
forecasting = [
    Pair("time", "a harbour", f"a {place} {mood}", 4, ("a village in the fog",))
    for place, mood in product(places, moods)
]
profile = calibrate(model, placing, forecasting, [2, 3], steps=asked.steps)
write_profile(asked.out, profile)

session = trajflow.Session(model, profile=profile)
session.generate("a desert", seed=9, steps=asked.steps)
result = session.generate("a desert at night", seed=9, steps=asked.steps, budget=3, strategy="difference", compare=True)
expected = result.forecast
print(f"{expected.low_db:.0f} to {expected.high_db:.0f} dB expected, {result.metrics.psnr_db:.1f} dB measured")
