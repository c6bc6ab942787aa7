"""The form of what a document says of a run, as pydantic models: nothing is read that could not have been written.

Numbers are finite and of the right kind, methods of sampling and kinds of steps are known. What a policy decided is
seen in the run; the policy itself is not kept, nor are the forecasters and coefficients of its nodes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from PIL.Image import Image
from pydantic import BaseModel, ConfigDict

from trajflow.base import (
    Adjustment,
    Cost,
    Forecast,
    Match,
    Metrics,
    NodeDiagnostics,
    NodeSchedule,
    Plan,
    Refinement,
    Request,
    Result,
    SamplingPlan,
    Schedule,
    StepKind,
)
from trajflow.cache.entry import CacheKey, Entry


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class PlanForm(_Form):
    """A `Plan` without its grid and its policy."""

    strategy: str
    reason: str
    sources: tuple[str, ...]
    match: Match | None
    forecast: Forecast | None
    raw_forecast: Forecast | None
    method: str
    node_schedule: NodeSchedule
    budget: int
    start_step: int
    similarity: float
    fidelity: float | None
    adjustment: Adjustment

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """What is said of a plan."""
        sampling = plan.sampling
        return cls(
            **_fields(plan, "strategy", "reason", "sources", "match", "forecast", "raw_forecast"),
            **_fields(sampling, "method", "budget", "start_step", "similarity", "fidelity", "adjustment"),
            node_schedule=replace(sampling.node_schedule, forecasters=(), leads=(), far=None),
        )

    def plan(self, schedule: Schedule) -> Plan:
        """The plan, on its grid."""
        sampling = SamplingPlan(
            schedule=schedule,
            **_fields(self, "method", "node_schedule", "budget", "start_step", "similarity", "fidelity", "adjustment"),
        )
        told = _fields(self, "strategy", "reason", "sources", "match", "forecast", "raw_forecast")
        return Plan(sampling=sampling, **told)


class ResultForm(_Form):
    """A `Result` without its plan and its pictures."""

    request: Request
    cost: Cost
    seconds: dict[str, float]
    kinds: tuple[StepKind, ...]
    angles: dict[int, float]
    metrics: Metrics | None
    baseline_cost: Cost | None
    baseline_seconds: dict[str, float] | None
    from_store: bool
    is_final: bool
    refinements: tuple[Refinement, ...]
    forecast: Forecast | None
    raw_forecast: Forecast | None
    diagnostics: tuple[NodeDiagnostics, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: Result) -> Self:
        """What is said of a result."""
        told = _fields(result, *cls.model_fields)
        told |= {name: dict(value) for name, value in told.items() if isinstance(value, Mapping)}
        return cls(**told)

    def result(self, key: str, plan: Plan, image: Image, baseline: Image | None) -> Result:
        """The result, with its plan and its pictures."""
        return Result(key=key, plan=plan, image=image, baseline=baseline, **_fields(self, *type(self).model_fields))


class KeyForm(_Form):
    """A `CacheKey`."""

    identity: dict[str, Any]
    shape: tuple[int, ...]
    sigmas_sha256: str
    steps: int
    guidance: float
    negative_prompt: str
    seed: int
    sampler: str


class EntryForm(_Form):
    """An `Entry` without its tensors; `path_prompt` and `path_kinds` are those of its trajectory, None without one."""

    key: str
    created: float
    cache_key: KeyForm
    path_prompt: str | None
    path_kinds: tuple[StepKind, ...] | None
    is_start_exact: bool = True
    plan: PlanForm
    result: ResultForm

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """What is said of an entry. Raises ValueError for what could not be read again."""
        known = _fields(entry.cache_key, *KeyForm.model_fields)
        form = cls(
            key=entry.key,
            created=entry.created,
            cache_key=KeyForm(**{**known, "identity": dict(entry.cache_key.identity)}),
            path_prompt=None if entry.trajectory is None else entry.trajectory.prompt,
            path_kinds=None if entry.trajectory is None else entry.trajectory.kinds,
            is_start_exact=entry.trajectory is None or entry.trajectory.is_start_exact,
            plan=PlanForm.of(entry.result.plan),
            result=ResultForm.of(entry.result),
        )
        return cls.model_validate_json(form.model_dump_json())

    @property
    def known(self) -> CacheKey:
        """The key that its fingerprint is made of."""
        return CacheKey(**_fields(self.cache_key, *KeyForm.model_fields))


def _fields(record: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}
