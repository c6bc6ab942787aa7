"""What was learned about runs without a source: policies by strategy for one budget, and what to expect of them."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from trajflow.base import Forecast, Level, StepPolicy


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

    @property
    def surest(self) -> str | None:
        """The strategy that is assured the most."""
        return max(self.forecasts, key=lambda name: self.forecasts[name].assured_db, default=None)

    def moved(self, shift_db: float) -> "Caching":
        """With so many dB added to every forecast, 0 to 100."""
        moved = {
            name: Forecast(*(min(100.0, max(0.0, each + shift_db)) for each in astuple(forecast)))
            for name, forecast in self.forecasts.items()
        }
        return Caching(self.policies, moved)

    def keeping(self, levels: Sequence[Level]) -> "Caching":
        """Without the policies, and their forecasts, that keep none of these levels."""
        strange = {name for name, policy in self.policies.items() if policy.level not in levels}
        return Caching(
            {name: policy for name, policy in self.policies.items() if name not in strange},
            {name: forecast for name, forecast in self.forecasts.items() if name not in strange},
        )
