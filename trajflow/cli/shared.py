"""What several commands have in common: options, the reading of their words, the model, and where they run."""

import math
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trajflow.errors import RequestError

if TYPE_CHECKING:
    from trajflow.base import Model
    from trajflow.cache import Tiers

ModelName = Annotated[str, typer.Option("--model", help='"tiny" (bundled), a diffusers folder, or a hub id.')]
Steps = Annotated[int | None, typer.Option(help="Steps of the from-scratch run. Default: the model's own.")]


def load_model(name: str) -> "Model":
    """The model, loaded without the bars and notices that the libraries print meanwhile."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    from diffusers.utils import logging as diffusers_logging

    from trajflow.models.registry import load

    diffusers_logging.disable_progress_bar()
    return load(name)


def read_budgets(text: str) -> list[int | None]:
    """Numbers, or the word auto (None), with commas between. Raises RequestError for anything else."""
    words = [word.strip() for word in text.split(",")]
    if not all(word == "auto" or word.isdecimal() for word in words):
        raise RequestError(f"The budgets are {text!r}. Give whole numbers or the word auto, with commas between.")
    return [None if word == "auto" else int(word) for word in words]


def read_tiers(text: str) -> "Tiers":
    """The name of a table, or thresholds such as 0.9:0.6,0.7:0.3. Raises RequestError for what is neither."""
    if ":" not in text:
        return text
    thresholds: dict[float, float] = {}
    try:
        for pair in text.split(","):
            least, fraction = pair.split(":")
            thresholds[float(least)] = float(fraction)
    except ValueError as error:
        raise RequestError(
            f"The tiers are {text!r}. Name a table, or give similarity:fraction, with commas between."
        ) from error
    return thresholds


def read_numbers(text: str) -> list[int]:
    """As `read_budgets`, where the planner cannot be left to choose: RequestError for the word auto too."""
    budgets = read_budgets(text)
    numbers = [budget for budget in budgets if budget is not None]
    if len(numbers) < len(budgets):
        raise RequestError(f"The budgets are {text!r}. Give whole numbers with commas between.")
    return numbers


def make_folder(folder: Path) -> None:
    """The folder, with those above it. Raises RequestError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"The folder {folder} cannot be made: {error.strerror}. Choose another.") from error


def bytes_of(gib: float) -> int:
    """GiB as bytes; as many as there are for what is not finite."""
    return round(gib * 2**30) if math.isfinite(gib) else sys.maxsize


def machine() -> dict[str, Any]:
    """What runs here: device, threads, versions."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})"
    return {
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
