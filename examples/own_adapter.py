"""An adapter of your own: whatever predicts a velocity can be a `trajflow.Model`. This one is no network.

The data of a prompt are pictures of one colour with a little noise, x_0 ~ N(m, S^2 I), whose velocity is known exactly:
with x = (1 - sigma) x_0 + sigma e,

    E[x_0 | x] = m + S^2 (1 - sigma) / ((1 - sigma)^2 S^2 + sigma^2) (x - (1 - sigma) m)
    v = E[e | x] - E[x_0 | x],   E[e | x] = (x - (1 - sigma) E[x_0 | x]) / sigma

`Session` takes it as it is. An adapter for a pipeline class of diffusers is the same with a network inside; a package
that brings one names it in the entry point group `trajflow.adapters`, and `trajflow.load` finds it.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import trajflow
from trajflow.base import Conditioning, Defaults, Evaluation, Level, Point, Residual, Schedule

COLOURS = {"red": (0.8, -0.6, -0.6), "green": (-0.6, 0.6, -0.6), "blue": (-0.6, -0.4, 0.8), "pale": (0.3, 0.3, 0.3)}
SPREAD = 0.3


class Colours:
    """A prompt's colour is the mean of those it names; grey where it names none."""

    name = "colours"
    family = "closed form"
    takes: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ("velocity",)
    most_prompts = 1
    device = torch.device("cpu")
    defaults = Defaults(steps=20, guidance=1.0, height=64, width=64, size_multiple=8, largest_side=512)

    def identity(self) -> Mapping[str, Any]:
        """Everything that decides a velocity: runs are shared between models of equal identity only."""
        return {"model": self.name, "spread": SPREAD, "colours": {name: list(each) for name, each in COLOURS.items()}}

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Pixels are the latents, [1, 3, H, W]."""
        return (1, 3, height, width)

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """The mean colour [1, 3, 1, 1] stands for the text."""
        named = [COLOURS[word] for word in prompt.lower().split() if word in COLOURS] or [(0.0, 0.0, 0.0)]
        mean = torch.tensor(named).mean(0).reshape(1, 3, 1, 1)
        return Conditioning(prompt, negative_prompt, guidance, {"mean": mean})

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """One prompt at a time."""
        [only] = each
        return only

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The initial x, the same for a seed on every machine."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """An even grid."""
        sigmas = torch.linspace(1, 0, steps + 1)
        return Schedule(sigmas, sigmas[:-1] * 1000)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """The velocity; it is also what later steps may reuse."""
        m, sigma = conditioning.tensors["mean"], point.sigma
        share = SPREAD**2 * (1 - sigma) / ((1 - sigma) ** 2 * SPREAD**2 + sigma**2)
        data = m + share * (x - (1 - sigma) * m)
        velocity = (x - (1 - sigma) * data) / sigma - data
        return Evaluation(velocity, {"text": velocity}, 1, {} if keep is None else {"velocity": velocity})

    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """The velocity that was kept."""
        return residual["velocity"]

    def decode(self, x: Tensor) -> Image.Image:
        """From [-1, 1] to pixels."""
        pixels = ((x[0].permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).round().byte()
        return Image.fromarray(pixels.numpy())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    session = trajflow.Session(Colours())
    session.generate("red", seed=5, steps=asked.steps)
    for prompt in ("pale red", "red and blue"):
        result = session.generate(prompt, seed=5, steps=asked.steps, strategy="difference", budget=4, compare=True)
        print(f"{prompt}: {result.cost.nfe} of {asked.steps} evaluations, {result.metrics.psnr_db:.1f} dB")
