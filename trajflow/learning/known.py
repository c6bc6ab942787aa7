"""Prompts whose from-scratch runs are known: what searches, fits and forecasts look at, each run made once.

Runs are made side by side as far as the model takes them, so their last bits may be others than those of a run alone.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point, Residual, SamplingPlan, Schedule, Trajectory
from trajflow.field import Field, recompute_path
from trajflow.learning.batch import Batch, BatchModel, stand_together
from trajflow.learning.pairs import Pair
from trajflow.learning.placing import Case
from trajflow.sampler import collect, sample
from trajflow.transitions.direct import Direct

Asked = tuple[str, int]
REMEMBERED_STATES = 512
REMEMBERED_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Known:
    """P prompts with their noise: conditionings as one, `path` [N + 1, P, ...] from the noise to the image, and the
    velocities [N, P, ...] along it."""

    conditioning: Batch
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
        return Field(cast(Model, BatchModel(model)), self.conditioning, grid, self.noise, grid.steps)

    def residual(self, model: Model, k: int, level: Level) -> Residual:
        """What computing step k of the from-scratch runs leaves."""
        if level == "velocity":
            return {"velocity": self.velocities[k]}
        asked = self.path[k], self.schedule.point(k), self.conditioning
        return BatchModel(model).evaluate(*asked, level).residual


class Library:
    """From-scratch runs by prompt and seed on the model's default size and guidance, each made once."""

    def __init__(self, model: Model, steps: int | None = None) -> None:
        self.model = model
        self.shape = model.latent_shape(model.defaults.height, model.defaults.width)
        self.grid = model.schedule(steps or model.defaults.steps, self.shape)
        self._conditionings: dict[str, Conditioning] = {}
        self._runs: dict[Asked, Trajectory] = {}

    def conditioning(self, prompt: str) -> Conditioning:
        """What the text encoders say."""
        if prompt not in self._conditionings:
            self._conditionings[prompt] = self.model.encode(prompt, "", self.model.defaults.guidance)
        return self._conditionings[prompt]

    def make(self, asked: Iterable[Asked], on_run: Callable[[], object] = lambda: None) -> None:
        """Make the runs that are not there yet, as many at once as the model takes; `on_run` is called for each."""
        missing = [each for each in dict.fromkeys(asked) if each not in self._runs]
        for i in range(0, len(missing), self.model.most_prompts):
            some = missing[i : i + self.model.most_prompts]
            for each, run in zip(some, self._run(some), strict=True):
                self._runs[each] = run
                on_run()

    def run(self, prompt: str, seed: int) -> Trajectory:
        """The from-scratch run."""
        self.make([(prompt, seed)])
        return self._runs[prompt, seed]

    def known(self, asked: Sequence[Asked]) -> Known:
        """The runs of these prompts with their seeds, in their order, as one."""
        self.make(asked)
        runs = [self._runs[each] for each in asked]
        noise = torch.cat([run.noise for run in runs])
        velocities = torch.cat([run.velocities for run in runs], dim=1)
        together = Trajectory("", self.grid, noise, velocities, runs[0].kinds)
        path = torch.stack(list(recompute_path(together)))
        return Known(self._together(asked), self.grid, path, velocities)

    def case(self, pair: Pair, sources: int | None = None) -> Case:
        """The pair's target, with its first `sources` cached prompts (None: all) as sources."""
        self.make((prompt, pair.seed) for prompt in (*pair.cached[:sources], pair.target))
        cached = tuple(self.run(prompt, pair.seed) for prompt in pair.cached[:sources])
        return Case(cached, self.run(pair.target, pair.seed), self.conditioning(pair.target))

    def _together(self, asked: Sequence[Asked]) -> Batch:
        return stand_together(self.model, [self.conditioning(prompt) for prompt, _ in asked])

    def _run(self, asked: Sequence[Asked]) -> list[Trajectory]:
        steps, noise = self.grid.steps, [self.model.noise(seed, self.shape) for _, seed in asked]
        field = Field(cast(Model, BatchModel(self.model)), self._together(asked), self.grid, torch.cat(noise), steps)
        _, run = collect(sample(Direct(), (), SamplingPlan.computing_all("baseline", self.grid), field, ""))
        return [
            Trajectory(prompt, self.grid, noise[i], run.velocities[:, i : i + 1].clone(), run.kinds)
            for i, (prompt, _) in enumerate(asked)
        ]


def run_known(model: Model, asked: Sequence[Asked], steps: int) -> Known:
    """The prompts with their seeds, each from scratch on the model's default size and guidance."""
    return Library(model, steps).known(asked)


class SharingModel:
    """A model that remembers its newest evaluations by state, whoever asked for them, within `REMEMBERED_BYTES`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._nbytes = 0
        self._seen: OrderedDict[tuple[Any, ...], tuple[Conditioning, Evaluation]] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """As the model's own."""
        # A conditioning that is held cannot give its id to another.
        state = id(conditioning), float(point.sigma), keep, hashlib.sha256(x.cpu().float().numpy().tobytes()).digest()
        if state not in self._seen:
            evaluation = self._model.evaluate(x, point, conditioning, keep)
            self._seen[state] = conditioning, evaluation
            self._nbytes += _nbytes(evaluation)
        self._seen.move_to_end(state)
        found = self._seen[state][1]
        while self._seen and (len(self._seen) > REMEMBERED_STATES or self._nbytes > REMEMBERED_BYTES):
            _, (_, oldest) = self._seen.popitem(last=False)
            self._nbytes -= _nbytes(oldest)
        return found


def _nbytes(evaluation: Evaluation) -> int:
    return sum(tensor.nbytes for tensor in (evaluation.velocity, *evaluation.residual.values()))
