"""Which files one request runs through: those of the package whose functions are called, as the interpreter tells them.

Records and errors (`base/`, `errors.py`) are left out: a reader looks them up and does not follow them.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import trajflow
from trajflow.bench.markdown import table

ROOT = Path(trajflow.__file__).parent
LOOKED_UP = ("base", "errors.py")
GOAL_FILES = 20
EARLIER, ASKED = ("a mountain landscape", "a mountain landscape in snow"), "a mountain landscape at dusk"


def called_by(work: Callable[[], object]) -> dict[Path, set[str]]:
    """The functions of the package that run during `work`, by file, in the order in which files are first entered."""
    entered: dict[Path, set[str]] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        file = Path(code.co_filename)
        if event != "call" or code.co_name == "<module>" or not file.is_relative_to(ROOT):
            return
        if file.relative_to(ROOT).parts[0] not in LOOKED_UP:
            # Of a comprehension, the function that it stands in.
            entered.setdefault(file, set()).add(code.co_qualname.partition(".<locals>.<")[0])

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return entered


def measure(model: trajflow.Model, steps: int = 6, budget: int = 2) -> dict[Path, set[str]]:
    """What a request calls that starts from two earlier pictures; what is loaded at first use is loaded before."""
    session = trajflow.Session(model)
    for prompt in EARLIER:
        session.generate(prompt, steps=steps, strategy="baseline")
    other = trajflow.Session(model)
    for entry in reversed(session.entries()):
        other.adopt(entry)
    session.generate(ASKED, steps=steps, budget=budget)
    return called_by(lambda: other.generate(ASKED, steps=steps, budget=budget))


def markdown(entered: dict[Path, set[str]]) -> str:
    """The files with their lines and functions, and their sum beside the goal."""
    lines = {file: len(file.read_text().splitlines()) for file in entered}
    rows = [(str(file.relative_to(ROOT)), lines[file], len(names)) for file, names in entered.items()]
    total = f"{len(rows)} files of {sum(lines.values()):,} lines, {sum(map(len, entered.values()))} functions"
    return f"{table(('file', 'lines', 'functions'), rows, right=True)}\n\n{total}. The goal is {GOAL_FILES} files."
