"""What pytest is told of all tests: their order, and where their fixtures are."""

import gc
import os
from pathlib import Path

import pytest

# Ray takes a replica for lost that does not say within 0.1 s how many wait for it, as on a busy machine.
os.environ.setdefault("RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S", "10")

# The longest files, in this order.
LONGEST = (
    "browser/test_studio.py",
    "benchmarks/test_evidence.py",
    "browser/test_details.py",
    "engine/test_engines.py",
    "browser/test_restart.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Where tests are run; the process that only hands them out need not import all of it."""
    if not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("tests.fixtures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then those with slow tests: processes that take file by file then end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path, len(LONGEST)), item.path not in slow))


def pytest_collection_finish() -> None:
    """What was imported stays: where a test collects garbage, it need not be gone over."""
    gc.freeze()
