"""What the evaluations paid so far predict: the transported path of the new prompt.

With M_k = sum_i w_i v^i_k the cached velocity (one source, or the mixture fitted at the newest node as in `basis.py`)
and D_j = v(x_j, sigma_j, c) - M_j the difference measured at node j,

    carried:  v^_k = M_k + D_j + damping (sigma_k - sigma_j) (D_j - D_i) / (sigma_j - sigma_i)       after node j
    bridged:  v^_k = M_k + D_j + (sigma_k - sigma_j) (theta - D_j) / (sigma_T - sigma_j)              up to node T

for the path that starts at the state evaluated. A path displaced from it by e is predicted by v^_k + J e, and e
itself follows e_{k+1} = e_k + h_k J e_k (`jacobian.py`). No baseline of the target is ever seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from trajflow.base import Trajectory, VelocityField
from trajflow.field import euler_step
from trajflow.transitions.basis import fit_weights
from trajflow.transitions.jacobian import Jacobian

DAMPING = 0.5


@dataclass(frozen=True)
class Prediction:
    """`cached` [S, N, *x.shape]; `weights` broadcast over [S, *x.shape]; `paid` are (step, fresh v), newest last."""

    cached: Tensor
    sigmas: tuple[float, ...]
    weights: Tensor
    paid: tuple[tuple[int, Tensor], ...] = ()
    jacobian: Jacobian = field(default_factory=Jacobian)

    @classmethod
    def of(cls, sources: Sequence[Trajectory]) -> "Prediction":
        """Nothing paid yet; every source counts alike."""
        cached = torch.stack([source.velocities for source in sources])
        weights = torch.full((len(sources), *[1] * (cached.ndim - 2)), 1 / len(sources), device=cached.device)
        return cls(cached, tuple(sources[0].schedule.sigmas.tolist()), weights)

    def learn(self, k: int, fresh: Tensor) -> "Prediction":
        """With `fresh` paid for at step k, and the mixture fitted to it anew; a second payment replaces the first."""
        paid = tuple((j, velocity) for j, velocity in self.paid if j != k)
        return replace(self, weights=fit_weights(fresh, self.cached[:, k]), paid=(*paid, (k, fresh)))

    @property
    def node(self) -> int:
        """The newest step paid for."""
        return self.paid[-1][0]

    def step(self, k: int) -> float:
        """h_k < 0."""
        return self.sigmas[k + 1] - self.sigmas[k]

    def mixture(self, k: int) -> Tensor:
        """M_k, float32."""
        return (self.weights * self.cached[:, k].float()).sum(dim=0)

    def difference(self, k: int) -> Tensor:
        """D^ at step k, extrapolated from the newest two nodes; D itself at the newest."""
        newest = self._measured(-1)
        if k == self.node or len(self.paid) < 2:
            return newest
        before = self.paid[-2][0]
        share = (self.sigmas[k] - self.sigmas[self.node]) / (self.sigmas[self.node] - self.sigmas[before])
        return newest + DAMPING * share * (newest - self._measured(-2))

    def _measured(self, index: int) -> Tensor:
        """D of one payment, against the newest mixture."""
        j, velocity = self.paid[index]
        return velocity.float() - self.mixture(j)

    def ramp(self, k: int, end: int) -> float:
        """How far sigma_k is from the newest node (0) to step `end` (1)."""
        return (self.sigmas[k] - self.sigmas[self.node]) / (self.sigmas[end] - self.sigmas[self.node])

    def velocity(self, k: int, end: int | None = None, theta: Tensor | None = None) -> Tensor:
        """v^_k, float32: bridged to the difference `theta` at step `end` if given, else carried; v itself at a node."""
        if k == self.node:
            return self.paid[-1][1].float()
        if end is None or theta is None:
            return self.mixture(k) + self.difference(k)
        start = self.difference(self.node)
        return self.mixture(k) + start + self.ramp(k, end) * (theta - start)

    def respond(self, displacement: Tensor, k: int) -> Tensor:
        """J e at step k."""
        return self.jacobian.respond(displacement, self.sigmas[k], self.step(k))


@dataclass(frozen=True)
class Rollout:
    """A predicted path: its velocities, and where it and its displacement from the evaluated path end.

    A displacement of None is exactly none, so that the velocity evaluated at a node is used bit for bit.
    """

    velocities: tuple[Tensor, ...]
    end: Tensor
    displacement: Tensor | None


def roll(
    prediction: Prediction,
    run: VelocityField,
    x: Tensor,
    displacement: Tensor | None,
    stop: int,
    theta: Tensor | None = None,
) -> Rollout:
    """Follow the prediction from the newest node to step `stop`, bridged to `theta` there if it is given.

    x: the state at the node; displacement: of x from the state that was evaluated.
    """
    sigmas, velocities = run.schedule.sigmas, []
    for k in range(prediction.node, stop):
        velocity = prediction.velocity(k, stop, theta)
        if displacement is not None:
            answer = prediction.respond(displacement, k)
            velocity = velocity + answer
            displacement = displacement + prediction.step(k) * answer
        velocities.append(velocity.to(x.dtype))
        x = euler_step(x, velocities[-1], sigmas[k], sigmas[k + 1])
    return Rollout(tuple(velocities), x, displacement)


def displaced(path: Tensor, evaluated: Tensor) -> Tensor | None:
    """path - evaluated in float32, None where they are equal bit for bit."""
    return None if torch.equal(path, evaluated) else path.float() - evaluated.float()
