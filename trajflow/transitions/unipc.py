"""UniPC of order 2, variant B2(h), on the flow, on a shorter grid.

The predictor is the step of `dpm.py`, from a corrected x_k instead of x_k. The corrector costs nothing: it uses z_k,
which the next step needs anyway. With h = lambda_k - lambda_{k-1}, r = (lambda_{k-2} - lambda_{k-1}) / h, B = e^-h - 1,

    x^c_k = (sigma_k / sigma_{k-1}) x^c_{k-1} + (1 - sigma_k) (-B) (z_{k-1} + rho_1 (z_{k-2} - z_{k-1}) / r
                                                                            + rho_2 (z_k - z_{k-1})),
    rho_1 + rho_2 = b_1,   rho_1 r + rho_2 = b_2,
    b_1 = (B / -h - 1) / B,   b_2 = 2 ((B / -h - 1) / -h - 1/2) / B,

and rho_1 = 0, rho_2 = 1/2 for the first correction. Where sigma_0 = 1 the limits r -> -infinity and h -> infinity are
taken. Source: arXiv:2302.04867, with alpha = 1 - sigma.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField
from trajflow.transitions.dpm import lean, log_snr


@dataclass(frozen=True)
class UniPCState:
    """The corrected x of the step before, and z of the last one or two steps, oldest first."""

    corrected: Tensor
    cleans: tuple[Tensor, ...]


def correction(sigmas: list[float]) -> tuple[float, float]:
    """rho_1 / r and rho_2 of the newest sigma, from the last two or three sigmas."""
    if len(sigmas) == 2:
        return 0.0, 0.5
    oldest, before, here = (log_snr(sigma) for sigma in sigmas)
    h = here - before
    shrink = math.expm1(-h)
    remainder = shrink / -h - 1
    b_1, b_2 = remainder / shrink, 2 * (remainder / -h - 0.5) / shrink
    if oldest == -math.inf:
        return 0.0, b_1
    r = (oldest - before) / h
    rho = (b_2 - b_1) / (r - 1)
    return rho / r, b_1 - rho


class UniPC:
    """Every step is computed once; the state carries the corrected path."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[UniPCState | None, int, Tensor]:
        """Start at step 0, from the run's noise; sources are not used."""
        return None, 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: UniPCState | None, field: VelocityField
    ) -> tuple[Tensor, StepKind, UniPCState]:
        """(x_{k+1} - x_k) / h_k for the uncorrected x_k, which is where the network is asked."""
        fresh = field.evaluate(x, k)
        sigmas = field.schedule.sigmas.cpu().double().tolist()
        clean = x.float() - sigmas[k] * fresh.float()
        if state is None:
            return fresh, "computed", UniPCState(x.float(), (clean,))
        corrected = _correct(state, clean, sigmas[max(0, k - 2) : k + 1])
        expected = clean + lean(*sigmas[k - 1 : k + 2]) * (clean - state.cleans[-1])
        keep = sigmas[k + 1] / sigmas[k]
        following = keep * corrected + (1 - keep) * expected
        velocity = ((following - x.float()) / (sigmas[k + 1] - sigmas[k])).to(fresh.dtype)
        return velocity, "computed", UniPCState(corrected, (*state.cleans, clean)[-2:])


def _correct(state: UniPCState, clean: Tensor, sigmas: list[float]) -> Tensor:
    """x^c at the newest of `sigmas`."""
    before, here = sigmas[-2:]
    older, newer = correction(sigmas)
    keep = here / before
    base = state.cleans[-1]
    expected = base + newer * (clean - base)
    if older:
        expected = expected + older * (state.cleans[-2] - base)
    return keep * state.corrected + (1 - keep) * expected
