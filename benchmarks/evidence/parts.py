"""The parts of the evidence: what each measures, in which tables it is stored, and about how long it takes.

A part is measured unit by unit: pair by pair where it can be, all at once otherwise. Parts that time something are
measured last, in one process, when nothing else runs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.evidence import contest, numerics, others, overheads, paths, state, switching
from benchmarks.evidence.bench import Bench, Edit, Scale
from trajflow.learning.pairs import Pair

Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Setting:
    """What all parts are measured with: `methods` limits the contest to some, none of them meaning all."""

    scale: Scale
    pairs: tuple[Pair, ...]
    folder: Path
    is_quick: bool
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Part:
    """`minutes` are those of one core at full scale; `units` says in how many pieces it comes."""

    name: str
    tables: tuple[str, ...]
    what: str
    minutes: int
    measure: Callable[[Bench, Setting, int], Tables]
    units: Callable[[Setting], range] = lambda _: range(1)
    is_timed: bool = False


@lru_cache(maxsize=1)
def _edit(bench: Bench, number: int, pair: Pair) -> Edit:
    """The parts of one pair follow each other, and share its from-scratch runs."""
    return Edit.prepare(bench, number, pair)


def _on_pairs(setting: Setting) -> range:
    return range(len(setting.pairs))


def _on_some(setting: Setting) -> range:
    return range(0, len(setting.pairs), setting.scale.some)


def _of_edit(
    **tables: Callable[[Edit, Setting], Iterator[dict[str, Any]] | list[dict[str, Any]]],
) -> Callable[[Bench, Setting, int], Tables]:
    """Tables whose rows are about one pair."""

    def measure(bench: Bench, setting: Setting, unit: int) -> Tables:
        edit = _edit(bench, unit, setting.pairs[unit])
        return {name: list(rows(edit, setting)) for name, rows in tables.items()}

    return measure


def _whole(name: str, rows: Callable[[Bench, Setting], list[dict[str, Any]]]) -> Callable[..., Tables]:
    """One table, measured all at once."""
    return lambda bench, setting, unit: {name: rows(bench, setting)}


PARTS = (
    Part(
        "contest",
        ("contest",),
        "every method at every budget on every held-out pair",
        50,
        _of_edit(contest=lambda edit, setting: contest.measure(edit, setting.scale, setting.methods)),
        _on_pairs,
    ),
    Part(
        "tiers",
        ("tiers",),
        "resuming at the published tiers",
        6,
        _of_edit(tiers=lambda edit, setting: switching.measure_tiers(edit)),
        _on_pairs,
    ),
    Part(
        "switching",
        ("fades", "inertia"),
        "curves of the blend, and the switch step by step",
        6,
        _of_edit(
            fades=lambda edit, setting: switching.measure_fades(edit, setting.scale),
            inertia=lambda edit, setting: switching.measure_inertia(edit, setting.scale),
        ),
        _on_some,
    ),
    Part(
        "state",
        ("state",),
        "what must be kept of a run",
        2,
        _of_edit(state=lambda edit, setting: state.measure(edit, setting.scale)),
        _on_some,
    ),
    Part(
        "paths",
        ("paths",),
        "how far paths stray, part and grow",
        3,
        _of_edit(paths=lambda edit, setting: paths.measure(edit, setting.scale)),
        _on_some,
    ),
    Part(
        "ablation",
        ("ablation",),
        "what each ingredient of transport is worth",
        12,
        _whole("ablation", lambda bench, setting: others.measure_ablation(bench, setting.scale)),
    ),
    Part(
        "planner",
        ("planner",),
        "whether forecasts and fidelities hold",
        45,
        _whole("planner", lambda bench, setting: others.measure_planner(bench, setting.scale)),
    ),
    Part(
        "refinement",
        ("refinement",),
        "the pictures of a refined run",
        12,
        _whole("refinement", lambda bench, setting: others.measure_refinement(bench, setting.scale)),
    ),
    Part(
        "chains",
        ("chains",),
        "chains of twenty edits",
        8,
        _whole("chains", lambda bench, setting: others.measure_chains(bench, setting.scale)),
    ),
    Part(
        "alone",
        ("policies",),
        "runs without a source: solvers, masks, priors",
        40,
        _whole("policies", lambda bench, setting: others.measure_alone(bench, setting.scale)),
    ),
    Part(
        "grid",
        ("grid",),
        "the same on a finer grid, learned for it first",
        80,
        _whole("grid", lambda bench, setting: others.measure_grid(bench, setting.scale, setting.folder)),
    ),
    Part(
        "overheads",
        ("overheads",),
        "milliseconds and bytes around the network",
        3,
        _of_edit(overheads=lambda edit, setting: overheads.measure(edit, setting.scale)),
        is_timed=True,
    ),
    Part(
        "numerics",
        ("numerics",),
        "seconds by tier, number formats, batches, conditioning",
        5,
        _of_edit(numerics=lambda edit, setting: numerics.measure(edit, setting.scale)),
        is_timed=True,
    ),
    Part(
        "block_caches",
        ("block_caches",),
        "caches of diffusers on a FLUX-shaped network",
        3,
        _whole(
            "block_caches",
            lambda bench, setting: others.measure_block_caches(setting.scale, is_small=setting.is_quick),
        ),
        is_timed=True,
    ),
)
NAMES = tuple(part.name for part in PARTS)


def named(name: str) -> Part:
    """The part of that name."""
    return PARTS[NAMES.index(name)]
