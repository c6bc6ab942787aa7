"""AB2: the two-step Adams-Bashforth method on the flow, with variable steps in sigma, on a shorter grid.

    x_{k+1} = x_k + h_k (v_k + (h_k / (2 h_{k-1})) (v_k - v_{k-1})),   h_k = sigma_{k+1} - sigma_k,

and Euler for the first step. Second order for one evaluation a step. Source: Hairer, Norsett, Wanner, *Solving Ordinary
Differential Equations I*, III.5; the sampler iPNDM2 is this method on even steps (arXiv:2204.13902).
"""

from torch import Tensor

from trajflow.base import SamplingPlan, StepKind, Trajectory, VelocityField


class AdamsBashforth:
    """Every step is computed; the velocity to step with leans on the one before. The state is that velocity."""

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
        if state is None:
            return fresh, "computed", fresh
        sigmas = field.schedule.sigmas.cpu().double()
        lean = float((sigmas[k + 1] - sigmas[k]) / (2 * (sigmas[k] - sigmas[k - 1])))
        newer, older = fresh.float(), state.float()
        return (newer + lean * (newer - older)).to(fresh.dtype), "computed", fresh
