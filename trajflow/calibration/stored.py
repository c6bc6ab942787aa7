"""The form of a profile's file: pydantic models, so that nothing is read that could not have been written.

Numbers are finite and of the right kind, names are known, and what belongs to a count of evaluations has that many
parts. Priors lie in a safetensors file beside it, under `budget/strategy/step/part`.

Older files call the learned solver `tcc`, a name that now belongs to the paper's own method, which reuses blocks; they
are read as what they are.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from trajflow.base import Forecast, Forecaster, Level, NodeSchedule, StepPolicy
from trajflow.calibration.caching import Caching
from trajflow.calibration.profile import FORMAT, GuidanceShift, Placement, Profile
from trajflow.forecast import FEATURES, FEATURES_BEFORE
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.calibrated import Calibrated, Prior
from trajflow.transitions.lead import TERMS

SOLVER, SOLVER_BEFORE = "solver", "tcc"


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Mask(_Form):
    """Steps to compute, and what the others reuse."""

    mask: tuple[int, ...]
    level: Level


class MovedMask(Mask):
    """With the logits of a grid of its own."""

    logits: tuple[float, ...]


class CalibratedMask(Mask):
    """With priors of that depth."""

    depth: int


class WithoutSources(_Form):
    """Policies and forecasts by strategy."""

    policies: dict[str, Mask | MovedMask | CalibratedMask]
    forecasts: dict[str, Forecast]

    def named_today(self, strategy: str) -> str:
        """The name that a strategy of this file has now."""
        policy = self.policies.get(strategy)
        was_solver = strategy == SOLVER_BEFORE and policy is not None and policy.level == "velocity"
        return SOLVER if was_solver else strategy


class ProfileFile(_Form):
    """All of a profile but the priors' tensors."""

    format: Literal[1]
    model: str
    steps: int
    single: dict[int, Placement]
    several: dict[int, Placement]
    without_sources: dict[int, WithoutSources] = {}
    guidance: float = 0.0
    shifts: tuple[GuidanceShift, ...] = ()
    made: dict[str, Any]

    @model_validator(mode="after")
    def _fits_its_grid(self) -> Self:
        for placements in (self.single, self.several):
            for count, placement in placements.items():
                _check_placement(placement, count, self.steps)
        for budget, caching in self.without_sources.items():
            for policy in caching.policies.values():
                # An interval may spend less than its budget.
                _check_steps(policy.mask, min(budget, len(policy.mask)), self.steps)
                if isinstance(policy, MovedMask):
                    _check_parts(policy.logits, budget + 1, "logits")
        times = [each.times for each in self.shifts]
        if times != sorted(set(times)) or any(each <= 0 for each in times):
            raise ValueError(f"the times of shifts must rise from above 0, got {times}")
        return self

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """The file of a profile."""
        caching = {
            budget: WithoutSources(
                policies={name: _mask(policy) for name, policy in each.policies.items()}, forecasts=dict(each.forecasts)
            )
            for budget, each in profile.without_sources.items()
        }
        return cls(
            format=FORMAT,
            model=profile.model,
            steps=profile.steps,
            single=dict(profile.single),
            several=dict(profile.several),
            without_sources=caching,
            guidance=profile.guidance,
            shifts=profile.shifts,
            made=dict(profile.made),
        )

    def profile(self, tensors: Mapping[str, Tensor]) -> Profile:
        """The profile, with its priors. Raises ValueError or LookupError where they are another's."""
        caching = {
            budget: Caching(
                {
                    each.named_today(name): _policy(mask, _below(tensors, f"{budget}/{name}/"), self.steps)
                    for name, mask in each.policies.items()
                },
                {each.named_today(name): forecast for name, forecast in each.forecasts.items()},
            )
            for budget, each in self.without_sources.items()
        }
        return Profile(
            self.model, self.steps, self.single, self.several, caching, self.guidance, self.shifts, self.made
        )


def priors_of(profile: Profile) -> dict[str, Tensor]:
    """The tensors of all priors, by name."""
    return {
        f"{budget}/{name}/{k}/{part}/{what}": tensor
        for budget, caching in profile.without_sources.items()
        for name, policy in caching.policies.items()
        if isinstance(policy, Calibrated)
        for k, priors in policy.priors.items()
        for part, prior in priors.items()
        for what, tensor in (("weights", prior.weights), ("offset", prior.offset))
    }


def _mask(policy: StepPolicy) -> Mask:
    if isinstance(policy, Calibrated):
        below = _mask(policy.policy)
        return CalibratedMask(mask=below.mask, level=below.level, depth=policy.depth)
    if isinstance(policy, Aligned):
        return MovedMask(mask=policy.mask, level=policy.level, logits=policy.logits)
    assert isinstance(policy, BudCache)
    return Mask(mask=policy.mask, level=policy.level)


def _policy(stored: Mask, tensors: Mapping[str, Tensor], steps: int) -> StepPolicy:
    if isinstance(stored, MovedMask):
        return Aligned(stored.mask, stored.logits, stored.level)
    if not isinstance(stored, CalibratedMask):
        return BudCache(stored.mask, stored.level)
    priors: dict[int, dict[str, Prior]] = {}
    for name in tensors:
        k, _, rest = name.partition("/")
        part, _, what = rest.rpartition("/")
        if what == "weights":
            priors.setdefault(int(k), {})[part] = Prior(tensors[name], tensors[f"{k}/{part}/offset"])
    if set(priors) != set(range(steps)) - set(stored.mask):
        raise ValueError("the priors are not those of the steps that are reused: the safetensors file is another's")
    return Calibrated(BudCache(stored.mask, stored.level), priors, stored.depth)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_placement(placement: Placement, count: int, steps: int) -> None:
    schedule = placement.node_schedule
    _check_steps(schedule.nodes, count, steps)
    for name in ("slopes", "corrections", "forecasters"):
        if getattr(schedule, name):
            _check_parts(getattr(schedule, name), count, name)
    for number, forecaster in enumerate(schedule.forecasters):
        _check_forecaster(forecaster, FEATURES[min(number, 1)])
    _check_leads(schedule, steps)
    if schedule.far is not None:
        if schedule.far.far is not None:
            raise ValueError("a schedule for far sources has none of its own")
        _check_placement(Placement(schedule.far), count, steps)
    if placement.before is not None:
        _check_forecaster(placement.before, FEATURES_BEFORE)


def _check_leads(schedule: NodeSchedule, steps: int) -> None:
    if not schedule.leads:
        return
    _check_parts(schedule.leads, len(schedule.nodes), "leads")
    for number, (lead, end) in enumerate(zip(schedule.leads, (*schedule.nodes[1:], steps), strict=True)):
        has_room = end > schedule.nodes[number] + 1
        _check_parts(lead, TERMS[min(number, 2)] if has_room else 0, "terms of a lead")
        if len({len(row) for row in lead}) > 1:
            raise ValueError("the terms of a lead have as many channels each")


def _check_forecaster(forecaster: Forecaster, features: int) -> None:
    for name in ("low", "assured", "median", "high"):
        _check_parts(getattr(forecaster, name), features, f"coefficients of {name}")


def _check_steps(chosen: tuple[int, ...], count: int, steps: int) -> None:
    is_rising = all(a < b for a, b in pairwise(chosen))
    if len(chosen) != count or chosen[:1] != (0,) or chosen[-1] >= steps or not is_rising:
        raise ValueError(f"{chosen} are not {count} rising steps from 0 to {steps - 1}")


def _check_parts(values: tuple[Any, ...], count: int, what: str) -> None:
    if len(values) != count:
        raise ValueError(f"there are {len(values)} {what}, not {count}")
