"""Pictures as PNG, with the settings that made them inside: a text chunk named `trajflow` that holds JSON."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from trajflow.base import Result
from trajflow.errors import RequestError

CHUNK = "trajflow"


def settings_of(result: Result, model: str) -> dict[str, Any]:
    """Everything needed to make the picture of `result` again, and what it cost."""
    request, plan = result.request, result.plan
    return {
        "model": model,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
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
    """PNG bytes of `image`, with `settings` in the text chunk where given."""
    info = PngInfo()
    if settings is not None:
        info.add_text(CHUNK, json.dumps(settings, sort_keys=True))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def read_settings(source: str | Path | bytes) -> dict[str, Any]:
    """The settings inside a PNG that `encode` wrote. Raises RequestError for any other file."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            text = image.info.get(CHUNK)
    except UnidentifiedImageError as error:
        raise RequestError("This file is not a picture; give a PNG that trajflow saved.") from error
    if text is None:
        raise RequestError("This picture carries no trajflow settings; give a PNG that trajflow saved.")
    return json.loads(text)


def data_uri(image: Image.Image, settings: Mapping[str, Any] | None = None) -> str:
    """`image` as a data URI, so that pictures need no file on the server."""
    return "data:image/png;base64," + base64.b64encode(encode(image, settings)).decode("ascii")


def thumbnail(image: Image.Image, side: int = 128) -> str:
    """A small copy of `image` as a data URI."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return data_uri(small)
