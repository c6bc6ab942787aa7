"""The student learns its teacher's guided velocity, with the guidance as one more thing it is told (arXiv:2210.03142).

    |v(x, sigma, prompt, g) - (n + g (t - n))|^2,   g anew for every use of a lesson

The targets have no noise in them, so this goes faster than learning from pictures. Block matrices are trained by Muon,
all else by AdamW; compiled and with plain attention, as the other trainings are.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPTextModel

from tools.distilled.architecture import Student, attention
from tools.distilled.lessons import GUIDANCE, Lessons
from tools.world import stage
from tools.world.optimizer import Optimizer, follow
from trajflow.models.packing import pack

EMA = 0.998
_SEED = 4


@dataclass(frozen=True)
class Recipe:
    """Steps in all, lessons a step, and the full learning rates."""

    steps: int = 920
    batch: int = 48
    muon: float = 2e-3
    adamw: float = 1e-3


def is_for_muon(name: str) -> bool:
    """Whether a matrix is one of a block's, modulation and position tables apart."""
    is_table = "norm" in name or "bias" in name
    return not is_table and ("transformer_blocks" in name or name.startswith("reader.encoder.block"))


def train_student(
    student: Student,
    pooling: CLIPTextModel,
    lessons: Lessons,
    recipe: Recipe,
    checkpoint: Path,
    device: torch.device,
    until: float = float("inf"),
    is_last: bool = False,
    compiled: bool = True,
    save_every: float = 240.0,
    on_save: Callable[[Student, int], None] | None = None,
) -> Student:
    """Train as far as `recipe` and the clock allow, going on from `checkpoint`; returns averaged weights."""
    student.to(device).train()
    pooling.to(device)
    average = copy.deepcopy(student).eval().requires_grad_(False)
    optimizer = Optimizer(student, recipe.muon, recipe.adamw, by_muon=is_for_muon)
    if compiled:
        torch._dynamo.reset()
        for block in (*student.transformer.transformer_blocks, *student.transformer.single_transformer_blocks):
            block.compile(dynamic=False)
    pace = stage.Pace(recipe.steps, until, is_last)

    def take_step(step: int) -> dict[str, float]:
        rng, generator = stage.randomness(_SEED, step)
        chosen = torch.from_numpy(rng.integers(len(lessons["x"]), size=recipe.batch))
        x, text, negative = (tokens(lessons[name][chosen].to(device).float()) for name in ("x", "text", "negative"))
        sigma, ids = (lessons[name][chosen].to(device) for name in ("sigma", "ids"))
        low, high = GUIDANCE
        guidance = (low + (high - low) * torch.rand(recipe.batch, generator=generator)).to(device)
        with torch.autocast(device.type, torch.bfloat16), attention(device):
            with torch.no_grad():
                pooled = pooling(ids.long()).pooler_output.float()
            velocity = student(x, ids.long(), pooled, sigma, guidance)
        wanted = negative + guidance.view(-1, 1, 1) * (text - negative)
        loss = (velocity.float() - wanted).square().mean()
        loss.backward()
        norm = optimizer.step(pace.factor(step))
        follow(average, student, step, EMA)
        share = float(loss.detach() / wanted.square().mean())
        return {"loss": loss.item(), "share": share, "norm": norm, "samples": recipe.batch}

    parts = {"student": student, "average": average, "optimizer": optimizer}
    saved = (lambda step: on_save(average, step)) if on_save else None
    stage.run("velocity", take_step, pace, checkpoint, parts, device, save_every, saved)
    return average


def tokens(x: torch.Tensor) -> torch.Tensor:
    """Latents [B, C, H, W] as FLUX packs them, [B, H / 2 * W / 2, 4 C]."""
    return torch.cat([pack(one) for one in x.split(1)])
