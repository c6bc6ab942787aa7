"""Every method at every budget on one held-out edit: fidelity, likeness to the old picture, obedience, cost."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from PIL.Image import Image

from benchmarks.evidence.bench import Bench, Edit, Scale
from benchmarks.rivals import Made, fade, flowedit, from_picture, from_scratch, subset
from trajflow.base import Cost
from trajflow.methods import METHODS

Row = dict[str, Any]
AUTO, ONE_SOURCE = "auto", "auto (1 source)"
SEARCHED = " (searched)"
# What the frontier draws at more budgets than the others are measured at.
LINES = (
    "basis", "difference", "solver", "fewer-steps", AUTO, ONE_SOURCE,
    f"dpm++2m{SEARCHED}", f"unipc{SEARCHED}",
)  # fmt: skip
PICTURE_RIVALS = ("img2img", "rebuilt x_k", "flowedit", "linear blend")
LINEAR_SPAN = 5


def names(steps: Iterable[str]) -> list[str]:
    """Every method that is compared, given the solvers whose steps were searched."""
    own = [AUTO, ONE_SOURCE, *(name for name in METHODS if name not in (AUTO, "baseline"))]
    return [*own, *(f"{solver}{SEARCHED}" for solver in steps), *PICTURE_RIVALS]


def asked(bench: Bench, scale: Scale) -> tuple[tuple[str, int | None], ...]:
    """Every method with its budget, in the order of the rows; None: the planner chooses, or all steps are computed."""
    compared = names(bench.steps)
    pairs = [(name, budget) for budget in scale.budgets for name in compared]
    pairs += [(name, budget) for budget in scale.line_budgets for name in compared if name in LINES]
    known = [
        each for each in pairs if SEARCHED not in each[0] or each[1] in bench.steps[each[0].removesuffix(SEARCHED)]
    ]
    return (*known, (AUTO, None), (ONE_SOURCE, None), ("baseline", None))


def measure(edit: Edit, scale: Scale, only: frozenset[str] = frozenset()) -> Iterator[Row]:
    """A row for each method and budget; with `only`, for these methods."""
    for method, budget in asked(edit.bench, scale):
        if not only or method in only:
            picture, cost = _make(edit, method, budget)
            yield _row(edit, method, budget, picture, cost)


def _make(edit: Edit, method: str, budget: int | None) -> tuple[Image, Cost]:
    if method == "baseline":
        return edit.target.result.image, edit.target.result.cost
    if method in METHODS or method == ONE_SOURCE:
        result, _ = edit.make(AUTO, budget, 1) if method == ONE_SOURCE else edit.make(method, budget)
        return result.image, result.cost
    assert budget is not None
    made = _rival(edit, method, budget)
    return edit.bench.model.decode(made.latents), made.cost


def _rival(edit: Edit, method: str, budget: int) -> Made:
    bench, model, seed = edit.bench, edit.bench.model, edit.pair.seed
    schedule, noise = bench.schedule(), bench.noise(seed)
    if method.endswith(SEARCHED):
        solver = method.removesuffix(SEARCHED)
        return from_scratch(model, edit.new, noise, solver, subset(schedule, bench.steps[solver][budget]))
    if method == "img2img":
        # The stock pipeline draws the picture's latents and then its noise from one generator.
        generator = torch.Generator("cpu").manual_seed(seed)
        encoded = bench.encode_picture(edit.sources[0].result.image, generator)
        drawn = torch.randn(noise.shape, generator=generator).to(noise)
        return from_picture(model, edit.new, encoded, drawn, schedule, budget)
    if method == "rebuilt x_k":
        return from_picture(model, edit.new, edit.old_latents, noise, schedule, budget)
    if method == "flowedit":
        return flowedit(model, edit.old, edit.new, edit.old_latents, seed, bench.schedule, budget)
    return fade(model, edit.new, edit.source_run, "linear", LINEAR_SPAN, budget)


def _row(edit: Edit, method: str, budget: int | None, picture: Image, cost: Cost) -> Row:
    metrics, obeyed = edit.to_new(picture), edit.bench.judge.obeyed(picture, edit.pair.target, edit.pair.negative)
    edited = edit.bench.judge.edit_obeyed(picture, edit.pair)
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
