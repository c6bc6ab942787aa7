"""The table of methods: every strategy that a request may name, one row each, and those that plugins bring.

A new method is a file with its `Transition` and a row here; the planner, the menus, the benchmarks, the contract tests
and the documentation read the row. A package of its own adds rows by an entry point in the group `trajflow.methods`,
which names a `Method` or a sequence of them:

    [project.entry-points."trajflow.methods"]
    heun = "my_package:HEUN"

Families: `full` computes every step; `shorter` computes every step of a shorter schedule, without a cache; `reuse`
computes some steps of the whole schedule and reuses their residuals on the others, without a cache; `switch` follows
one cached path and leaves it late; `transport` starts at the noise shared with the cached runs and evaluates at a few
nodes.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Literal, get_args

from trajflow import plugins
from trajflow.base import Transition
from trajflow.errors import PluginError
from trajflow.transitions.ab2 import AdamsBashforth
from trajflow.transitions.basis import Basis
from trajflow.transitions.blend import Blend
from trajflow.transitions.direct import Direct
from trajflow.transitions.dpm import DPMSolver
from trajflow.transitions.kalman import Kalman
from trajflow.transitions.mpc import Mpc
from trajflow.transitions.multiple_shooting import MultipleShooting
from trajflow.transitions.published import Published
from trajflow.transitions.reuse import Reuse
from trajflow.transitions.shooting import Shooting
from trajflow.transitions.shooting_mpc import ShootingMpc
from trajflow.transitions.softenings import Softening, by_derivative, by_flow, by_uncertainty
from trajflow.transitions.unipc import UniPC

logger = logging.getLogger(__name__)
GROUP = "trajflow.methods"
Family = Literal["full", "shorter", "reuse", "switch", "transport"]


@dataclass(frozen=True)
class Method:
    """One row: a strategy's name, the family of plans it runs on, its transition, and what it does in a few words.

    `most_sources` limits how many cached runs it is given. `is_anytime` says that a run can be refined, or given a
    fidelity to reach instead of a budget. `keeps_velocities` says that the steps it computes are recorded as the
    network's own velocities at states that the run itself stepped to, so that a completion can go on from them.

    >>> METHODS["difference"].summary
    'the most similar cached path only'
    >>> METHODS["unipc"].family
    'shorter'
    """

    name: str
    family: Family
    transition: Transition
    summary: str
    most_sources: int = 1
    is_anytime: bool = False
    keeps_velocities: bool = False


_DIRECT, _BASIS, _REUSE = Direct(), Basis(), Reuse()
_MANY, _SOME = 16, 6

BUILT_IN = (
    Method("auto", "transport", _BASIS, "the planner decides", _MANY, True, True),
    Method("basis", "transport", _BASIS, "a mixture of all cached paths that fit", _MANY, True, True),
    Method("difference", "transport", _BASIS, "the most similar cached path only", 1, True, True),
    Method("resume", "switch", _DIRECT, "a cached path first, the new prompt from there", keeps_velocities=True),
    Method("blend", "switch", Blend(), "resume, with a soft change of prompt"),
    Method("fewer-steps", "shorter", _DIRECT, "the model's own solver on a shorter grid", keeps_velocities=True),
    Method("ab2", "shorter", AdamsBashforth(), "a shorter grid, second-order Adams-Bashforth"),
    Method("dpm++2m", "shorter", DPMSolver(), "a shorter grid, DPM-Solver++ of second order"),
    Method("unipc", "shorter", UniPC(), "a shorter grid, UniPC predictor and corrector"),
    Method("interval", "reuse", _REUSE, "every second, third … step is computed", keeps_velocities=True),
    Method("budcache", "reuse", _REUSE, "the computed steps were searched beforehand", keeps_velocities=True),
    Method("aligned", "reuse", _REUSE, "as budcache, on a grid moved to suit it", keeps_velocities=True),
    Method("solver", "reuse", _REUSE, "a multistep solver learned for the model", keeps_velocities=True),
    Method("tcc", "reuse", _REUSE, "as interval, what its blocks left moved by priors", keeps_velocities=True),
    Method("resume-budcache", "switch", _REUSE, "resume, then reuse some of the steps left", keeps_velocities=True),
    Method("shooting", "transport", Shooting(), "each gap is guessed, tried and corrected", _SOME),
    Method(
        "multiple-shooting", "transport", MultipleShooting(), "all gaps are planned and joined where they meet", _SOME
    ),
    Method("mpc", "transport", Mpc(), "a reference, corrected at every evaluated step", _SOME),
    Method("shooting-mpc", "transport", ShootingMpc(), "gaps are shot, then kept by the controller", _SOME),
    Method("published", "switch", Published(), "resume by tier, then a blend under control"),
    Method("kalman", "switch", Kalman(), "resume, old and new weighed by uncertainty"),
    Method(
        "uncertainty-blend", "switch", Softening(by_uncertainty), "resume, softer where the cached path is in doubt"
    ),
    Method("flow-blend", "switch", Softening(by_flow), "resume, smooth in the time of the flow"),
    Method("derivative-blend", "switch", Softening(by_derivative), "resume, turning no faster than its path"),
    Method("baseline", "full", _DIRECT, "every step is computed, nothing is taken", keeps_velocities=True),
)

METHODS: dict[str, Method] = {method.name: method for method in BUILT_IN}


def of_family(family: Family) -> tuple[str, ...]:
    """The names of a family, in the order of the table."""
    return tuple(name for name, method in METHODS.items() if method.family == family)


def register(method: Method) -> None:
    """Add a row. Raises ValueError for a name that is taken, or a row that is not complete."""
    if not isinstance(method, Method):
        raise ValueError(f"a row of the table of methods is a trajflow.methods.Method, got {type(method).__name__}")
    if method.name in METHODS:
        raise ValueError(f"there is a method {method.name!r} already")
    if method.family not in get_args(Family):
        raise ValueError(f"{method.name!r} is of the family {method.family!r}; choose one of {get_args(Family)}")
    if not callable(getattr(method.transition, "begin", None)):
        raise ValueError(f"the transition of {method.name!r} has no begin()")
    METHODS[method.name] = method


_waiting: list[EntryPoint] = []


def load_plugins() -> None:
    """Add what installed packages bring. One that cannot be used is named in the log, and left out."""
    try:
        entries = tuple(plugins.named(GROUP).values())
    except PluginError as error:
        logger.warning("No method of another package is there. %s", error)
        return
    for entry in entries:
        if plugins.is_being_imported(entry):
            _waiting.append(entry)
        else:
            _bring(entry)


def load_waiting() -> None:
    """Add what packages bring that were themselves being imported, and had asked for this module, at `load_plugins`."""
    while _waiting:
        _bring(_waiting.pop(0))


def _bring(entry: EntryPoint) -> None:
    try:
        brought = plugins.load(entry)
        for method in (brought,) if isinstance(brought, Method) else _rows(brought):
            register(method)
    except (PluginError, ValueError) as error:
        logger.warning("The method %s of %s is left out: %s", entry.name, plugins.owner(entry), error)


def _rows(brought: object) -> Iterable[Method]:
    if not isinstance(brought, Iterable):
        raise ValueError(f"it names neither a Method nor a sequence of them, but {type(brought).__name__}")
    return brought


load_plugins()
