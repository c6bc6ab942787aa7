"""What was learned about runs without a source: policies by strategy for one budget, and what to expect of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from trajflow.base import Forecast, StepPolicy


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
