"""What a gap lacks, by coefficients learned for the model: transport and multistep solver in one.

Over the gap from node j to the next node e a run follows the mixture of cached velocities M_k plus one D^ for all of
it, for each channel c a sum of terms with learned coefficients,

    D^_c = sum_r a_r,c R_r,c,

    D_j,  v_j,  x_0,  1,  mean of M over the gap - M_j                        from the first node on,
    p / (sigma_e - sigma_j+1),  v_i,  (D_j - D_i) (sigma - sigma_j) / (sigma_j - sigma_i)      from the second,
    D_h,  v_h                                                                  from the third,

with nodes h < i < j, sigma the middle of the gap, D_i = v_i - M_i against the newest mixture, and p what x_j lacks by
the correction of the gap before (`basis.py`). The terms in D and p alone are difference transport, those in v, x_0 and
1 alone a bespoke multistep solver; which of the two a coefficient follows is measured, in order, on runs that the
earlier coefficients have made (`learning/leads.py`). What holds when the new picture is far from its sources does not
when it is near, so a node schedule with coefficients is one for a range of |D_0| / |v_0| (`NodeSchedule.far`).
Nearest in print: L2P (arXiv:2604.26365), which learns a solver's coefficients, without sources. Source: ours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

TERMS = (5, 8, 10)


def terms(
    fresh: Sequence[tuple[int, Tensor]],
    differences: Sequence[Tensor],
    noise: Tensor,
    mixed: Tensor,
    pending: Tensor,
    sigmas: Sequence[float],
    end: int,
) -> Tensor:
    """The R_r at the newest node, [R, *x.shape] float32, R by `TERMS` for the first, the second and every later node.

    `fresh` are (step, velocity) and `differences` the D of up to three nodes, newest last; `mixed` is the mean of M
    over the gap minus M_j; `pending` is p.
    """
    j, velocity = fresh[-1]
    velocities = [each.float() for _, each in fresh]
    made = [differences[-1], velocity.float(), noise.float(), torch.ones_like(mixed), mixed]
    if len(fresh) > 1:
        i = fresh[-2][0]
        share = ((sigmas[j + 1] + sigmas[end]) / 2 - sigmas[j]) / (sigmas[j] - sigmas[i])
        led = share * (differences[-1] - differences[-2])
        made += [pending / (sigmas[end] - sigmas[j + 1]), velocities[-2], led]
    if len(fresh) > 2:
        made += [differences[-3], velocities[-3]]
    return torch.stack(made)


def combine(coefficients: Sequence[Sequence[float]], given: Tensor) -> Tensor:
    """D^ [*x.shape] from `coefficients` [R][C] and terms [R, 1, C, ...]."""
    weights = torch.tensor(coefficients, dtype=torch.float32, device=given.device)
    return (weights.view(*weights.shape[:1], 1, weights.shape[1], *[1] * (given.ndim - 3)) * given).sum(dim=0)
