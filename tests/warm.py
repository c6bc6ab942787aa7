"""Processes of trajflow's command that start in a moment: forked from one that has imported what takes longest."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = ["gradio", "sentence_transformers", "diffusers.pipelines.stable_diffusion_3", "trajflow.ui", "trajflow.cli"]

NOTHING: Mapping[str, str] = MappingProxyType({})

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(IMPORTED)


class Warm:
    """`trajflow ARGUMENTS` in the checkout, with these environment variables more; what it says goes to `log`.

    Each evaluation of a network lasts `pause` seconds longer, which costs no computation. It is asked, told and waited
    for as a `subprocess.Popen`.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, variables: Mapping[str, str] = NOTHING, pause: float = 0.0
    ) -> None:
        told = (list(arguments), str(log), dict(os.environ | variables), pause)
        self._process = _context.Process(target=_run, args=told, daemon=False)
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("trajflow", timeout)
        return self._process.exitcode


def _run(arguments: list[str], log: str, environment: dict[str, str], pause: float) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    _slow_down(pause)
    sys.argv = ["trajflow", *arguments]
    runpy.run_module("trajflow", run_name="__main__", alter_sys=True)


def _slow_down(pause: float) -> None:
    from diffusers import SD3Transformer2DModel

    evaluate = SD3Transformer2DModel.forward

    @wraps(evaluate)
    def slower(*arguments: object, **options: object) -> object:
        time.sleep(pause)
        return evaluate(*arguments, **options)

    SD3Transformer2DModel.forward = slower
