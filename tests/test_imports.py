"""The rooms of docs/architecture.md, held by reading the imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trajflow

ROOT = Path(trajflow.__file__).parent

# A module imports only from entries above its own; entries of one row do not import each other.
LAYOUT = (
    ("base", "errors", "assets"),
    ("extras",),
    ("field", "forecast", "memory", "plugins"),
    ("models", "cache", "transitions", "policies", "metrics"),
    ("search",),
    ("calibration",),
    ("methods",),
    ("settings",),
    ("planner",),
    ("sampler",),
    ("session",),
    ("engine",),
    ("learning",),
    ("testing",),
    ("bench",),
    ("ui",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, row in enumerate(LAYOUT) for name in row}
# What `import torch` itself may bring along, from one version and machine to the next.
WITH_TORCH = {
    *("torchgen", "tqdm", "typing_extensions", "charset_normalizer", "cython_runtime", "sympy", "mpmath", "yaml"),
    *("networkx", "jinja2", "markupsafe", "opt_einsum", "triton", "psutil", "sitecustomize"),
}
MODULES = sorted(ROOT.rglob("*.py"))


def entry_of(module: str) -> str:
    """The layout entry of a dotted name: trajflow.cache.store -> cache; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Dotted names of this library that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "trajflow":
                yield from (f"trajflow.{alias.name}" for alias in node.names)
            elif (node.module or "").startswith("trajflow."):
                yield node.module


def internal(path: Path) -> list[str]:
    return [name for name in imported(path) if name.split(".")[0] == "trajflow"]


def test_every_module_has_a_place_in_the_layout() -> None:
    assert {entry_of(dotted(path)) for path in MODULES} - {""} <= RANK.keys()


def test_imports_point_one_way() -> None:
    wrong = []
    # The package itself is the front door.
    for path in (path for path in MODULES if entry_of(dotted(path))):
        own = entry_of(dotted(path))
        for name in internal(path):
            entry = entry_of(name)
            # The front door (`import trajflow`, `trajflow.load`) is for what lies above the session.
            rank = RANK.get(entry, RANK["session"])
            if entry != own and rank >= RANK[own]:
                wrong.append(f"{dotted(path)} imports {name}")
    assert not wrong, wrong


def test_nothing_but_the_app_and_the_command_line_knows_gradio() -> None:
    for path in MODULES:
        if entry_of(dotted(path)) in ("ui", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "gradio" for name in names), dotted(path)


def test_the_checker_sees_imports_that_are_there() -> None:
    """Else the tests above would hold for a reader that finds nothing."""
    assert "trajflow.sampler" in internal(ROOT / "session" / "runner.py")
    assert "trajflow.models.sd3" in internal(ROOT / "models" / "registry.py"), "imports inside functions count"
    assert RANK["session"] > RANK["sampler"] > RANK["planner"] > RANK["settings"] > RANK["cache"]


@pytest.mark.slow
def test_importing_the_library_loads_only_what_every_run_needs() -> None:
    code = "import sys, trajflow; print(*sys.modules); import trajflow.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    library, commands = ({name.partition(".")[0] for name in line.split()} for line in done.stdout.splitlines())
    known = {"trajflow", "torch", "numpy", "PIL", "safetensors", "filelock", *WITH_TORCH, *sys.stdlib_module_names}
    assert "torch" in library
    assert {name for name in library if not name.startswith("_")} - known == set()
    heavy = {"diffusers", "transformers", "gradio", "sentence_transformers", "faiss"}
    assert not commands & heavy, "nor does the command line"
