"""A process as on ZeroGPU: the stand-in for the package `spaces` on the path, and a model that only forks may use."""

import os
import sys
from pathlib import Path

import pytest
import torch

import trajflow
from trajflow.engine import placed

ROOT = Path(trajflow.__file__).parents[1]
STAND_IN = Path(__file__).parent / "stand_in"


class WeightsElsewhere:
    """A model as the process that holds the sessions has it on ZeroGPU: computing with it here fails."""

    def __init__(self, model):
        self._model, self._here = model, os.getpid()

    def __getattr__(self, name):
        if name in ("encode", "evaluate", "reuse", "decode"):
            assert os.getpid() != self._here, f"{name} was called where there is no GPU"
        return getattr(self._model, name)


class Space:
    """What the stand-in was asked for, in the order of the calls."""

    def __init__(self, log):
        self._log = log

    @property
    def durations(self):
        return [int(line) for line in self._log.read_text().split()] if self._log.exists() else []

    def place(self, model):
        """The model as a session has it on ZeroGPU."""
        return placed(lambda: WeightsElsewhere(model))


@pytest.fixture
def one_thread():
    """A fork of a process whose OpenMP threads have worked would wait for them for ever."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["a fork for each call", "an idle fork is used again"])
def space(request, monkeypatch, tmp_path, one_thread):
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setenv("SPACES_STAND_IN_LOG", str(tmp_path / "durations"))
    monkeypatch.setenv("SPACES_STAND_IN_FRESH", str(int(request.param.startswith("a fork"))))
    yield Space(tmp_path / "durations")
    sys.modules.pop("spaces", None)
