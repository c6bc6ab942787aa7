"""Pictures as PNG with what made them inside: the text that A1111 reads, and JSON in a chunk named `trajflow`."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from trajflow.base import Model, Result
from trajflow.errors import RequestError
from trajflow.ui import parameters

CHUNK = "trajflow"
PARAMETERS = "parameters"
MOST_PIXELS = 64_000_000
LONGEST_TEXT = 100_000


def settings_of(result: Result, model: Model) -> dict[str, Any]:
    """Everything needed to make the picture of `result` again, and what it cost."""
    request, plan = result.request, result.plan
    return {
        "model": model.name,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": request.steps or model.defaults.steps,
        "guidance": model.defaults.guidance if request.guidance is None else request.guidance,
        "height": request.height or result.image.height,
        "width": request.width or result.image.width,
        "strategy": request.strategy,
        "budget": request.budget,
        "fidelity": request.fidelity,
        "planned": plan.strategy,
        "reason": plan.reason,
        "source_prompt": plan.match.prompt if plan.match else None,
        "source_is_exact": plan.match.is_true if plan.match else None,
        "similarity": round(plan.match.similarity, 4) if plan.match else None,
        "nfe": result.cost.nfe,
        "rows": result.cost.rows,
        "psnr_db": round(result.metrics.psnr_db, 2) if result.metrics else None,
        "ssim": round(result.metrics.ssim, 4) if result.metrics else None,
        "kinds": list(result.kinds),
    }


def encode(image: Image.Image, settings: Mapping[str, Any] | None = None) -> bytes:
    """PNG bytes of `image`, with `settings` in both text chunks where given."""
    info = PngInfo()
    if settings is not None:
        info.add_itxt(PARAMETERS, parameters.write(settings))
        info.add_itxt(CHUNK, json.dumps(settings, sort_keys=True))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def read_settings(source: str | Path | bytes) -> dict[str, Any]:
    """The settings inside a PNG that trajflow or A1111 wrote. Raises RequestError for any other file."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise RequestError("This picture is too large to be one of trajflow's.")
            # Text after the pixels, as A1111 never writes and others do, is read with them.
            image.load()
            texts = {name: text for name, text in image.info.items() if isinstance(text, str)}
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise RequestError("This file is not a PNG picture; give one that trajflow or A1111 saved.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError("This picture is damaged; its settings cannot be read.") from error
    if CHUNK in texts and len(texts[CHUNK]) <= LONGEST_TEXT:
        return read_json(texts[CHUNK])
    if PARAMETERS in texts and len(texts[PARAMETERS]) <= LONGEST_TEXT:
        return parameters.read(texts[PARAMETERS])
    raise RequestError("This picture carries no settings; give a PNG that trajflow or A1111 saved.")


def read_json(text: str) -> dict[str, Any]:
    """Settings from our own JSON. Raises RequestError."""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("The settings are not valid JSON.") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("prompt"), str):
        raise RequestError("The settings name no prompt.")
    return settings


def data_uri(image: Image.Image, settings: Mapping[str, Any] | None = None) -> str:
    """`image` as a PNG data URI, so that pictures need no file on the server."""
    return "data:image/png;base64," + base64.b64encode(encode(image, settings)).decode("ascii")


def jpeg_uri(image: Image.Image, quality: int) -> str:
    """`image` as a small data URI, for what is looked at and not kept."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def thumbnail(image: Image.Image, side: int) -> Image.Image:
    """A copy of `image` that fits a square of `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small
