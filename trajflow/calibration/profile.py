"""What is known of a model: its profile, by calibration, and what a session's own comparisons add to that.

A profile says where to evaluate and how to coast with sources, which steps to compute without any, and what to expect.
It is kept as a file; what a file holds is checked by `stored.py`.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from trajflow.assets import WORLD, asset
from trajflow.base import Forecaster, Level, NodeSchedule
from trajflow.cache.tiers import Resumed
from trajflow.calibration.caching import Caching
from trajflow.errors import CacheError
from trajflow.field import even_nodes
from trajflow.policies.budcache import BudCache

FORMAT: Final = 1
PROFILE_FILE = "profile.json"
BUNDLED = asset(WORLD.folder) / PROFILE_FILE
_LOG = logging.getLogger(__name__)
REFERENCE_STEPS = 28
SCALED_NODES: dict[int, tuple[int, ...]] = {
    3: (0, 14, 24),
    5: (0, 9, 17, 22, 25),
    7: (0, 6, 12, 17, 21, 24, 26),
}
CORRECTION = 0.8
# What an identical picture counts as, so that it bends no forecast.
MOST_DB = 70.0


@dataclass(frozen=True)
class Placement:
    """A node schedule, and the forecaster for what is known before it is begun (see `forecast.features_before`)."""

    node_schedule: NodeSchedule
    before: Forecaster | None = None

    def moved(self, before_db: float, during_db: float) -> "Placement":
        """With so many dB added to its forecasts, those made before a run and those made during it."""
        before = None if self.before is None else _moved(self.before, before_db)
        return Placement(_moved_nodes(self.node_schedule, during_db), before)


@dataclass(frozen=True)
class GuidanceShift:
    """What forecasts are off by at so many `times` the guidance they were learned at, in dB: those made before a
    transport begins, those made during it, and those of runs without a source. `across_before_db` and `across_db` come
    to the former two where guidance is so many times that of the sources."""

    times: float
    before_db: float = 0.0
    during_db: float = 0.0
    alone_db: float = 0.0
    across_before_db: float = 0.0
    across_db: float = 0.0


@dataclass(frozen=True)
class Profile:
    """What was learned about the model of that fingerprint, on a grid of `steps`.

    `single` and `several` hold a placement for each number of evaluations that was calibrated, for one source and for
    more, `without_sources` what to do without any. All was learned at that `guidance`, 0 where that is not known;
    `shifts` say what forecasts are off by at a few others, rising. `made` says from what (prompts, seeds, versions).

    >>> import trajflow
    >>> trajflow.Profile("a model's digest", steps=28).placement(28, 3, sources=1).node_schedule.nodes
    (0, 14, 24)
    """

    model: str = ""
    steps: int = REFERENCE_STEPS
    single: Mapping[int, Placement] = field(default_factory=dict)
    several: Mapping[int, Placement] = field(default_factory=dict)
    without_sources: Mapping[int, Caching] = field(default_factory=dict)
    guidance: float = 0.0
    shifts: tuple[GuidanceShift, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)

    def budcache(self, steps: int, budget: int) -> BudCache | None:
        """The steps computed without a source and what they keep, as searched for that budget; None if not searched."""
        caching = self.without_sources.get(budget)
        policy = None if caching is None or steps != self.steps else caching.policies.get("budcache")
        return policy if isinstance(policy, BudCache) else None

    def keeping(self, levels: Sequence[Level]) -> "Profile":
        """Without the policies, and their forecasts, that keep what a model of these levels does not have."""
        return replace(self, without_sources={b: each.keeping(levels) for b, each in self.without_sources.items()})

    def at_guidance(self, guidance: float, source_guidance: float | None = None) -> "Profile":
        """With its forecasts moved by what they are off by at this guidance, with sources of their own or the same.

        The same profile where nothing is known of that. Between the values that were measured, linear in the logarithm
        of guidance; below the lowest that one holds, beyond the highest it goes on so.
        """
        source = guidance if source_guidance is None else source_guidance
        if not self.shifts or guidance == self.guidance == source:
            return self
        # At 1 and below only the prompt is evaluated.
        times, across = guidance / self.guidance, max(1.0, guidance) / max(1.0, source)
        before_db = self._off_by("before_db", times) + self._off_by("across_before_db", across)
        during_db = self._off_by("during_db", times) + self._off_by("across_db", across)
        alone_db = self._off_by("alone_db", times)
        return replace(
            self,
            single={count: each.moved(before_db, during_db) for count, each in self.single.items()},
            several={count: each.moved(before_db, during_db) for count, each in self.several.items()},
            without_sources={budget: each.moved(alone_db) for budget, each in self.without_sources.items()},
        )

    def _off_by(self, name: str, times: float) -> float:
        at, off_db = [math.log(each.times) for each in self.shifts], [getattr(each, name) for each in self.shifts]
        asked = math.log(max(times, self.shifts[0].times))
        if asked <= at[-1] or len(at) == 1:
            return float(np.interp(asked, at, off_db))
        slope = (off_db[-1] - off_db[-2]) / (at[-1] - at[-2])
        return off_db[-1] + min(0.0, slope) * (asked - at[-1])

    def placements(self, sources: int) -> Mapping[int, Placement]:
        """Placements by number of evaluations, for that many sources."""
        return self.several if sources > 1 else self.single

    def placement(self, steps: int, count: int, sources: int) -> Placement:
        """`count` of `steps` evaluations: as calibrated on this grid, else scaled from it or from the bundled model's.

        Coasting is taken over with scaled nodes, forecasts are not.
        """
        known = self.placements(sources).get(count)
        if known is not None and steps == self.steps and count < steps:
            return known
        if known is not None:
            node_schedule, reference = known.node_schedule, self.steps
        else:
            nodes = SCALED_NODES.get(count, ())
            node_schedule, reference = NodeSchedule(nodes, corrections=(CORRECTION,) * len(nodes)), REFERENCE_STEPS
        scaled = tuple(round(node * steps / reference) for node in node_schedule.nodes)
        if not scaled or len(set(scaled)) < count or scaled[-1] >= steps:
            nodes = even_nodes(steps, count)
            return Placement(NodeSchedule(nodes, corrections=(CORRECTION,) * len(nodes)))
        # Learned coefficients belong to the gaps they were learned on.
        return Placement(NodeSchedule(scaled, node_schedule.slopes, node_schedule.corrections))


def _moved(forecaster: Forecaster, shift_db: float) -> Forecaster:
    """The first coefficient is the intercept's."""
    quantiles = (forecaster.low, forecaster.assured, forecaster.median, forecaster.high)
    return Forecaster(*((each[0] + shift_db, *each[1:]) for each in quantiles))


def _moved_nodes(node_schedule: NodeSchedule, shift_db: float) -> NodeSchedule:
    far = None if node_schedule.far is None else _moved_nodes(node_schedule.far, shift_db)
    moved = tuple(_moved(each, shift_db) for each in node_schedule.forecasters)
    return replace(node_schedule, forecasters=moved, far=far)


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


def model_digest(identity: Mapping[str, Any]) -> str:
    """The hash that names a model in its profile: all of `Model.identity()` but the device."""
    kept = {key: value for key, value in identity.items() if key != "device"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def profile_folder() -> Path:
    """Where `trajflow calibrate` keeps profiles: TRAJFLOW_HOME, else the user's cache folder."""
    home = os.environ.get("TRAJFLOW_HOME")
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return (Path(home) if home else Path(cache) / "trajflow") / "profiles"


def find_profile(identity: Mapping[str, Any]) -> Profile:
    """The profile of a model: the user's own, else the bundled one, else one that knows nothing of it.

    A file that cannot be read, or a user's own that is for another model, is passed over with a warning in the log.
    """
    model = model_digest(identity)
    own = profile_folder() / f"{model}.json"
    for path, wanted in ((own, model), (BUNDLED, None)):
        if path.exists():
            try:
                profile = _read_once(path, wanted, _stamp(path), _stamp(path.with_suffix(".safetensors")))
            except CacheError as error:
                _LOG.warning("%s It is passed over.", error)
                continue
            if profile.model == model:
                return profile
    return Profile(model)


@lru_cache(maxsize=4)
def _read_once(path: Path, wanted: str | None, *stamps: tuple[int, int]) -> Profile:
    """A profile as its files are at that moment, one for all sessions: half a megabyte that nobody writes to."""
    return read_profile(path, wanted)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does; zeros where there is none."""
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return (about.st_mtime_ns, about.st_size)


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile as JSON and, where it has priors, safetensors of the same name beside it.

    Raises CacheError, in one sentence, where that is not possible.
    """
    # Pydantic takes a moment to load, and most sessions find no profile.
    from trajflow.calibration.stored import ProfileFile, priors_of

    tensors = priors_of(profile)
    text = json.dumps(ProfileFile.of(profile).model_dump(mode="json"), indent=1)
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if tensors:
            partial.write_bytes(save(tensors))
            partial.replace(path.with_suffix(".safetensors"))
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise CacheError(f"The profile cannot be written to {path}: {error}.") from error


def read_profile(path: Path, model: str | None = None) -> Profile:
    """Read a profile; `model` is the digest it must be for, None takes any.

    Raises CacheError, in one sentence, for a file that is not a profile, or not this model's.
    """
    from pydantic import ValidationError

    from trajflow.calibration.stored import ProfileFile

    try:
        text = path.read_bytes()
        _check_format(path, text)
        profile = ProfileFile.model_validate_json(text).profile(_priors(path))
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise CacheError(f"{path} is not a profile: {where + ': ' if where else ''}{wrong['msg']}.") from error
    except (OSError, SafetensorError, ValueError, LookupError, RecursionError) as error:
        raise CacheError(f"{path} is not a profile: {type(error).__name__}: {error}.") from error
    if model is not None and profile.model != model:
        raise CacheError(
            f"{path} was made for another model ({profile.model[:12]}, not {model[:12]}). Run trajflow calibrate anew."
        )
    return profile


def _check_format(path: Path, text: bytes) -> None:
    """Raises CacheError for a profile of another format, whatever else it holds."""
    stored = json.loads(text)
    if isinstance(stored, dict) and stored.get("format", FORMAT) != FORMAT:
        raise CacheError(f"{path} is a profile of format {stored['format']}; this version reads {FORMAT}.")


def _priors(path: Path) -> dict[str, Tensor]:
    beside = path.with_suffix(".safetensors")
    return load_file(beside) if beside.exists() else {}
