"""DPM-Solver++(2M) on the flow, on a shorter grid: second order in the log signal-to-noise ratio.

With z_k = x_k - sigma_k v_k the picture expected from x_k and lambda = log((1 - sigma) / sigma),

    x_{k+1} = (sigma_{k+1} / sigma_k) x_k + (1 - sigma_{k+1} / sigma_k) z^_k,
    z^_k = z_k + (lambda_{k+1} - lambda_k) / (2 (lambda_k - lambda_{k-1})) (z_k - z_{k-1}),

which is an Euler step with the velocity (x_k - z^_k) / sigma_k. The first and the last step have z^_k = z_k, and so has
the second where sigma_0 = 1, since lambda_0 is infinite there. Source: arXiv:2211.01095, with alpha = 1 - sigma.
"""

import math

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField


def log_snr(sigma: float) -> float:
    """lambda = log((1 - sigma) / sigma), infinite at both ends."""
    if sigma >= 1:
        return -math.inf
    return math.log((1 - sigma) / sigma) if sigma > 0 else math.inf


def lean(before: float, here: float, after: float) -> float:
    """The share of (z_k - z_{k-1}) that is added to z_k, from three sigmas; 0 where the method is of first order."""
    if before >= 1 or after <= 0:
        return 0.0
    return (log_snr(after) - log_snr(here)) / (2 * (log_snr(here) - log_snr(before)))


class DPMSolver:
    """Every step is computed. The state is z of the step before."""

    def begin(
        self, sources: tuple[Trajectory, ...], plan: SamplingPlan, field: VelocityField
    ) -> tuple[Tensor | None, int, Tensor]:
        """Start at step 0, from the run's noise; sources are not used."""
        return None, 0, field.noise

    def velocity(
        self, k: int, x: Tensor, state: Tensor | None, field: VelocityField
    ) -> tuple[Tensor, StepKind, Tensor]:
        """(x_{k+1} - x_k) / h_k."""
        fresh = field.evaluate(x, k)
        sigmas = field.schedule.sigmas.cpu().double().tolist()
        clean = x.float() - sigmas[k] * fresh.float()
        if state is None:
            return fresh, "computed", clean
        share = lean(*sigmas[k - 1 : k + 2])
        return (fresh.float() - share / sigmas[k] * (clean - state)).to(fresh.dtype), "computed", clean
