"""Prompts whose from-scratch runs are known, side by side as one batch: what searches and fits look at.

A batch of P prompts is evaluated at once by a model that can, which is tried, else one after the other. States that
were met before, by runs that begin alike, cost nothing again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def field(self, model: Model, schedule: Schedule | None = None) -> Field:
        """A new field for all of them, on their own grid or another."""
        grid = schedule or self.schedule
        return Field(_together(model, self.conditioning), self.conditioning, grid, self.noise, grid.steps)

    def residual(self, model: Model, k: int, level: Level) -> Residual:
        """What computing step k of the from-scratch runs leaves."""
        if level == "velocity":
            return {"velocity": self.velocities[k]}
        asked = self.path[k], self.schedule.point(k), self.conditioning
        return _together(model, self.conditioning).evaluate(*asked, level).residual


def run_known(model: Model, asked: Sequence[Asked], steps: int) -> Known:
    """The prompts with their seeds, each from scratch on the model's default size and guidance."""
    defaults = model.defaults
    shape = model.latent_shape(defaults.height, defaults.width)
    each = tuple(model.encode(prompt, "", defaults.guidance) for prompt, _ in asked)
    noise = torch.cat([model.noise(seed, shape) for _, seed in asked])
    schedule = model.schedule(steps, shape)
    is_alone = len(each) == 1
    if is_alone or can_batch(model, each[:2], noise[:2], schedule.point(0)):
        conditioning = side_by_side(each)
    else:
        conditioning = Several("", "", defaults.guidance, {}, each)
    together = _together(model, conditioning)
    path, velocities = [noise], []
    for k in range(steps):
        velocities.append(together.evaluate(path[k], schedule.point(k), conditioning).velocity)
        path.append(euler_step(path[k], velocities[k], schedule.sigmas[k], schedule.sigmas[k + 1]))
    return Known(conditioning, schedule, torch.stack(path), torch.stack(velocities))


def can_batch(model: Model, each: Sequence[Conditioning], x: Tensor, point: Point) -> bool:
    """Whether the model answers two prompts side by side, x [2, ...], as it answers them alone."""
    alone = torch.cat([model.evaluate(row[None], point, c).velocity for row, c in zip(x, each, strict=True)])
    try:
        both = model.evaluate(x, point, side_by_side(each)).velocity
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False
    return both.shape == alone.shape and torch.allclose(both, alone, rtol=0.05, atol=0.05 * float(alone.std()))


@dataclass(frozen=True)
class Several(Conditioning):
    """Prompts to evaluate one after the other."""

    each: tuple[Conditioning, ...] = ()


class OneByOne:
    """A model that is asked about a batch prompt by prompt; residuals of all prompts lie one after the other."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Several, keep: Level | None = None) -> Evaluation:
        """As the model's own for each prompt, x [P, ...]."""
        answers = [
            self._model.evaluate(row[None], point, asked, *(() if keep is None else (keep,)))
            for row, asked in zip(x, conditioning.each, strict=True)
        ]
        residual = {name: torch.cat([each.residual[name] for each in answers]) for name in answers[0].residual}
        velocity = torch.cat([each.velocity for each in answers])
        return Evaluation(velocity, {}, sum(each.rows for each in answers), residual)

    def reuse(self, x: Tensor, point: Point, conditioning: Several, residual: Residual) -> Tensor:
        """As the model's own for each prompt, x [P, ...]."""
        parts = [
            dict(zip(residual, each, strict=True))
            for each in zip(*(r.chunk(len(x)) for r in residual.values()), strict=True)
        ]
        asked = zip(x, conditioning.each, parts, strict=True)
        return torch.cat([self._model.reuse(row[None], point, each, part) for row, each, part in asked])


def _together(model: Model, conditioning: Conditioning) -> Any:
    return OneByOne(model) if isinstance(conditioning, Several) else model


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
        self._seen: OrderedDict[tuple[Any, ...], tuple[Conditioning, Evaluation]] = OrderedDict()

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """As the model's own."""
        # A conditioning that is held cannot give its id to another.
        state = id(conditioning), float(point.sigma), keep, hashlib.sha256(x.cpu().float().numpy().tobytes()).digest()
        if state not in self._seen:
            evaluation = self._model.evaluate(x, point, conditioning, *(() if keep is None else (keep,)))
            self._seen[state] = conditioning, evaluation
        self._seen.move_to_end(state)
        if len(self._seen) > REMEMBERED_STATES:
            self._seen.popitem(last=False)
        return self._seen[state][1]
