"""The work of one session on its model: conditioning, fields, sampled runs, and the count of every evaluation."""

import threading
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

from PIL.Image import Image
from torch import Tensor

from trajflow.base import (
    Conditioning,
    Cost,
    Forecast,
    Match,
    Model,
    Plan,
    Result,
    Schedule,
    Sight,
    Spent,
    Step,
    Trajectory,
)
from trajflow.cache import Ingredients
from trajflow.cache.tiers import tier_of
from trajflow.calibration import MOST_DB, Learned, Outcome, Profile, find_profile
from trajflow.errors import Cancelled
from trajflow.field import Field
from trajflow.planner import make_plan
from trajflow.sampler import Made, make
from trajflow.settings import Settings

REMEMBERED_PROMPTS = 32
TIMED_STEPS = 32


@dataclass(frozen=True)
class Run:
    """One sampled picture: what it took and what it left."""

    image: Image
    trajectory: Trajectory
    cost: Cost
    seconds: float
    decode_seconds: float
    angles: dict[int, float]
    forecast: Forecast | None = None
    sights: tuple[Sight, ...] = ()


class Runner:
    """A model as one session uses it; `tiers` names the preset of similarity tiers. Not locked: one run at a time."""

    def __init__(self, flow: Model, tiers: str, profile: Profile | None = None) -> None:
        self.flow = flow
        self.profile = find_profile(flow.identity()) if profile is None else profile
        self.learned = Learned()
        self.spent = Spent()
        self.step_seconds: deque[float] = deque(maxlen=TIMED_STEPS)
        self.stopped = threading.Event()
        self._tiers = tiers
        self._conditionings: dict[tuple[str, str, float], Conditioning] = {}

    def shape(self, settings: Settings) -> tuple[int, ...]:
        """The shape of x."""
        return self.flow.latent_shape(settings.height, settings.width)

    def noise(self, settings: Settings) -> Tensor:
        """x_0."""
        return self.flow.noise(settings.seed, self.shape(settings))

    def schedule(self, settings: Settings) -> Schedule:
        """The grid of the from-scratch run."""
        return self.flow.schedule(settings.steps, self.shape(settings))

    def ingredients(self, settings: Settings) -> Ingredients:
        """What decides which cached runs fit."""
        sigmas = self.schedule(settings).sigmas
        return Ingredients.of(
            self.flow.identity(),
            self.shape(settings),
            sigmas,
            settings.guidance,
            settings.negative_prompt,
            settings.seed,
        )

    def conditioning(self, settings: Settings) -> Conditioning:
        """What the text encoders say; the last few are remembered."""
        asked = (settings.prompt, settings.negative_prompt, settings.guidance)
        if asked not in self._conditionings:
            if len(self._conditionings) >= REMEMBERED_PROMPTS:
                self._conditionings.pop(next(iter(self._conditionings)))
            self._conditionings[asked] = self.flow.encode(*asked)
        return self._conditionings[asked]

    def clear(self) -> None:
        """Forget what the text encoders said."""
        self._conditionings.clear()

    def plan(self, settings: Settings, matches: tuple[Match, ...]) -> Plan:
        """What to do for a request, given the sources for it."""
        shape = self.shape(settings)
        return make_plan(
            settings,
            matches,
            lambda similarity: tier_of(similarity, self._tiers).resume_fraction,
            lambda steps: self.flow.schedule(steps, shape),
            self.profile,
            self.learned,
        )

    def learn(self, result: Result) -> None:
        """Take a forecast and its measurement into account in the forecasts to come."""
        if result.forecast is not None and result.metrics is not None and not result.from_store:
            shift, margin = result.plan.shift_db, result.plan.margin_db
            told, measured = result.forecast, result.metrics.psnr_db
            raw = (told.low_db - shift + margin, told.median_db - shift, told.high_db - shift - margin)
            self.learned = self.learned.add(Outcome(*raw, min(MOST_DB, measured)))

    def full_plan(self, settings: Settings) -> Plan:
        """The from-scratch run."""
        return self.plan(replace(settings, strategy="baseline", budget=None), ())

    def field(self, settings: Settings, schedule: Schedule, budget: int) -> Field:
        """The velocity field of a request on that grid."""
        return Field(self.flow, self.conditioning(settings), schedule, self.noise(settings), budget)

    def probe(self, field: Field) -> Tensor:
        """The fresh velocity at step 0, [*x.shape]: the run that follows on the same field has it for nothing."""
        before = field.cost
        try:
            return field.evaluate(field.noise, 0)
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
    ) -> Generator[Step, None, Run]:
        """Run a plan on a field that may have been used before; the cost of the `Run` is all that the field spent.

        Raises Cancelled at the next step once `stopped` is set.
        """
        before, paid = field.cost, field.nfe
        seconds, angles = 0.0, {}
        forecast: Forecast | None = None
        sights: list[Sight] = []
        events = make(self.flow, plan, sources, field, settings.prompt)
        try:
            for event in events:
                if isinstance(event, Made):
                    made = event
                    break
                seconds += event.seconds
                forecast = event.forecast or forecast
                sights += [event.sight] if event.sight is not None else []
                if event.nfe > paid:
                    self.step_seconds.append(event.seconds)
                paid = event.nfe
                # A source that is none of the plan's stands for nothing that was cached.
                angle = event.angle if plan.sources else None
                if angle is not None:
                    angles[event.k] = angle
                yield replace(event, phase=phase, refinement=refinement, angle=angle)
                if self.stopped.is_set():
                    raise Cancelled("Stopped. What was unfinished is not kept.")
        finally:
            events.close()
            self.spent = replace(self.spent, waited=self.spent.waited + (field.cost - before))
        return Run(
            made.image, made.trajectory, field.cost, seconds, made.decode_seconds, angles, forecast, tuple(sights)
        )
