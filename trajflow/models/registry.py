"""Which adapter serves which pipeline, and where models come from: bundled, a folder, a hub id, or a pipeline."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.errors import ModelError

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

BUNDLED = "tiny"
SETTINGS_FILE = "trajflow.json"


def supported() -> dict[str, type]:
    """Adapter by pipeline class name."""
    from trajflow.models.sd3 import SD3Model

    return {"StableDiffusion3Pipeline": SD3Model}


def bundled_folder() -> Path:
    """Where the bundled model lies. Raises ModelError when it is not there."""
    folder = asset(BUNDLED)
    if not (folder / "model_index.json").exists():
        raise ModelError(f"the bundled model is missing: {folder} holds no model_index.json")
    return folder


def wrap(pipeline: "DiffusionPipeline", name: str, settings: dict[str, Any] | None = None) -> Model:
    """The adapter for a pipeline that is already loaded. Raises ModelError for a class that has none."""
    kind = type(pipeline).__name__
    adapters = supported()
    if kind not in adapters:
        raise ModelError(f"{kind} is not supported; supported pipelines: {', '.join(sorted(adapters))}")
    return adapters[kind](pipeline, name, settings or {})


def load(source: "str | Path | DiffusionPipeline" = BUNDLED, *, device: str | None = None) -> Model:
    """Load a model: "tiny" (bundled), a local diffusers folder, a hub id, or a diffusers pipeline.

    Weights go to the GPU in bfloat16 when there is one, else to the CPU in float32; a given pipeline stays as it is.
    Raises ModelError, in one sentence, when the model cannot be loaded or its pipeline class is not supported.
    """
    if not isinstance(source, str | Path):
        return wrap(source, type(source).__name__)
    import diffusers

    where = str(bundled_folder()) if source == BUNDLED else str(source)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device == "cpu" or source == BUNDLED else torch.bfloat16
    try:
        index = diffusers.DiffusionPipeline.load_config(where)
        kind = index.get("_class_name", "an unnamed pipeline")
        if kind not in supported():
            raise ModelError(f"{source} is a {kind}; supported pipelines: {', '.join(sorted(supported()))}")
        absent = {name: None for name, part in index.items() if part in ([None, None], (None, None))}
        pipeline = getattr(diffusers, kind).from_pretrained(where, dtype=dtype, **absent)
    except (OSError, ValueError) as error:
        raise ModelError(f"{source!r} could not be loaded as a diffusers model: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    settings_path = Path(where) / SETTINGS_FILE
    settings = json.loads(settings_path.read_text()) if settings_path.exists() else {}
    return wrap(pipeline.to(device), str(source), settings)
