"""Alignment of a grid to a mask: the logits of `policies/aligned.py` that bring the final latents nearest to the full
run's.

AdamW on the loss of `learning/masks.py`, with forward differences for the gradient: there are only K + 1 logits, any
model will do, and no activations are kept (arXiv:2606.13496 differentiates through the network instead).
"""

from collections.abc import Callable

import torch

from trajflow.base import Model, SamplingPlan
from trajflow.learning.known import Known
from trajflow.policies.aligned import Aligned, logits_of
from trajflow.sampler import collect, sample
from trajflow.transitions.reuse import Reuse

ROUNDS = 16
RATE = 0.02
NUDGE = 0.02


def align_mask(
    model: Model,
    known: Known,
    mask: tuple[int, ...],
    *,
    rounds: int = ROUNDS,
    on_round: Callable[[], object] = lambda: None,
) -> Aligned:
    """The best grid met for that mask; the model's own grid where none is better. (K + 2) runs a round."""

    def loss(logits: torch.Tensor) -> float:
        policy = Aligned(mask, tuple(logits.tolist()), model.levels[0])
        try:
            grid = policy.grid(known.schedule)
        except ValueError:
            return float("inf")
        plan = SamplingPlan.reusing("aligned", grid, policy, mask)
        steps, _ = collect(sample(Reuse(), (), plan, known.field(model, grid), ""))
        return known.log_error(steps[-1].latents)

    logits = logits_of(known.schedule.sigmas, mask).requires_grad_(True)
    optimizer = torch.optim.AdamW([logits], lr=RATE, weight_decay=0.0)
    best, least = logits.detach().clone(), loss(logits.detach())
    here = least
    for _ in range(rounds):
        nudged = [logits.detach() + NUDGE * unit for unit in torch.eye(len(logits)).double()]
        gradient = torch.tensor([(loss(each) - here) / NUDGE for each in nudged], dtype=torch.float64)
        logits.grad = gradient.nan_to_num(posinf=0.0, neginf=0.0)
        optimizer.step()
        here = loss(logits.detach())
        if here < least:
            best, least = logits.detach().clone(), here
        on_round()
    return Aligned(mask, tuple(round(each, 6) for each in best.tolist()), model.levels[0])
