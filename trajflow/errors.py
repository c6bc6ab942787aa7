"""Everything trajflow raises on purpose.

TrajflowError
├── RequestError         a request that cannot be run: says what was given and what is allowed
├── ModelError           a model that cannot be loaded or is not supported
├── CacheError           a stored trajectory that is damaged or does not fit
├── BudgetExceeded       a run asked for more evaluations than it was given
├── NumericalError       NaN or infinity in a velocity: the run stops and nothing of it is cached
├── MemoryExhausted      the device is full, even after cached runs have left it
├── MissingExtra         a part was asked for whose packages are not installed: says how to install them
└── Cancelled            the user stopped the run
"""


class TrajflowError(Exception):
    """Base of every error this library raises on purpose."""


class RequestError(TrajflowError, ValueError):
    """A request cannot be run as given."""


class ModelError(TrajflowError):
    """A model cannot be loaded, or its pipeline is not supported."""


class CacheError(TrajflowError):
    """A stored trajectory is damaged, or does not fit the run that asks for it."""


class BudgetExceeded(TrajflowError):
    """A run would spend more network evaluations than its plan allows."""


class NumericalError(TrajflowError):
    """A velocity is NaN or infinite."""


class MemoryExhausted(TrajflowError):
    """The device does not have the memory that a run takes."""


class MissingExtra(TrajflowError, ImportError):
    """A part of trajflow was asked for without the packages of its extra."""


class Cancelled(TrajflowError):
    """The run was stopped before it ended."""
