"""What a late switch costs: by tier, by the curve of its blend, and by the step at which it happens."""

from collections.abc import Iterator
from typing import Any

from PIL.Image import Image
from torch import Tensor

from benchmarks.evidence.bench import Edit, Scale
from benchmarks.rivals import fade
from trajflow.cache.tiers import PUBLISHED, resume_step

Row = dict[str, Any]
FADES = (("linear", 0), ("linear", 5), ("cosine", 5), ("logistic", 3), ("logistic", 5), ("logistic", 8))
METHODS = ("resume", "difference", "basis")


def measure_tiers(edit: Edit) -> Iterator[Row]:
    """Resume at the published tiers, and transport from one and from all sources with the same evaluations."""
    steps = edit.bench.model.defaults.steps
    for tier in PUBLISHED:
        budget = steps - resume_step(tier.resume_fraction, steps)
        for method in METHODS:
            result, _ = edit.make(method, budget)
            row = {"pair": edit.number, "share": tier.resume_fraction, "method": method, "nfe": result.cost.nfe}
            yield {**row, **_distances(edit, result.image)}


def measure_fades(edit: Edit, scale: Scale) -> Iterator[Row]:
    """The same switch softened by each curve; span 0 is the hard switch. Nothing where there is nothing to leave."""
    if not edit.pair.is_of_prompts:
        return
    for budget in scale.fade_budgets:
        for curve, span in FADES:
            made = fade(edit.bench.model, edit.new, edit.source_run, curve, span, budget)
            distances = _distances(edit, edit.bench.model.decode(made.latents))
            yield {"pair": edit.number, "curve": curve, "span": span, "nfe": made.cost.nfe, **distances}


def measure_inertia(edit: Edit, scale: Scale) -> Iterator[Row]:
    """Resume at each switch step, and both ways of transport with the evaluations that are left there; as above."""
    if not edit.pair.is_of_prompts:
        return
    steps = edit.bench.model.defaults.steps
    apart = _rmse(edit.old_latents, edit.new_latents)
    for switch in scale.switches:
        for method in METHODS:
            result, latents = edit.make(method, steps - switch)
            assert latents is not None
            yield {
                "pair": edit.number,
                "switch": switch,
                "method": method,
                "nfe": result.cost.nfe,
                **_distances(edit, result.image),
                "rmse_new": round(_rmse(latents, edit.new_latents), 5),
                "rmse_old": round(_rmse(latents, edit.old_latents), 5),
                "rmse_apart": round(apart, 5),
            }


def _distances(edit: Edit, picture: Image) -> Row:
    new, old = edit.to_new(picture), edit.to_old(picture)
    return {
        "psnr_db": round(new.psnr_db, 2),
        "ssim": round(new.ssim, 4),
        "psnr_old_db": round(old.psnr_db, 2),
        "ssim_old": round(old.ssim, 4),
    }


def _rmse(a: Tensor, b: Tensor) -> float:
    return float((a - b).float().square().mean().sqrt())
