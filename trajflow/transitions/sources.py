"""Which of many cached runs to mix: those that together come nearest to the first evaluation.

All runs of one seed share the noise, so the fresh velocity there can be compared with every one of theirs for nothing.
Orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad, 1993) on the differences to the nearest run: the next run
taken is the one whose part outside the span of those taken points most along what they leave unexplained.
"""

import torch
from torch import Tensor

from trajflow.forecast import MOST_MIXED

# Share of |v_0| within which two first velocities are one prompt's.
SAME = 1e-4


def choose_sources(fresh: Tensor, cached: Tensor, most: int = MOST_MIXED) -> tuple[int, ...]:
    """Up to `most` indices into `cached` [S, *fresh.shape], in the order taken; all, in their own order, if so few."""
    if len(cached) <= most:
        return tuple(range(len(cached)))
    target, runs = fresh.float().flatten(), cached.float().flatten(1)
    first = int((runs - target).norm(dim=1).argmin())
    chosen = [first]
    outside, left = runs - runs[first], target - runs[first]
    sizes = outside.norm(dim=1)
    while len(chosen) < most:
        norms = outside.norm(dim=1)
        # What lies in the span already, but for rounding, has no direction of its own.
        is_new = norms > 1e-3 * sizes.clamp_min(1e-12)
        is_new[chosen] = False
        if not is_new.any():
            break
        scores = torch.where(is_new, (outside @ left).abs() / norms.clamp_min(1e-12), torch.zeros_like(norms))
        best = int(scores.argmax())
        direction = outside[best] / norms[best]
        outside = outside - torch.outer(outside @ direction, direction)
        left = left - (left @ direction) * direction
        chosen.append(best)
    return tuple(chosen)


def settle(fresh: Tensor, cached: Tensor) -> Tensor:
    """`fresh`, evaluated with a negative branch taken over, or the nearest of `cached` [S, *fresh.shape] where only the
    last bits differ: it is the same prompt's."""
    distances = (cached.float() - fresh.float()).flatten(1).norm(dim=1)
    nearest = int(distances.argmin())
    return cached[nearest] if distances[nearest] <= SAME * fresh.float().norm() else fresh
