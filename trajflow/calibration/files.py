"""Profiles as files: where they lie, and their checked reading and writing."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from trajflow.assets import asset
from trajflow.base import Forecaster, Rung
from trajflow.calibration.caching import describe, understand
from trajflow.calibration.profile import Placement, Profile, fingerprint
from trajflow.errors import CacheError
from trajflow.forecast import FEATURES, FEATURES_BEFORE

FORMAT = 1
PROFILE_FILE = "profile.json"


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
                profile = _read_once(path, _stamp(path), _stamp(path.with_suffix(".safetensors")))
            except CacheError:
                continue
            if profile.model == model:
                return profile
    return Profile(model)


@lru_cache(maxsize=4)
def _read_once(path: Path, *stamps: tuple[int, int]) -> Profile:
    """A profile as its files are at that moment, one for all sessions: half a megabyte that nobody writes to."""
    return read_profile(path)


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
    described, tensors = describe(profile.alone)
    stored = {"format": FORMAT, **asdict(replace(profile, alone={})), "alone": described}
    text = json.dumps(stored, indent=1)
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
            understand(stored.get("alone", {}), _priors(path), steps),
            dict(stored["made"]),
        )
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CacheError(f"{path} is not a profile: {type(error).__name__}: {error}.") from error
    if model is not None and profile.model != model:
        raise CacheError(
            f"{path} was made for another model ({profile.model[:12]}, not {model[:12]}). Run trajflow calibrate anew."
        )
    return profile


def _priors(path: Path) -> dict[str, Tensor]:
    beside = path.with_suffix(".safetensors")
    return load_file(beside) if beside.exists() else {}


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
