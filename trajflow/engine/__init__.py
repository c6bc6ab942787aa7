"""Where a session's runs are made: in this process, in the worker that ZeroGPU lends a GPU to, or at replicas."""

import importlib
import os
from collections.abc import Callable
from typing import Any

from trajflow.base import Model
from trajflow.engine.engine import Engine, InProcess
from trajflow.engine.zerogpu import ZeroGPUModel
from trajflow.errors import ModelError

__all__ = ["Engine", "InProcess", "ZeroGPUModel", "placed"]


def placed(load: Callable[[], Model]) -> Model:
    """The model that `load` loads, as a session may use it in this process.

    On ZeroGPU the package `spaces` makes loading put weights aside for its workers, so it is imported first. Raises
    ModelError on ZeroGPU without that package.
    """
    lend = _lender()
    return load() if lend is None else ZeroGPUModel(load(), lend)


def _lender() -> Callable[..., Any] | None:
    """`spaces.GPU` on ZeroGPU, None elsewhere, where that decorator does nothing."""
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):
        return None
    try:
        lend = getattr(importlib.import_module("spaces"), "GPU", None)
    except ImportError:
        lend = None
    if lend is None:
        # A folder named `spaces` beside the app is imported, too, and holds no GPU.
        raise ModelError("This is a ZeroGPU Space without the package `spaces`: add it to requirements.txt.")
    return lend
