"""Where the files that come with trajflow are: weights, examples, style."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """A file or folder of `assets/`: inside the package once installed, beside it in a checkout."""
    packaged = PACKAGE / "bundled" / name
    return packaged if packaged.exists() else PACKAGE.parent / "assets" / name
