"""A model that does what its prompt says, and writes down every evaluation: the process that made it, and its step."""

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from trajflow.base import Vocabulary
from trajflow.testing import GaussianMixture

STEP_SECONDS = 0.05
KNOWN = Vocabulary({"subject": {"mountain": ("mountain", "high mountain")}}, frozenset({"a"}), frozenset({"lovely"}))
PUSH = 0.01
# The first step that waits while evaluations are held.
HELD_FROM = 6
OF_A_LONG_PROMPT = "The last word was not read."


def held(log):
    """The file that is there while evaluations are held."""
    return Path(log).with_suffix(".held")


class Scripted(GaussianMixture):
    """The mixture; words of the prompt make an evaluation slow, or its third one fail, or the prompt too long.

    Its text encoder counts letters, and the velocity is pushed by `PUSH` for each.
    """

    def __init__(self, log):
        super().__init__()
        self._log = Path(log)

    def vocabulary(self):
        return KNOWN

    def encode(self, prompt, negative_prompt, guidance):
        said = super().encode(prompt, negative_prompt, guidance)
        warnings = (OF_A_LONG_PROMPT,) if "long" in prompt.split() else ()
        return replace(said, tensors={**said.tensors, "letters": torch.tensor(float(len(prompt)))}, warnings=warnings)

    def evaluate(self, x, point, conditioning, keep=None):
        words = conditioning.prompt.split()
        with self._log.open("a") as log:
            log.write(f"{os.getpid()} {point.k}\n")
        if "slow" in words:
            time.sleep(STEP_SECONDS)
        while point.k >= HELD_FROM and held(self._log).exists():
            time.sleep(STEP_SECONDS)
        if "full" in words and point.k == 2:
            raise torch.OutOfMemoryError("no memory left")
        if "broken" in words and point.k == 2:
            raise RuntimeError("something else")
        evaluation = super().evaluate(x, point, conditioning, keep)
        evaluation.velocity.add_(PUSH * conditioning.tensors["letters"])
        if "nan" in words and point.k == 2:
            evaluation.velocity.fill_(float("nan"))
        return evaluation


class Evaluations:
    """What was written down: (process, step) in the order of the evaluations."""

    def __init__(self, log):
        self.log = Path(log)
        self._seen = 0

    def all(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [tuple(map(int, line.split())) for line in lines]

    def new(self):
        """Those since this was last asked."""
        known, self._seen = self._seen, len(self.all())
        return self.all()[known:]

    @contextmanager
    def held(self):
        """Until `go_on`, and no longer than the block, no evaluation from step `HELD_FROM` on ends."""
        held(self.log).touch()
        try:
            yield
        finally:
            self.go_on()

    def go_on(self):
        held(self.log).unlink(missing_ok=True)
