"""The work of one session on its model: conditioning, fields, sampled runs, and the count of every evaluation."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from trajflow.base import (
    Conditioning,
    Match,
    Model,
    Plan,
    Result,
    Run,
    Schedule,
    Spent,
    Step,
    Trajectory,
)
from trajflow.cache import CacheKey
from trajflow.cache.entry import CPU
from trajflow.cache.tiers import Resumed
from trajflow.calibration import MOST_DB, Learned, Outcome, Profile, find_profile, model_digest
from trajflow.errors import Cancelled
from trajflow.field import Field
from trajflow.memory import device_copy, host_copy, nothing_to_give, retry_on_oom
from trajflow.planner import make_plan
from trajflow.sampler import advance, run
from trajflow.settings import Settings

# What the text encoders said of a prompt of a large model is some megabytes.
REMEMBERED_PROMPTS = 32
REMEMBERED_BYTES = 64 * 2**20
TIMED_STEPS = 32


def never() -> bool:
    """No reason to stop."""
    return False


class Runner:
    """A model as one session uses it. Not locked: whoever calls holds the session's lock.

    `free_memory` frees what the session keeps on the device, when a run does not find the memory it takes.
    """

    def __init__(
        self,
        model: Model,
        profile: Profile | None = None,
        free_memory: Callable[[], None] = nothing_to_give,
    ) -> None:
        self.model = model
        self.free_memory = free_memory
        self.learned = Learned()
        self.spent = Spent()
        self.step_seconds: deque[float] = deque(maxlen=TIMED_STEPS)
        self._identity: Mapping[str, Any] = {}
        self._noises: dict[tuple[int, tuple[int, ...]], Tensor] = {}
        self._grids: dict[tuple[int, tuple[int, ...]], Schedule] = {}
        self._given_profile = profile
        self._found_profile: Profile | None = None
        # On the host, with the device that they are for.
        self._conditionings: dict[tuple[str, str, str, float], tuple[Conditioning, torch.device]] = {}

    @property
    def profile(self) -> Profile:
        """What is known of the model as it is now: what was given, else what is found for it."""
        self._look()
        return self._profile()

    def _look(self) -> None:
        """Take note of what the model is now. That takes milliseconds, so a request does it once."""
        identity = self.model.identity()
        if identity != self._identity:
            self._noises, self._grids = {}, {}
        self._identity = identity

    def _profile(self) -> Profile:
        if self._given_profile is not None:
            return self._given_profile
        if self._found_profile is None or self._found_profile.model != model_digest(self._identity):
            self._found_profile = find_profile(self._identity)
        return self._found_profile

    def shape(self, settings: Settings) -> tuple[int, ...]:
        """The shape of x."""
        return self.model.latent_shape(settings.height, settings.width)

    def noise(self, settings: Settings) -> Tensor:
        """x_0; the last one is remembered."""
        asked = (settings.seed, self.shape(settings))
        noise = self._noises.get(asked)
        if noise is None:
            noise = retry_on_oom(partial(self.model.noise, *asked), self.free_memory)
            self._noises = {asked: noise}
        return noise

    def schedule(self, settings: Settings) -> Schedule:
        """The grid of the from-scratch run."""
        return self._grid(settings.steps, self.shape(settings))

    def _grid(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The model's grid. A large pipeline takes milliseconds to say where it computes, so grids are remembered."""
        grid = self._grids.get((steps, shape))
        if grid is None:
            grid = self._grids[steps, shape] = self.model.schedule(steps, shape)
        return grid

    def cache_key(self, settings: Settings) -> CacheKey:
        """What decides which cached runs fit. Every request asks for this first: it looks at the model anew."""
        self._look()
        sigmas = self.schedule(settings).sigmas
        return CacheKey.of(
            self._identity,
            self.shape(settings),
            sigmas,
            settings.guidance,
            settings.negative_prompt,
            settings.seed,
        )

    def conditioning(self, settings: Settings) -> Conditioning:
        """What the text encoders say, as they are since `cache_key`; the host's memory keeps the last few."""
        asked = (settings.prompt, settings.negative_prompt, settings.guidance)
        identity = json.dumps(self._identity, sort_keys=True)
        key = (hashlib.sha256(identity.encode()).hexdigest(), *asked)
        if key in self._conditionings:
            known, device = self._conditionings[key]
            return retry_on_oom(partial(_with_tensors, known, partial(device_copy, device=device)), self.free_memory)
        found = retry_on_oom(partial(self.model.encode, *asked), self.free_memory)
        device = next((tensor.device for tensor in found.tensors.values()), CPU)
        newest = [*self._conditionings.items(), (key, (_with_tensors(found, host_copy), device))]
        sizes = [sum(tensor.nbytes for tensor in known.tensors.values()) for _, (known, _) in newest]
        least = next((at for at in range(len(newest)) if sum(sizes[at:]) <= REMEMBERED_BYTES), len(newest))
        self._conditionings = dict(newest[max(least, len(newest) - REMEMBERED_PROMPTS) :])
        return found

    def forget(self, held: Collection[str] = ()) -> None:
        """Forget what the text encoders said of every prompt but those. May be called from any thread."""
        # A new dict: whoever looks into the former one meanwhile is not disturbed.
        self._conditionings = {key: each for key, each in tuple(self._conditionings.items()) if key[1] in held}

    def plan(self, settings: Settings, matches: tuple[Match, ...]) -> Plan:
        """What to do for a request, given the sources for it."""
        shape = self.shape(settings)
        return make_plan(
            settings,
            matches,
            lambda steps: self._grid(steps, shape),
            self.model.levels,
            self._profile().at_guidance(settings.guidance, matches[0].guidance if matches else None),
            self.learned,
        )

    def learn(self, result: Result) -> None:
        """Take a run with sources and its measurement into account: in forecasts to come, or in where to resume."""
        if not result.plan.sources or result.metrics is None or result.from_store:
            return
        measured, sampling = min(MOST_DB, result.metrics.psnr_db), result.plan.sampling
        if result.raw_forecast is not None:
            raw = result.raw_forecast
            self.learned = self.learned.add(Outcome(raw.low_db, raw.median_db, raw.high_db, measured))
        elif sampling.start_step and result.plan.match is not None and _is_resumed_only(result):
            fraction = sampling.start_step / sampling.schedule.steps
            self.learned = self.learned.add_resume(Resumed(result.plan.match.similarity, fraction, measured))

    def full_plan(self, settings: Settings) -> Plan:
        """The from-scratch run."""
        return self.plan(replace(settings, strategy="baseline", budget=None), ())

    def field(self, settings: Settings, plan: Plan, budget: int | None = None, shared: Tensor | None = None) -> Field:
        """The velocity field of a request on the plan's grid, for the evaluations the plan allows, or `budget`.

        `shared` is the negative branch at the noise, for a run that need not equal the from-scratch run bit for bit.
        """
        sampling = plan.sampling
        return Field(
            self.model,
            self.conditioning(settings),
            sampling.schedule,
            self.noise(settings),
            plan.budget if budget is None else budget,
            shared,
        )

    def probe(self, field: Field) -> Tensor:
        """The fresh velocity at step 0, [*x.shape]: the run that follows on the same field has it for nothing."""
        before = field.cost
        try:
            return retry_on_oom(partial(field.evaluate, field.noise, 0), self.free_memory)
        finally:
            self.spent = replace(self.spent, waited=self.spent.waited + (field.cost - before))

    def sample(
        self,
        plan: Plan,
        sources: tuple[Trajectory, ...],
        field: Field,
        settings: Settings,
        phase: Literal["cached", "baseline"],
        refinement: int = 0,
        stop: Callable[[], bool] = never,
    ) -> Generator[Step, None, Run]:
        """Run a plan on a field that may have been used before; the cost of the `Run` is all that the field spent.

        Raises Cancelled after the step at which `stop` says so.
        """
        before, paid = field.cost, field.nfe
        running = run(self.model, plan.sampling, sources, field, settings.prompt, self.free_memory)
        try:
            while isinstance(event := advance(running), Step):
                if event.nfe > paid:
                    self.step_seconds.append(event.seconds)
                paid = event.nfe
                # A source that is none of the plan's stands for nothing that was cached.
                angle = event.angle if plan.sources else None
                yield replace(event, phase=phase, refinement=refinement, angle=angle)
                if stop():
                    raise Cancelled("Stopped. What was unfinished is not kept.")
        finally:
            running.close()
            self.spent = replace(self.spent, waited=self.spent.waited + (field.cost - before))
        return event if plan.sources else replace(event, angles={})


def _with_tensors(conditioning: Conditioning, change: Callable[[Tensor], Tensor]) -> Conditioning:
    return replace(conditioning, tensors={name: change(tensor) for name, tensor in conditioning.tensors.items()})


def _is_resumed_only(result: Result) -> bool:
    """Whether what a run fell short by is that it resumed late: it was switched to the new prompt, every step of it."""
    sampling = result.plan.sampling
    left = sampling.schedule.steps - sampling.start_step
    return sampling.method in ("resume", "published") and result.kinds.count("computed") == left
