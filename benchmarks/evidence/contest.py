"""Every method at every budget on one held-out edit: fidelity, likeness to the old picture, obedience, cost."""

from collections.abc import Iterator
from typing import Any

import torch
from PIL.Image import Image

from benchmarks.evidence.bench import Edit, Scale
from benchmarks.rivals import Made, fade, flowedit, from_picture, from_scratch, subset
from trajflow.base import Cost
from trajflow.methods import METHODS

Row = dict[str, Any]
NOT_COMPARED = ("auto", "baseline")
SEARCHED = " (searched)"
LINEAR_SPAN = 5


def measure(edit: Edit, scale: Scale) -> Iterator[Row]:
    """One row per method and budget, then one for the planner's own choice and one for the from-scratch picture."""
    for budget in scale.budgets:
        for method, picture, cost in _pictures(edit, budget):
            yield _row(edit, method, budget, picture, cost)
    result, _ = edit.make("auto", None)
    yield _row(edit, "auto", None, result.image, result.cost)
    yield _row(edit, "baseline", None, edit.target.result.image, edit.target.result.cost)


def _pictures(edit: Edit, budget: int) -> Iterator[tuple[str, Image, Cost]]:
    for name in METHODS:
        if name not in NOT_COMPARED:
            result, _ = edit.make(name, budget)
            yield name, result.image, result.cost
    for name, made in _rivals(edit, budget):
        yield name, edit.bench.model.decode(made.latents), made.cost


def _rivals(edit: Edit, budget: int) -> Iterator[tuple[str, Made]]:
    bench, model, seed = edit.bench, edit.bench.model, edit.pair.seed
    schedule, noise = bench.schedule(), bench.noise(seed)
    for solver, by_count in bench.steps.items():
        grid = subset(schedule, by_count[budget])
        yield f"{solver}{SEARCHED}", from_scratch(model, edit.new, noise, solver, grid)
    # The stock pipeline draws the picture's latents and then its noise from one generator.
    generator = torch.Generator("cpu").manual_seed(seed)
    encoded = bench.encode_picture(edit.sources[0].result.image, generator)
    drawn = torch.randn(noise.shape, generator=generator).to(noise)
    yield "img2img", from_picture(model, edit.new, encoded, drawn, schedule, budget)
    yield "rebuilt x_k", from_picture(model, edit.new, edit.old_latents, noise, schedule, budget)
    yield "flowedit", flowedit(model, edit.old, edit.new, edit.old_latents, seed, bench.schedule, budget)
    yield "linear blend", fade(model, edit.new, edit.source_run, "linear", LINEAR_SPAN, budget)


def _row(edit: Edit, method: str, budget: int | None, picture: Image, cost: Cost) -> Row:
    metrics, obeyed = edit.to_new(picture), edit.bench.judge.obeyed(picture, edit.pair.target)
    edited = obeyed.get(edit.pair.kind)
    return {
        "pair": edit.number,
        "kind": edit.pair.kind,
        "method": method,
        "budget": "" if budget is None else budget,
        "nfe": cost.nfe,
        "rows": cost.rows,
        "psnr_db": round(metrics.psnr_db, 2),
        "ssim": round(metrics.ssim, 4),
        "psnr_old_db": round(edit.to_old(picture).psnr_db, 2),
        "obeyed": sum(obeyed.values()),
        "edit_obeyed": "" if edited is None else int(edited),
    }
