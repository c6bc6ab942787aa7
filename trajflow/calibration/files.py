"""Profiles as files: where they lie, and their reading and writing. What a file holds is checked by `stored.py`."""

import json
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from trajflow.assets import asset
from trajflow.calibration.profile import Profile, model_digest
from trajflow.errors import CacheError

FORMAT: Final = 1
PROFILE_FILE = "profile.json"
BUNDLED = asset("tiny") / PROFILE_FILE
_LOG = logging.getLogger(__name__)


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
