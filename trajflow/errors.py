"""Everything trajflow raises on purpose.

TrajflowError
├── RequestError         a request that cannot be run: says what was given and what is allowed
├── ModelError           a model that cannot be loaded or is not supported
├── PluginError          something that another package brings and that does not work
├── CacheError           a stored trajectory that is damaged or does not fit
│   └── SourceGone       a run that a plan starts from is no longer held: plan again
├── BudgetExceeded       a run asked for more evaluations than it was given
├── NumericalError       NaN or infinity in a velocity: the run stops and nothing of it is cached
├── MemoryExhausted      the device is full, even after cached runs have left it
├── MissingExtra         a part was asked for whose packages are not installed: says how to install them
└── Cancelled            the user stopped the run
"""


class TrajflowError(Exception):
    """Base of every error this library raises on purpose.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> try:
    ...     trajflow.Session(GaussianMixture()).generate("")
    ... except trajflow.TrajflowError as error:
    ...     print(error)
    The prompt is empty. Describe the picture in a few words.
    """


class RequestError(TrajflowError, ValueError):
    """A request cannot be run as given."""


class ModelError(TrajflowError):
    """A model cannot be loaded, or its pipeline is not supported."""


class PluginError(TrajflowError):
    """What another package brings cannot be imported, or is not what it should be."""


class CacheError(TrajflowError):
    """A stored trajectory is damaged, or does not fit the run that asks for it."""


class SourceGone(CacheError):
    """A run that a plan starts from is no longer held: a new plan does without it."""


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
