"""For people who write adapters and methods: a model known in closed form, and what every model promises, checked."""

from trajflow.testing.contract import check_model
from trajflow.testing.mixture import GaussianMixture

__all__ = ["GaussianMixture", "check_model"]
