"""What other packages bring: objects that they name in an entry point group of trajflow's.

A package says so in its pyproject.toml, and nothing of it is imported before it is asked for:

    [project.entry-points."trajflow.adapters"]
    MyPipeline = "my_package:MyAdapter"
"""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trajflow.errors import PluginError


def named(group: str) -> dict[str, EntryPoint]:
    """What the installed packages name in a group. Raises PluginError where two of them bring the same name."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.get(entry.name)
        if other is not None and other.value != entry.value:
            raise PluginError(f"{owner(other)} and {owner(entry)} both bring {entry.name} ({group}): uninstall one.")
        found[entry.name] = entry
    return found


def load(entry: EntryPoint) -> Any:
    """The object itself. Raises PluginError when its package cannot be imported or does not hold it."""
    try:
        return entry.load()
    except Exception as error:
        said = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise PluginError(f"{owner(entry)} brings {entry.name} ({entry.group}) and it fails: {said}.") from error


def is_being_imported(entry: EntryPoint) -> bool:
    """Whether the entry's module is half made: it is what has asked for whoever asks this."""
    module = sys.modules.get(entry.module)
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def owner(entry: EntryPoint) -> str:
    """The package that an entry point came with."""
    return entry.dist.name if entry.dist is not None else entry.module
