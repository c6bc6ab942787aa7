"""A model that does what its prompt says, and writes down every evaluation: the process that made it, and its step."""

import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from trajflow.base import Vocabulary
from trajflow.testing import GaussianMixture

STEP_SECONDS = 0.05
KNOWN = Vocabulary({"subject": {"mountain": ("mountain", "high mountain")}}, frozenset({"a"}), frozenset({"lovely"}))
PUSH = 0.01
OF_A_LONG_PROMPT = "The last word was not read."


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
