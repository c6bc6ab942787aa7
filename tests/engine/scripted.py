"""A model that does what its prompt says, and writes down every evaluation: the process that made it, and its step."""

import os
import time
from pathlib import Path

import torch

from trajflow.testing import GaussianMixture

STEP_SECONDS = 0.05


class Scripted(GaussianMixture):
    """The mixture; words of the prompt make an evaluation slow, or its third one fail."""

    def __init__(self, log):
        super().__init__()
        self._log = Path(log)

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
