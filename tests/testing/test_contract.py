"""The contract of models: the mixture keeps it, and whoever breaks a part of it is told so."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from trajflow.base import Schedule
from trajflow.testing import GaussianMixture, check_model


def test_the_mixture_keeps_the_contract(mixture) -> None:
    check_model(mixture)


class Nameless(GaussianMixture):
    family = property()


class Levelless(GaussianMixture):
    levels = ("stack",)


class Renamed(GaussianMixture):
    def identity(self):
        return {"calls": self.calls, "shape": (1, 2)}


class Displaced(GaussianMixture):
    def is_displaced_by_decoding(self):
        return False


class Unfinished(GaussianMixture):
    def schedule(self, steps, shape):
        grid = super().schedule(steps, shape)
        return Schedule(grid.sigmas + 0.01, grid.timesteps)


class Seedless(GaussianMixture):
    def noise(self, seed, shape):
        return super().noise(0, shape)


class Global(GaussianMixture):
    def noise(self, seed, shape):
        torch.manual_seed(seed)
        return torch.randn(shape)


class Restless(GaussianMixture):
    def evaluate(self, x, point, conditioning, keep=None):
        evaluation = super().evaluate(x, point, conditioning, keep)
        return replace(evaluation, velocity=evaluation.velocity + 1e-5 * self.calls)


class Deaf(GaussianMixture):
    def velocity(self, x, sigma, prompt):
        return super().velocity(x, sigma, "")


class Writing(GaussianMixture):
    def evaluate(self, x, point, conditioning, keep=None):
        evaluation = super().evaluate(x, point, conditioning, keep)
        x += 1
        return evaluation


class Keeping(GaussianMixture):
    def evaluate(self, x, point, conditioning, keep=None):
        evaluation = super().evaluate(x, point, conditioning, keep)
        return evaluation if keep is None else replace(evaluation, velocity=evaluation.velocity + 1e-5)


class Forgetful(GaussianMixture):
    def reuse(self, x, point, conditioning, residual):
        return x


class Crowding(GaussianMixture):
    """It takes several prompts and answers the first."""

    most_prompts = 2

    def join(self, each):
        return each[0]


class Small(GaussianMixture):
    def decode(self, x):
        return Image.new("RGB", (4, 4))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Nameless, "lacks a member"),
        (Levelless, "velocity can always be kept"),
        (Displaced, "not True or False"),
        (Renamed, "plain JSON"),
        (Unfinished, "last sigma"),
        (Seedless, "two seeds"),
        (Global, "own generator"),
        (Restless, "another velocity"),
        (Deaf, "not heard"),
        (Writing, "writes to x"),
        (Keeping, "changes the velocity"),
        (Forgetful, "put back"),
        (Crowding, "otherwise than alone"),
        (Small, "picture is RGB"),
    ],
)
def test_a_model_that_breaks_a_promise_is_told_which(broken, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_model(broken())
