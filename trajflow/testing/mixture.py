"""A rectified flow whose velocity is exact: data from a Gaussian mixture, whose means belong to the prompt's words."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trajflow.base import Conditioning, Defaults, Evaluation, Level, Point, Residual, Schedule


class GaussianMixture:
    """A `Model` that needs no network: x = (1 - sigma) z + sigma e with z from a Gaussian mixture, e normal.

    Given the component m, z and e are linear in x, so with r the posterior of m

        v = E[e - z | x] = sum_m r_m ((sigma - (1 - sigma) s^2) (x - (1 - sigma) mu_m) / var - mu_m),
        var = (1 - sigma)^2 s^2 + sigma^2.

    Each word of a prompt moves each component's mean its own way, so related prompts have near mixtures, and prompts
    that share words combine: (snowy mountain) + (mountain dusk) - (mountain) = (snowy mountain dusk), exactly in the
    means, nearly in the paths. Words that move all components alike, those in capitals, only move the path along:
    x^B = x^A + (1 - sigma) shift, and the difference of the velocities is constant.

    components: how many Gaussians. size: the side of x [1, 3, size, size] and of the picture. spread: s. `calls` counts
    evaluations.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> session.generate("snowy mountain", seed=3).cost.nfe
    8
    >>> session.generate("snowy mountain dusk", seed=3, budget=3).cost.nfe
    3
    """

    family = "Gaussian mixture"
    takes: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ("stack", "blocks", "velocity")
    most_prompts = 1

    def __init__(self, components: int = 3, size: int = 8, spread: float = 0.6) -> None:
        self.name = f"mixture of {components}"
        self.defaults = Defaults(steps=8, guidance=1.0, height=size, width=size, size_multiple=4, largest_side=16)
        self.device = torch.device("cpu")
        self.calls = 0
        self._components = components
        self._means: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._spread = spread

    def identity(self) -> Mapping[str, Any]:
        """Name and spread."""
        return {"model": self.name, "spread": self._spread}

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """[1, 3, H, W]: a place is a pixel."""
        return (1, 3, height, width)

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """The words themselves are what counts."""
        return Conditioning(prompt, negative_prompt, guidance, {"size": torch.tensor(self.defaults.height)})

    def join(self, each: Sequence[Conditioning]) -> Conditioning:
        """The only one: means belong to one prompt."""
        [only] = each
        return only

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """Normal, by seed."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """Even steps shifted by 3."""
        even = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
        sigmas = (3 * even / (1 + 2 * even)).float()
        return Schedule(torch.cat([sigmas, torch.zeros(1)]), sigmas * 1000)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """The exact velocity; guided above 1 as Stable Diffusion is."""
        self.calls += 1
        text = self.velocity(x, float(point.sigma), conditioning.prompt)
        branches = {"text": text}
        guided = text
        if conditioning.guidance > 1:
            branches["negative"] = self.velocity(x, float(point.sigma), conditioning.negative_prompt)
            guided = branches["negative"] + conditioning.guidance * (text - branches["negative"])
        return Evaluation(guided, branches, len(branches), {} if keep is None else {keep: guided - x})

    def is_split(self, conditioning: Conditioning) -> bool:
        """Where it guides."""
        return conditioning.guidance > 1

    def evaluate_text(self, x: Tensor, point: Point, conditioning: Conditioning) -> Tensor:
        """The exact velocity of the prompt alone."""
        self.calls += 1
        return self.velocity(x, float(point.sigma), conditioning.prompt)

    def reuse(self, x: Tensor, point: Point, conditioning: Conditioning, residual: Residual) -> Tensor:
        """All of the velocity but x itself counts as made by blocks."""
        return x + next(iter(residual.values()))

    def decode(self, x: Tensor) -> Image.Image:
        """Channels as colours, 40 grey levels a unit."""
        pixels = (x[0].permute(1, 2, 0).double() * 40 + 128).round().clamp(0, 255)
        return Image.fromarray(pixels.numpy().astype(np.uint8))

    def means(self, prompt: str, shape: tuple[int, ...]) -> Tensor:
        """mu [M, 1, C, H, W] float64."""
        if (prompt, shape) not in self._means:
            self._means[prompt, shape] = torch.stack([self._mean(prompt, m, shape) for m in range(self._components)])
        return self._means[prompt, shape]

    def velocity(self, x: Tensor, sigma: float, prompt: str) -> Tensor:
        """v(x, sigma) of one prompt, in the dtype of x."""
        position, means, s2 = x.double(), self.means(prompt, tuple(x.shape)), self._spread**2
        variance = (1 - sigma) ** 2 * s2 + sigma**2
        offsets = position - (1 - sigma) * means
        posterior = torch.softmax(-offsets.flatten(1).square().sum(dim=1) / (2 * variance), dim=0)
        each = (sigma - (1 - sigma) * s2) * offsets / variance - means
        return (posterior.view(-1, *[1] * x.ndim) * each).sum(dim=0).to(x.dtype)

    def _mean(self, prompt: str, m: int, shape: tuple[int, ...]) -> Tensor:
        names = [word if word.isupper() else f"{word} {m}" for word in prompt.split()]
        return 3.0 * direction(f"component {m}", shape) + sum(0.8 * direction(name, shape) for name in names)


def direction(name: str, shape: tuple[int, ...]) -> Tensor:
    """A unit vector that belongs to a name."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    vector = torch.randn(shape, generator=generator, dtype=torch.float64)
    return vector / vector.norm()
