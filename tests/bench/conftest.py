"""The app over the closed-form flow, served in this process: what the commands measure in a process of its own."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.ui.test_api import launched
from tests.warm import Warm
from trajflow import Session
from trajflow.bench.served import Served
from trajflow.engine.blending import blending
from trajflow.testing import GaussianMixture
from trajflow.ui import Registry


class Slow(GaussianMixture):
    """A flow that takes 20 ms an evaluation."""

    def evaluate(self, *arguments, **options):
        time.sleep(0.02)
        return super().evaluate(*arguments, **options)


@pytest.fixture
def is_warm(monkeypatch):
    """The commands' `trajflow ui` is still a process of its own, and starts in a moment."""

    def begin(command, *, stdout, stderr, env):
        return Warm(command[command.index("trajflow") + 1 :], Path(stdout.name), env)

    stand_in = SimpleNamespace(**vars(subprocess) | {"Popen": begin})
    monkeypatch.setattr("trajflow.bench.served.subprocess", stand_in)


@pytest.fixture
def serve(tmp_path):
    """Serve a model with a registry's limits."""
    apps = []

    def start(model=None, **limits):
        model = model or GaussianMixture()
        registry = Registry(lambda: Session(blending(model)), **limits)
        app = asyncio.run(launched(blending(model), registry))
        apps.append(app)
        log = tmp_path / "log.txt"
        log.write_text("")
        return Served(app.local_url.rstrip("/"), os.getpid(), log)

    yield start
    for app in apps:
        app.close(verbose=False)
