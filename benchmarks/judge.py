"""Does a picture show what was asked? A small network reads what a drawn landscape shows.

The weights come with what every prompt of the bundled held-out files asks for.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL.Image import Image
from safetensors import SafetensorError, safe_open

from benchmarks import tiny_judge, world_judge
from benchmarks.data import JUDGE
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair


@runtime_checkable
class Judge(Protocol):
    """Reads pictures of one world."""

    def knows(self, prompt: str) -> bool:
        """Whether it is known what `prompt`, without a negative prompt, asks for."""

    def obeyed(self, picture: Image, prompt: str, negative: str = "") -> dict[str, bool]:
        """For everything asked, whether it is read so. Raises RequestError for a prompt that is not known."""

    def edit_obeyed(self, picture: Image, pair: Pair) -> bool | None:
        """Whether what the pair's edit asks for is read so; None where the edit changes no more than the wording."""


def load_judge(path: Path | None = None) -> Judge:
    """The judge of a file, the bundled one by default. Raises RequestError when it cannot be read."""
    path = path or JUDGE
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        room = world_judge if about.get("network") == world_judge.NETWORK else tiny_judge
        return room.restore(about, weights)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise RequestError(f"{path} holds no judge: {error}. Make it with: python -m tools.tiny.judge.") from error
