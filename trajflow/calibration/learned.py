"""What one session learns from its own comparisons: a shift and a margin of the forecasts, and where resuming pays."""

from dataclasses import dataclass, replace

from trajflow.cache.tiers import Resumed

# What an identical picture counts as, so that it bends no forecast.
MOST_DB = 70.0


@dataclass(frozen=True)
class Outcome:
    """A forecast and the PSNR that was measured, both in dB; the forecast is the profile's own, as not learned on."""

    low_db: float
    median_db: float
    high_db: float
    measured_db: float


@dataclass(frozen=True)
class Learned:
    """What a session's own comparisons add to the profile's forecasts.

    The shift is the mean error of the medians, drawn to 0 as if `PRIOR` forecasts had been right. The margin widens the
    interval by `RATE` times 0.8 dB whenever a measurement falls outside and narrows it by 0.2 `RATE` dB when inside, so
    that in the long run 80 % fall inside, whatever the requests (adaptive conformal inference, arXiv:2106.00170), or
    more, where `NARROWEST` stops it. `resumes` are what late resumes came to; what they say of the tiers is
    `cache/tiers.py`.
    """

    outcomes: tuple[Outcome, ...] = ()
    resumes: tuple[Resumed, ...] = ()

    PRIOR = 8
    RATE = 2.0
    NARROWEST = -2.0

    def add(self, outcome: Outcome) -> "Learned":
        """With one more comparison."""
        return replace(self, outcomes=(*self.outcomes, outcome))

    def add_resume(self, resumed: Resumed) -> "Learned":
        """With one more late resume that was compared."""
        return replace(self, resumes=(*self.resumes, resumed))

    @property
    def shift_db(self) -> float:
        """What to add to every forecast."""
        return sum(map(_error, self.outcomes)) / (len(self.outcomes) + self.PRIOR)

    @property
    def margin_db(self) -> float:
        """What to add on both sides of every interval."""
        margin = errors = 0.0
        for number, outcome in enumerate(self.outcomes):
            shift = errors / (number + self.PRIOR)
            is_inside = outcome.low_db + shift - margin <= outcome.measured_db <= outcome.high_db + shift + margin
            margin = max(self.NARROWEST, margin + self.RATE * (-0.2 if is_inside else 0.8))
            errors += _error(outcome)
        return margin


def _error(outcome: Outcome) -> float:
    return outcome.measured_db - outcome.median_db
