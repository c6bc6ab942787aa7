"""Where the files that come with trajflow are: weights, pairs of prompts, examples, style."""

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class World:
    """A bundled model's folder, and the assets that are drawn from what it knows.

    `*_session` files have the same pairs, with what a session holds besides their sources. Of the kinds of pairs,
    `edits` change what is shown and `light` the wording alone.
    """

    folder: str
    heldout: str
    heldout_session: str
    calibration: str
    calibration_session: str
    requests_heldout: str
    requests_calibration: str
    chains_heldout: str
    edits: tuple[str, ...]
    light: tuple[str, ...] = ("paraphrase", "praise")


FIRST_WORLD = World(
    folder="tiny",
    heldout="pairs/heldout.csv",
    heldout_session="pairs/heldout_session.csv",
    calibration="pairs/calibration.csv",
    calibration_session="pairs/calibration_session.csv",
    requests_heldout="pairs/requests_heldout.csv",
    requests_calibration="pairs/requests_calibration.csv",
    chains_heldout="pairs/chains_heldout.csv",
    edits=("time", "weather", "foreground", "subject"),
)
NEW_WORLD = World(
    folder="world",
    heldout="pairs/world_heldout_1.csv",
    heldout_session="pairs/world_heldout_5.csv",
    calibration="pairs/world_calibration.csv",
    calibration_session="pairs/world_calibration.csv",
    requests_heldout="pairs/world_requests_heldout.csv",
    requests_calibration="pairs/world_requests_calibration.csv",
    chains_heldout="pairs/world_chains_heldout.csv",
    edits=(
        *("two attributes", "adding", "removing", "counting", "colouring", "moving", "style", "negative"),
        *("contradiction", "long"),
    ),
)
# The one that comes with the library; everything that is measured or learned by default follows it.
WORLD = FIRST_WORLD


def asset(name: str) -> Path:
    """A file or folder of `assets/`: inside the package once installed, beside it in a checkout."""
    packaged = PACKAGE / "bundled" / name
    return packaged if packaged.exists() else PACKAGE.parent / "assets" / name
