"""Pictures as the page is told of them: plain JSON, right for each picture."""

from collections.abc import Mapping
from typing import Any

import torch
from PIL.Image import Image

from trajflow.base import Defaults, Model, Result, Trajectory
from trajflow.cache import Entry
from trajflow.session import Session
from trajflow.transitions.basis import fit_global
from trajflow.ui import png
from trajflow.ui.tree import Node

THUMBNAIL = 112
PREVIEW_QUALITY = 88


def shown_image(result: Result) -> Image:
    """The best picture of a result: the from-scratch one where it is known."""
    return result.image if result.baseline is None else result.baseline


def is_exact(entry: Entry) -> bool:
    """Whether the picture shown for an entry is the from-scratch one."""
    return entry.is_true or entry.result.baseline is not None


def node(entry: Entry, known: Node, defaults: Defaults) -> dict[str, Any]:
    """Everything the page shows of an entry, but the picture itself."""
    result = entry.result
    request, plan = result.request, result.plan
    forecast = result.forecast or plan.forecast
    steps = request.steps or defaults.steps
    return {
        "key": entry.key,
        "parent": known.parent,
        "name": known.name,
        "favourite": known.is_favourite,
        "pinned": known.is_pinned,
        "draft": known.is_draft,
        "waited": known.waited,
        "created": entry.created,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": steps,
        "guidance": defaults.guidance if request.guidance is None else request.guidance,
        "width": request.width or defaults.width,
        "height": request.height or defaults.height,
        "strategy": request.strategy,
        "budget": request.budget,
        "fidelity": request.fidelity,
        "planned": plan.strategy,
        "method": plan.sampling.method,
        "reason": plan.reason,
        "warnings": list(result.warnings),
        "nfe": result.cost.nfe,
        "rows": result.cost.rows,
        "background": result.baseline_cost.nfe if result.baseline_cost else 0,
        "seconds": {name: round(value, 4) for name, value in result.seconds.items()},
        "kinds": list(result.kinds),
        "angles": {str(k): round(angle, 2) for k, angle in result.angles.items()},
        "state": "exact" if is_exact(entry) else "preview" if known.is_draft else "good",
        "expected": None
        if forecast is None
        else [round(forecast.low_db, 1), round(forecast.median_db, 1), round(forecast.high_db, 1)],
        "measured": None if result.metrics is None else round(result.metrics.psnr_db, 2),
        "ssim": None if result.metrics is None else round(result.metrics.ssim, 4),
        "has_path": entry.trajectory is not None,
        "nbytes": entry.nbytes,
        "sources": list(plan.sources),
        "match": None
        if plan.match is None
        else {
            "key": plan.match.key,
            "prompt": plan.match.prompt,
            "similarity": round(plan.match.similarity, 4),
            "tier": plan.match.tier,
            "exact": plan.match.is_true,
        },
        "thumb": png.jpeg_uri(png.thumbnail(shown_image(result), THUMBNAIL), 80),
    }


def sources(session: Session, entry: Entry) -> list[dict[str, Any]]:
    """The sources of an entry that are still held, each with its share at the first step both computed."""
    held = {other.key: other for other in session.entries()}
    found = [held[key] for key in entry.result.plan.sources if key in held]
    shares = _shares(entry, [source.trajectory for source in found])
    return [
        {
            "key": source.key,
            "prompt": source.prompt,
            "negative_prompt": source.cache_key.negative_prompt,
            "guidance": source.cache_key.guidance,
            "weight": share,
        }
        for source, share in zip(found, shares, strict=True)
    ]


def _shares(entry: Entry, paths: list[Trajectory | None]) -> list[float | None]:
    """Least-squares weights of the sources' velocities in the entry's own, at its first computed step."""
    known = [path for path in paths if path is not None]
    own = entry.trajectory
    if own is None or len(known) != len(paths) or not known:
        return [None] * len(paths)
    k = next((k for k, kind in enumerate(entry.result.kinds) if kind == "computed"), None)
    if k is None or any(path.velocities.shape != own.velocities.shape for path in known):
        return [None] * len(paths)
    target = own.velocities[k].float().cpu()
    weights = fit_global(target, torch.stack([path.velocities[k].float().cpu() for path in known]))
    return [round(float(weight), 3) for weight in weights]


def picture(entry: Entry, which: str, model: Model) -> bytes:
    """PNG bytes of one of an entry's pictures with its own settings inside; `which` is shown, cached or exact."""
    result = entry.result
    is_scratch = which != "cached" and result.baseline is not None
    image = result.baseline if is_scratch and result.baseline is not None else result.image
    return png.encode(image, settings_of(result, model, is_scratch=is_scratch))


def settings_of(result: Result, model: Model, *, is_scratch: bool) -> Mapping[str, Any]:
    """What made a picture: for the from-scratch one, the full run beside the result."""
    settings = png.settings_of(result, model)
    if not is_scratch:
        return settings
    spent = result.baseline_cost
    return settings | {
        "strategy": "baseline",
        "planned": "baseline",
        "budget": None,
        "fidelity": None,
        "reason": "Every step was computed.",
        "source_prompt": None,
        "source_is_exact": None,
        "similarity": None,
        "nfe": settings["steps"],
        "rows": None if spent is None else spent.rows,
        "psnr_db": None,
        "ssim": None,
        "kinds": ["computed"] * settings["steps"],
    }
