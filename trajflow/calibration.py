"""What was learned about one model: where to evaluate, how to coast, and what fidelity to expect (its profile).

`trajflow calibrate` writes a profile; the one of the bundled model ships with it. A profile names the model it was made
for by a hash of its identity without the device, and is used for no other. A model without one gets the bundled model's
nodes, scaled to its grid, and no forecasts.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trajflow.assets import asset
from trajflow.base import Forecaster, Rung
from trajflow.errors import CacheError
from trajflow.flow import even_nodes
from trajflow.forecast import FEATURES, FEATURES_BEFORE

FORMAT = 1
PROFILE_FILE = "profile.json"
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
    """A rung, and the forecaster for what is known before it is begun (see `forecast.features_before`)."""

    rung: Rung
    before: Forecaster | None = None


@dataclass(frozen=True)
class Profile:
    """What was learned about the model of that fingerprint, on a grid of `steps`.

    `single` and `several` hold a placement for each number of evaluations that was calibrated, for one source and for
    more; `made` says from what (prompts, seeds, versions).
    """

    model: str = ""
    steps: int = REFERENCE_STEPS
    single: Mapping[int, Placement] = field(default_factory=dict)
    several: Mapping[int, Placement] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

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
            rung, reference = known.rung, self.steps
        else:
            nodes = SCALED_NODES.get(count, ())
            rung, reference = Rung(nodes, corrections=(CORRECTION,) * len(nodes)), REFERENCE_STEPS
        scaled = tuple(round(node * steps / reference) for node in rung.nodes)
        if not scaled or len(set(scaled)) < count or scaled[-1] >= steps:
            nodes = even_nodes(steps, count)
            return Placement(Rung(nodes, corrections=(CORRECTION,) * len(nodes)))
        return Placement(Rung(scaled, rung.slopes, rung.corrections))


def fingerprint(identity: Mapping[str, Any]) -> str:
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

    A file that cannot be read, or is for another model, is passed over.
    """
    model = fingerprint(identity)
    for path in (profile_folder() / f"{model}.json", asset("tiny") / PROFILE_FILE):
        if path.exists():
            try:
                return read_profile(path, model)
            except CacheError:
                continue
    return Profile(model)


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile as JSON. Raises CacheError, in one sentence, where that is not possible."""
    text = json.dumps({"format": FORMAT, **asdict(profile)}, indent=1)
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise CacheError(f"The profile cannot be written to {path}: {error.strerror}.") from error


def read_profile(path: Path, model: str | None = None) -> Profile:
    """Read a profile; `model` is the fingerprint it must be for, None takes any.

    Raises CacheError, in one sentence, for a file that is not a profile, or not this model's.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise CacheError(f"{path} is a profile of format {stored['format']}; this version reads {FORMAT}.")
        steps = int(stored["steps"])
        profile = Profile(
            str(stored["model"]),
            steps,
            _placements(stored["single"], steps),
            _placements(stored["several"], steps),
            dict(stored["made"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CacheError(f"{path} is not a profile: {type(error).__name__}: {error}.") from error
    if model is not None and profile.model != model:
        raise CacheError(
            f"{path} was made for another model ({profile.model[:12]}, not {model[:12]}). Run trajflow calibrate anew."
        )
    return profile


def _placements(stored: Mapping[str, Any], steps: int) -> dict[int, Placement]:
    return {int(count): _placement(each, int(count), steps) for count, each in stored.items()}


def _placement(stored: Mapping[str, Any], count: int, steps: int) -> Placement:
    rung = stored["rung"]
    nodes = tuple(map(int, rung["nodes"]))
    if len(nodes) != count or nodes[0] != 0 or nodes[-1] >= steps or list(nodes) != sorted(set(nodes)):
        raise ValueError(f"{nodes} are not {count} rising steps from 0 to {steps - 1}")
    lists = [rung[name] for name in ("slopes", "corrections", "forecasters")]
    if not all(len(each) in (0, count) for each in lists):
        raise ValueError(f"not all that belongs to {nodes} has {count} parts")
    slopes, corrections, forecasters = lists
    return Placement(
        Rung(
            nodes,
            _numbers(slopes, len(slopes)),
            _numbers(corrections, len(corrections)),
            tuple(_forecaster(each, FEATURES[min(number, 1)]) for number, each in enumerate(forecasters)),
        ),
        None if stored["before"] is None else _forecaster(stored["before"], FEATURES_BEFORE),
    )


def _forecaster(stored: Mapping[str, Any], count: int) -> Forecaster:
    return Forecaster(*(_numbers(stored[name], count) for name in ("low", "assured", "median", "high")))


def _numbers(values: Sequence[Any], count: int) -> tuple[float, ...]:
    numbers = tuple(map(float, values))
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{list(numbers)} are not {count} finite numbers")
    return numbers


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
    more, where `NARROWEST` stops it.
    """

    outcomes: tuple[Outcome, ...] = ()

    PRIOR = 8
    RATE = 2.0
    NARROWEST = -2.0

    def add(self, outcome: Outcome) -> "Learned":
        """With one more comparison."""
        return Learned((*self.outcomes, outcome))

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
