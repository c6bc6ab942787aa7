"""Weights of several cached velocities that come nearest to a fresh one.

With fresh velocity v and cached velocities V_1..V_S of the same step, find w, sum w = 1, that minimise

    |v - sum_i w_i V_i|^2 + ridge |w - w_ref|^2

globally (w_ref: all weight on the nearest source), then in a sliding 3 x 3 window of latent pixels (w_ref: the global
weights). Source: ours.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

GLOBAL_RIDGE = 1e-3
LOCAL_RIDGE = 0.1
WINDOW = 3
SMALLEST = 1e-12  # keeps the ridge a normal number when all sources are equal


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
