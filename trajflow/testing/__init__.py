"""For people who write adapters and methods: a model known in closed form, and what models and methods promise."""

from trajflow.testing.contract import check_model
from trajflow.testing.methods import check_method
from trajflow.testing.mixture import GaussianMixture

__all__ = ["GaussianMixture", "check_method", "check_model"]
