"""The mixture of cached runs that comes nearest to a fresh velocity: which of them, and with what weights.

All runs of one seed share the noise, so the first evaluation can be compared with every one of theirs for nothing.
Where there are many, orthogonal matching pursuit (Pati, Rezaiifar, Krishnaprasad, 1993) chooses among them, on the
differences to the nearest run: the next run taken is the one whose part outside the span of those taken points most
along what they leave unexplained.

With fresh velocity v and cached velocities V_1..V_S of the same step, the weights are the w, sum w = 1, that minimise

    |v - sum_i w_i V_i|^2 + ridge |w - w_ref|^2

globally (w_ref: all weight on the nearest source), then in a sliding 3 x 3 window of latent pixels (w_ref: the global
weights). Source: ours.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from trajflow.forecast import MOST_MIXED

# Share of |v_0| within which two first velocities are one prompt's.
SAME = 1e-4
GLOBAL_RIDGE = 1e-3
LOCAL_RIDGE = 0.1
WINDOW = 3
SMALLEST = 1e-12  # keeps the ridge a normal number when all sources are equal


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


def fit_weights(fresh: Tensor, cached: Tensor) -> Tensor:
    """Weights that broadcast over `cached` [S, *fresh.shape]: per latent pixel of [1, C, H, W] latents, else global."""
    target, basis = fresh.float(), cached.float()
    weights = fit_global(target, basis)
    if target.ndim == 4 and len(basis) > 1:
        return fit_local(target, basis, weights)
    return weights.view(-1, *[1] * target.ndim)


def fit_global(fresh: Tensor, cached: Tensor) -> Tensor:
    """Weights [S] for `fresh` of any shape from `cached` [S, *fresh.shape]; the nearest source is the reference."""
    distances = (cached - fresh).flatten(1).norm(dim=1)
    nearest = int(distances.argmin())
    others = [i for i in range(len(cached)) if i != nearest]
    weights = torch.zeros(len(cached), dtype=fresh.dtype, device=fresh.device)
    weights[nearest] = 1.0
    if not others or distances[nearest] == 0:
        return weights
    directions = (cached[others] - cached[nearest]).flatten(1)
    gram = directions @ directions.T
    ridge = GLOBAL_RIDGE * gram.diagonal().mean().clamp_min(SMALLEST)
    moment = directions @ (fresh - cached[nearest]).flatten()
    share = torch.linalg.solve(gram + ridge * torch.eye(len(others), dtype=gram.dtype, device=gram.device), moment)
    weights[others] = share
    weights[nearest] = 1.0 - share.sum()
    return weights


def fit_local(fresh: Tensor, cached: Tensor, reference: Tensor) -> Tensor:
    """Weights [S, 1, 1, H, W] per latent pixel, ridged toward the global `reference` [S]; fresh [1, C, H, W]."""
    anchor = int(reference.argmax())
    others = [i for i in range(len(cached)) if i != anchor]
    directions = (cached[others] - cached[anchor])[:, 0]
    residual = (fresh - torch.einsum("s,sbchw->bchw", reference, cached))[0]
    count, height, width = len(others), *fresh.shape[-2:]
    products = torch.einsum("schw,tchw->sthw", directions, directions).reshape(1, count * count, height, width)
    moments = torch.einsum("schw,chw->shw", directions, residual)[None]
    gram = _windowed(products).reshape(count, count, height, width).permute(2, 3, 0, 1)
    moment = _windowed(moments)[0].permute(1, 2, 0)
    scale = gram.diagonal(dim1=-2, dim2=-1).mean().clamp_min(SMALLEST)
    identity = torch.eye(count, dtype=gram.dtype, device=gram.device)
    shift = torch.linalg.solve(gram + LOCAL_RIDGE * scale * identity, moment).permute(2, 0, 1)
    weights = reference.view(-1, 1, 1, 1, 1).repeat(1, 1, 1, height, width)
    weights[others] += shift[:, None, None]
    weights[anchor] -= shift.sum(dim=0)
    return weights


def _windowed(maps: Tensor) -> Tensor:
    return avg_pool2d(maps, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
