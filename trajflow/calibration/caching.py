"""What was learned about runs without a source: policies by strategy for one budget, and what to expect of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from trajflow.base import Forecast, Level, StepPolicy
from trajflow.policies.aligned import Aligned
from trajflow.policies.budcache import BudCache
from trajflow.policies.tcc import Calibrated, Prior


@dataclass(frozen=True)
class Caching:
    """How to spend a budget without any source, as far as it was calibrated: a strategy's policy, and its forecast.

    `forecasts` also holds the solvers that were measured at that budget, so that the best may be chosen.
    """

    policies: Mapping[str, StepPolicy]
    forecasts: Mapping[str, Forecast]

    @property
    def best(self) -> str | None:
        """The strategy with the largest median forecast."""
        return max(self.forecasts, key=lambda name: self.forecasts[name].median_db, default=None)

    def keeping(self, levels: Sequence[Level]) -> "Caching":
        """Without the policies, and their forecasts, that keep none of these levels."""
        strange = {name for name, policy in self.policies.items() if policy.level not in levels}
        return Caching(
            {name: policy for name, policy in self.policies.items() if name not in strange},
            {name: forecast for name, forecast in self.forecasts.items() if name not in strange},
        )


def describe(without_sources: Mapping[int, Caching]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """As plain JSON, and the priors' tensors by name."""
    described: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for budget, caching in without_sources.items():
        policies = {}
        for name, policy in caching.policies.items():
            prefix = f"{budget}/{name}"
            policies[name], priors = _policy_as_plain(policy)
            tensors |= {f"{prefix}/{key}": tensor for key, tensor in priors.items()}
        forecasts = {name: asdict(forecast) for name, forecast in caching.forecasts.items()}
        described[str(budget)] = {"policies": policies, "forecasts": forecasts}
    return described, tensors


def _policy_as_plain(policy: StepPolicy) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if isinstance(policy, Calibrated):
        below, tensors = _policy_as_plain(policy.policy)
        for k, priors in policy.priors.items():
            for part, prior in priors.items():
                tensors |= {f"{k}/{part}/weights": prior.weights, f"{k}/{part}/offset": prior.offset}
        return {**below, "depth": policy.depth}, tensors
    if isinstance(policy, Aligned):
        return {"mask": list(policy.mask), "level": policy.level, "logits": list(policy.logits)}, {}
    assert isinstance(policy, BudCache)
    return {"mask": list(policy.mask), "level": policy.level}, {}


def understand(stored: Mapping[str, Any], tensors: Mapping[str, Tensor], steps: int) -> dict[int, Caching]:
    """What `describe` described. Raises ValueError, LookupError or TypeError for what cannot be."""
    return {
        int(budget): Caching(
            {
                name: _policy(each, _below(tensors, f"{budget}/{name}/"), int(budget), steps)
                for name, each in caching["policies"].items()
            },
            {name: _forecast(each) for name, each in caching["forecasts"].items()},
        )
        for budget, caching in stored.items()
    }


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _policy(stored: Mapping[str, Any], tensors: Mapping[str, Tensor], budget: int, steps: int) -> StepPolicy:
    mask, level = tuple(map(int, stored["mask"])), stored["level"]
    if len(mask) != budget or mask[0] != 0 or mask[-1] >= steps or list(mask) != sorted(set(mask)):
        raise ValueError(f"{mask} are not {budget} rising steps from 0 to {steps - 1}")
    if level not in ("velocity", "stack", "blocks"):
        raise ValueError(f"there is no level {level!r}")
    if "logits" in stored:
        logits = tuple(map(float, stored["logits"]))
        if len(logits) != budget + 1:
            raise ValueError(f"{len(logits)} logits are not one more than {budget}")
        return Aligned(mask, logits, level)
    if "depth" not in stored:
        return BudCache(mask, level)
    priors: dict[int, dict[str, Prior]] = {}
    for name in tensors:
        k, _, rest = name.partition("/")
        part, _, what = rest.rpartition("/")
        if what == "weights":
            priors.setdefault(int(k), {})[part] = Prior(tensors[name], tensors[f"{k}/{part}/offset"])
    if set(priors) != set(range(steps)) - set(mask):
        raise ValueError("the priors are not those of the steps that are reused: the safetensors file is another's")
    return Calibrated(BudCache(mask, level), priors, int(stored["depth"]))


def _forecast(stored: Mapping[str, Any]) -> Forecast:
    return Forecast(*(float(stored[name]) for name in ("low_db", "assured_db", "median_db", "high_db")))
