"""What `import trajflow` adds to `import diffusers`, in processes of their own."""

import statistics
import subprocess
import sys

from trajflow.bench.markdown import table

CODE = """
import sys, time
began = time.perf_counter()
import diffusers
between = time.perf_counter()
import trajflow
print(between - began, time.perf_counter() - between)
"""
GOAL_S = 0.3


def once() -> tuple[float, float]:
    """Seconds to import diffusers, and then trajflow, in a new process."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, added = map(float, done.stdout.split())
    return before, added


def measure(repeats: int) -> tuple[float, float]:
    """Medians of so many processes, after one not counted."""
    runs = [once() for _ in range(repeats + 1)][1:]
    before, added = (statistics.median(run[i] for run in runs) for i in (0, 1))
    return before, added


def markdown(before: float, added: float) -> str:
    """The two figures beside the goal."""
    rows = (("import diffusers", f"{before:.2f}"), ("then import trajflow", f"{added:.2f}"))
    return f"{table(('', 'seconds'), rows, right=True)}\n\nThe goal is below {GOAL_S} s for the second."
