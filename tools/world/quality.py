"""What a set of pictures is worth, in numbers that know nothing of prompts.

Band energy: how much detail of the finest scales there is, next to renders. Frechet distance (arXiv:1706.08500) in the
judge's features, next to its floor, the distance between two sets of renders of that size. SSIM between seeds.
"""

from itertools import combinations

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from tools.world.autoencoder import laplacian_pyramid
from tools.world.judge import Judge

FINE_BANDS = 2
LEAST_DETAIL = 0.6
MOST_FLOORS = 4.0
LEAST_OBEDIENCE = 0.85


def band_energy(images: Tensor) -> float:
    """Mean square of the two finest Laplacian bands of [B, 3, H, W], added."""
    return float(sum(band.square().mean() for band in laplacian_pyramid(images)[:FINE_BANDS]))


def psnr_db(a: Tensor, b: Tensor) -> Tensor:
    """dB of each picture, [B], of [B, 3, H, W] in [-1, 1]."""
    return -10 * ((a - b) / 2).square().mean(dim=(1, 2, 3)).clamp(min=1e-10).log10()


@torch.no_grad()
def features(judge: Judge, images: Tensor, batch: int = 32) -> Tensor:
    """What the judge sees of each picture, [B, 160]."""
    return torch.cat([judge.embed(part) for part in images.split(batch)]).double()


def frechet(a: Tensor, b: Tensor) -> float:
    """|mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) of the covariances A, B of two sets [N, D]."""
    covariances = [torch.cov(part.T) for part in (a, b)]
    eigenvalues = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp(min=0)
    trace = sum(covariance.trace() for covariance in covariances) - 2 * eigenvalues.sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + trace)


def seed_ssim(pictures: np.ndarray) -> float:
    """Mean SSIM of all pairs of pictures [N, H, W, 3] of one prompt."""
    return float(
        np.mean([structural_similarity(a, b, channel_axis=-1, data_range=255) for a, b in combinations(pictures, 2)])
    )


def explained_share(latents: Tensor) -> float:
    """Share of the variance of latents [P, S, ...] (prompts, seeds) that the prompt explains, free of sampling bias."""
    values = latents.flatten(2).double()
    within = values.var(dim=1).mean()
    between = values.mean(dim=1).var(dim=0).mean() - within / values.shape[1]
    return float(between / (between + within))


def nearest(pictures: Tensor, others: Tensor) -> Tensor:
    """Distance of each picture [B, 3, H, W] to the nearest of `others`, both seen at 24 x 24 pixels; [B]."""
    a, b = (torch.nn.functional.adaptive_avg_pool2d(part, 24).flatten(1) for part in (pictures, others))
    return torch.cdist(a, b).amin(dim=1)


def verdict(detail: float, floors: float, obedience: float) -> list[str]:
    """What is wrong with a set of pictures; nothing, when the judge passes it.

    `detail` is its band energy as a share of renders', `floors` its Frechet distance in sampling floors, `obedience`
    the share of all that is told that is seen.
    """
    found = []
    if not LEAST_DETAIL <= detail <= 1 / LEAST_DETAIL:
        found.append("too smooth" if detail < 1 else "too noisy")
    if floors > MOST_FLOORS:
        found.append("not like renders")
    if obedience < LEAST_OBEDIENCE:
        found.append("disobeys")
    return found
