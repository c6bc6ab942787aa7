"""Bootstrap intervals."""

from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95


def bootstrap_interval(
    values: np.ndarray, statistic: Callable[..., np.ndarray], resamples: int
) -> tuple[float, float, float]:
    """The statistic of `values` [N] and the ends of its 95 % interval, values drawn with replacement (percentile
    method, seed 0). One value alone has no interval but itself."""
    found = float(statistic(values))
    if len(values) == 1:
        return found, found, found
    drawn = bootstrap(
        (values,),
        statistic,
        n_resamples=resamples,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return found, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)
