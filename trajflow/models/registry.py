"""Which adapter serves which pipeline, and where models come from: bundled, a folder, a hub id, or a pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trajflow.assets import WORLD, asset
from trajflow.base import Model
from trajflow.errors import ModelError, PluginError
from trajflow.plugins import load as load_plugin
from trajflow.plugins import named, owner

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

BUNDLED = "tiny"
SETTINGS_FILE = "trajflow.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
GROUP = "trajflow.adapters"
FAMILIES = "Stable Diffusion 3 and 3.5, FLUX.1, FLUX.2, Qwen-Image, Z-Image"


def supported() -> dict[str, type]:
    """trajflow's own adapters by pipeline class name."""
    from trajflow.models.flux import FluxModel
    from trajflow.models.flux2 import Flux2Model
    from trajflow.models.qwen import QwenModel
    from trajflow.models.sd3 import SD3Model
    from trajflow.models.zimage import ZImageModel

    return {
        "StableDiffusion3Pipeline": SD3Model,
        "FluxPipeline": FluxModel,
        "Flux2Pipeline": Flux2Model,
        "Flux2KleinPipeline": Flux2Model,
        "QwenImagePipeline": QwenModel,
        "ZImagePipeline": ZImageModel,
    }


def bundled_folder() -> Path:
    """Where the bundled model lies. Raises ModelError when it is not there."""
    folder = asset(WORLD.folder)
    if not (folder / "model_index.json").exists():
        raise ModelError(f"the bundled model is missing: {folder} holds no model_index.json")
    return folder


def adapter_for(kind: str, settings: Mapping[str, Any]) -> Any:
    """The adapter of a pipeline class: trajflow's own, or what another package brings in the group `GROUP`.

    Raises ModelError for a class that has none, naming what is supported, and for a setting that it does not take, and
    PluginError for an adapter from outside that cannot be imported or says too little of itself.
    """
    adapter: Any = supported().get(kind) or _from_outside(kind)
    strange = sorted(set(settings) - set(adapter.takes))
    if strange:
        known = ", ".join(sorted(adapter.takes))
        raise ModelError(f"{adapter.family} has no setting {strange[0]!r}. It takes: {known}.")
    return adapter


def _from_outside(kind: str) -> Any:
    """The adapter that another package brings for a pipeline class."""
    brought = named(GROUP)
    if kind not in brought:
        adapters = (*supported(), *brought)
        raise ModelError(f"{kind} is not supported. Supported are {FAMILIES}, as {', '.join(adapters)}.")
    adapter = load_plugin(brought[kind])
    missing = [name for name in ("family", "takes") if not hasattr(adapter, name)]
    if missing or not callable(adapter):
        lack = f"has no {missing[0]}" if missing else "cannot be called"
        raise PluginError(f"{owner(brought[kind])} brings {kind} ({GROUP}), which is no adapter: it {lack}.")
    return adapter


def wrap(pipeline: "DiffusionPipeline", name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """The adapter for a pipeline that is already loaded.

    Raises ModelError for a class that has none, and for settings that it does not take, and PluginError for an adapter
    from outside that makes no `Model`.
    """
    adapter = adapter_for(type(pipeline).__name__, settings or {})
    try:
        model = adapter(pipeline, name, settings or {})
    except (TypeError, ValueError) as error:
        raise ModelError(f"A setting of {name} cannot be used: {error}.") from error
    if not isinstance(model, Model):
        raise PluginError(f"{adapter.__name__} makes no trajflow model: see trajflow.testing.check_model.")
    return model


def load(
    source: "str | Path | DiffusionPipeline" = BUNDLED,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
    offload: bool = False,
    compile: bool = False,
    tiling: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """Load a model: "tiny" (bundled), a local diffusers folder, a hub id, or a diffusers pipeline.

    revision: branch, tag or commit of a hub id. device: where it computes; the GPU when there is one. dtype: float32,
    bfloat16 or float16; bfloat16 on a GPU unless said otherwise, float32 for the bundled model and on the CPU.
    offload: keep each part of the pipeline on the CPU until it is needed. compile: compile the transformer at its first
    use. tiling: decode large pictures in tiles. settings: the adapter's own (see its class), laid over those of
    `trajflow.json` in the folder. A given pipeline stays as it is and takes only `settings`.

    Raises ModelError, in one sentence, when the model cannot be loaded or its pipeline class is not supported, and
    PluginError when what another package brings for it does not work.

    >>> import trajflow
    >>> model = trajflow.load("tiny")
    >>> model.family, model.defaults.steps
    ('Stable Diffusion 3', 28)
    """
    if not isinstance(source, str | Path):
        if revision or device or dtype or offload or compile or tiling:
            raise ModelError(
                "A pipeline that is already loaded stays as it is: call pipe.to(), pipe.enable_model_cpu_offload(), "
                "pipe.transformer.compile() or pipe.vae.enable_tiling() yourself."
            )
        return wrap(source, type(source).__name__, settings)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None:
        dtype = torch.float32 if device == "cpu" or source == BUNDLED else torch.bfloat16
    where = str(bundled_folder()) if source == BUNDLED else str(source)
    asked = {**_stored_settings(Path(where)), **(settings or {})}
    pipeline = _read(where, str(source), revision, _dtype(dtype), asked)
    pipeline.set_progress_bar_config(disable=True)
    try:
        if offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{str(source)!r} does not fit on {device}: load it with offload=True.") from error
    except (RuntimeError, AssertionError, ValueError, ImportError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(f"{str(source)!r} cannot be placed on {str(device)!r}: {said}.") from error
    if tiling:
        pipeline.vae.enable_tiling()
    if compile:
        pipeline.transformer.compile()
    return wrap(pipeline, str(source), asked)


def _read(
    where: str, source: str, revision: str | None, dtype: torch.dtype, settings: Mapping[str, Any]
) -> "DiffusionPipeline":
    """The pipeline of a folder or hub id, on the CPU."""
    import diffusers
    from safetensors import SafetensorError

    from trajflow.models.hub import explain, is_hub_id

    is_folder = bool(where) and Path(where).is_dir()
    if not is_folder and not is_hub_id(where):
        raise ModelError(f"{source!r} could not be loaded: it is neither a folder nor a hub id such as owner/model.")
    try:
        index = diffusers.DiffusionPipeline.load_config(where, revision=revision)
        kind = index.get("_class_name", "an unnamed pipeline")
        adapter_for(kind, settings)
        if not hasattr(diffusers, kind):
            raise ModelError(f"diffusers has no {kind}: load the pipeline yourself and give it to trajflow.load.")
        absent = {name: None for name, part in index.items() if part in ([None, None], (None, None))}
        if settings.get("t5") is False:
            absent |= {"text_encoder_3": None, "tokenizer_3": None}
        return getattr(diffusers, kind).from_pretrained(where, revision=revision, dtype=dtype, **absent)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        words = None if is_folder else explain(error, source, revision)
        raise ModelError(
            words or f"{source!r} could not be loaded as a diffusers model: {error}".rstrip(".") + "."
        ) from error


def _stored_settings(folder: Path) -> dict[str, Any]:
    """What the folder's own file of settings says. Raises ModelError when it cannot be read."""
    path = folder / SETTINGS_FILE
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path} must hold one JSON object of settings: {error}.") from error


def _dtype(given: str | torch.dtype) -> torch.dtype:
    """A dtype by name or as it is. Raises ModelError for one that no model is run in."""
    dtype = DTYPES.get(given) if isinstance(given, str) else given
    if dtype is None or dtype not in DTYPES.values():
        raise ModelError(f"The dtype is {given}. Choose one of: {', '.join(DTYPES)}.")
    return dtype
