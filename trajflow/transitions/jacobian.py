"""How the velocity field answers a small displacement: a prior that costs nothing, and secants already paid for.

A rectified flow's velocity is v = (x - E[x_0 | x]) / sigma, so a displacement e that the denoiser ignores changes it
by e / sigma. The model is

    J e = (stiffness / sigma) e + sum_i (sigma_i / sigma) r_i <d_i, e> / <d_i, d_i>

with one Broyden pair (d_i, r_i) for each second evaluation at a step: d is the displacement between the two states, r
what the model so far missed of the change in v (Broyden 1965, doi:10.1090/S0025-5718-1965-0198670-6). A full Jacobian
would take an evaluation per latent number. Secants between *different* prompts are not used: at equal sigma they
point the other way, because the prompts drive the paths apart while the field draws them together.
"""

from dataclasses import dataclass

from torch import Tensor

STIFFNESS = 1.5  # 1 without guidance; chosen on calibration pairs of the bundled model at guidance 3


@dataclass(frozen=True)
class Jacobian:
    """The linear model; `secants` hold (sigma, d, r) in float32."""

    secants: tuple[tuple[float, Tensor, Tensor], ...] = ()

    def respond(self, displacement: Tensor, sigma: float, step: float) -> Tensor:
        """J e at sigma, for a step of size `step` < 0: at most e / |step|, so that no step overshoots the path."""
        answer = min(STIFFNESS / sigma, -1 / step) * displacement
        for at, direction, missed in self.secants:
            answer = answer + at / sigma * _share(direction, displacement) * missed
        most, size = float(displacement.norm()) / -step, float(answer.norm())
        return answer * (most / size) if size > most > 0 else answer

    def learn(self, displacement: Tensor, change: Tensor, sigma: float, step: float) -> "Jacobian":
        """The least change of the model that explains `change` of v over `displacement`; nothing from none."""
        if not displacement.any():
            return self
        missed = change - self.respond(displacement, sigma, step)
        return Jacobian((*self.secants, (sigma, displacement, missed)))


def _share(direction: Tensor, displacement: Tensor) -> float:
    return float((direction * displacement).sum() / direction.square().sum())
