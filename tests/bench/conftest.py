"""The app over the closed-form flow, served in this process: what the commands measure in a process of its own."""

import asyncio
import os
import time

import pytest

from tests.ui.test_api import launched
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
