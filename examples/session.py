"""Prompts one after the other in one session, each made from those before it: python examples/session.py"""

import argparse
from pathlib import Path

import trajflow

PROMPTS = ["a mountain landscape", "a mountain landscape at sunset", "a mountain landscape in the snow"]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("prompts", nargs="*", default=PROMPTS)
parser.add_argument("--seed", type=int, default=7)
parser.add_argument("--steps", type=int, help="of a from-scratch run; default: the model's own")
parser.add_argument("--out", type=Path, default=Path("pictures"))
asked = parser.parse_args()

session = trajflow.Session(trajflow.load("tiny"))
asked.out.mkdir(parents=True, exist_ok=True)
for number, prompt in enumerate(asked.prompts, 1):
    result = session.generate(prompt, seed=asked.seed, steps=asked.steps)
    result.image.save(asked.out / f"{number}.png")
    print(f"{result.cost.nfe:3d} evaluations, {sum(result.seconds.values()):.2f} s: {prompt}")
    print(f"    {result.plan.reason}")
print(f"{session.spent.waited.nfe} evaluations in all")
