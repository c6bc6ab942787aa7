"""Prompts whose from-scratch runs are known, side by side as one batch: what searches and fits look at.

A batch of P prompts is evaluated at once. States that were met before, by runs that begin alike, cost nothing again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point, Residual, Schedule
from trajflow.field import Field
from trajflow.flow import euler_step

Asked = tuple[str, int]
REMEMBERED_STATES = 512


@dataclass(frozen=True)
class Known:
    """P prompts with their noise: conditionings as one, `path` [N + 1, P, ...] from the noise to the image, and the
    velocities [N, P, ...] along it."""

    conditioning: Conditioning
    schedule: Schedule
    path: Tensor
    velocities: Tensor

    @property
    def noise(self) -> Tensor:
        """x_0 [P, ...]."""
        return self.path[0]

    def log_error(self, latents: Tensor) -> float:
        """Mean over the prompts of log10 of the mean squared error of final latents [P, ...]."""
        errors = (latents.float() - self.path[-1].float()).square().flatten(1).mean(1)
        return float(errors.clamp_min(1e-12).log10().mean())

    def field(self, model: Model) -> Field:
        """A new field for all of them."""
        return Field(model, self.conditioning, self.schedule, self.noise, self.schedule.steps)


def run_known(model: Model, asked: Sequence[Asked], steps: int) -> Known:
    """The prompts with their seeds, each from scratch on the model's default size and guidance."""
    defaults = model.defaults
    shape = model.latent_shape(defaults.height, defaults.width)
    conditioning = side_by_side([model.encode(prompt, "", defaults.guidance) for prompt, _ in asked])
    schedule = model.schedule(steps, shape)
    path = [torch.cat([model.noise(seed, shape) for _, seed in asked])]
    velocities = []
    for k in range(steps):
        velocities.append(model.evaluate(path[k], schedule.point(k), conditioning).velocity)
        path.append(euler_step(path[k], velocities[k], schedule.sigmas[k], schedule.sigmas[k + 1]))
    return Known(conditioning, schedule, torch.stack(path), torch.stack(velocities))


def side_by_side(each: Sequence[Conditioning]) -> Conditioning:
    """Rows of one kind stand together, the negative ones first, as an adapter lays them out for a single picture."""
    if len(each) == 1:
        return each[0]
    tensors = {name: torch.stack([c.tensors[name] for c in each], dim=1).flatten(0, 1) for name in each[0].tensors}
    return Conditioning("", "", each[0].guidance, tensors)


class SharingModel:
    """A model that remembers its newest evaluations by state, whichever run asked for them."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.defaults = model.defaults
        self.reuse = model.reuse
        self._model = model
        self._seen: OrderedDict[tuple[float, Level | None, bytes], Evaluation] = OrderedDict()

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """As the model's own, for one conditioning."""
        state = float(point.sigma), keep, hashlib.sha256(x.cpu().numpy().tobytes()).digest()
        if state not in self._seen:
            self._seen[state] = self._model.evaluate(x, point, conditioning, keep)
        self._seen.move_to_end(state)
        if len(self._seen) > REMEMBERED_STATES:
            self._seen.popitem(last=False)
        return self._seen[state]


def residual_of(model: Model, known: Known, k: int, level: Level) -> Residual:
    """What computing step k of the from-scratch runs leaves."""
    if level == "velocity":
        return {"velocity": known.velocities[k]}
    return model.evaluate(known.path[k], known.schedule.point(k), known.conditioning, level).residual
