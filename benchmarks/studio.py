"""The studio in a browser: from a pause in typing to the preview, from Enter to the picture, from Enter to exact.

Times are taken in the page, from the event of the last key to the frame in which the picture is there.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trajflow.errors import TrajflowError

START_SECONDS = 180.0
ENDS = ("at dawn", "at noon", "at sunset", "at night", "in the fog", "in the snow", "with a cabin", "with a boat")
# The moments at which the badge changes, and the shifts and long tasks of the page, as the browser reports them.
WATCH = """
window.seen = {shift: 0, long: 0, moments: [], key: 0, usable: 0};
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { seen.shift += entry.value; }))
  .observe({type: 'layout-shift', buffered: true});
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { seen.long = Math.max(seen.long, entry.duration); }))
  .observe({type: 'longtask', buffered: true});
addEventListener('keydown', () => { seen.key = performance.now(); }, true);
addEventListener('DOMContentLoaded', () => {
  const watch = new MutationObserver(() => {
    if (!seen.usable && document.documentElement.dataset.ready) seen.usable = performance.now();
    const badge = document.getElementById('current-badge'), title = document.getElementById('current-title');
    const last = seen.moments.at(-1);
    if (badge.dataset.state && (!last || last.state !== badge.dataset.state || last.title !== title.textContent))
      seen.moments.push({state: badge.dataset.state, title: title.textContent, at: performance.now()});
  });
  watch.observe(document.documentElement, {subtree: true, attributes: true, childList: true});
});
"""  # noqa: E501


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, and the most it should be."""

    name: str
    measured: float
    unit: str
    most: float


@contextmanager
def served() -> Iterator[str]:
    """The address of a studio of its own, over the bundled model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    command = [sys.executable, "app.py"]
    folder, silent = Path(__file__).parents[1], subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=silent, stderr=silent)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_up(address):
            if server.poll() is not None or time.monotonic() > deadline:
                raise TrajflowError("The studio did not start: run `python app.py` to see why.")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def measure(address: str, runs: int, chromium: Path | None = None) -> list[Row]:
    """The medians over `runs` edits of one picture, and the whole visit's shift and longest task."""
    from playwright.sync_api import expect, sync_playwright

    found = str(chromium) if chromium else shutil.which("chromium") or shutil.which("chromium-browser")
    previews, finals, exacts = [], [], []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(WATCH)
        page.goto(address, wait_until="load")
        page.wait_for_selector("html[data-ready]")
        prompt, badge = page.locator("#prompt"), page.locator("#current-badge")
        prompt.fill("a mountain landscape")
        prompt.press("Enter")
        expect(badge).to_have_attribute("data-state", "exact", timeout=120_000)
        for run in range(runs):
            end = ENDS[run % len(ENDS)] + " and clouds" * (run // len(ENDS))
            prompt.fill("a mountain landscape ")
            page.evaluate("seen.moments = []")
            prompt.press_sequentially(end, delay=15)
            typed = page.evaluate("seen.key")
            expect(page.locator("#current-title")).to_contain_text(end, timeout=120_000)
            expect(badge).to_have_attribute("data-state", "preview", timeout=120_000)
            previews.append((_moment(page, "preview", end) - typed) / 1000)
            prompt.press("Enter")
            entered = page.evaluate("seen.key")
            expect(badge).to_have_attribute("data-state", "exact", timeout=120_000)
            good, exact = _moment(page, "good", end), _moment(page, "exact", end)
            finals.append(((good if good > entered else exact) - entered) / 1000)
            exacts.append((exact - entered) / 1000)
        seen = page.evaluate("({shift: seen.shift, long: seen.long, usable: seen.usable})")
        browser.close()
    return [
        Row("pause to preview", statistics.median(previews), "s", 0.4),
        Row("Enter to final", statistics.median(finals), "s", 1.0),
        Row("Enter to exact", statistics.median(exacts), "s", 3.0),
        Row("page usable", seen["usable"] / 1000, "s", 1.0),
        Row("layout shift, whole visit", seen["shift"], "", 0.1),
        Row("longest task in the page", seen["long"] / 1000, "s", 0.2),
    ]


def _moment(page, state: str, end: str) -> float:
    """When the picture of that prompt was first in a state, in milliseconds of the page; 0 where it never was."""
    moments = page.evaluate("seen.moments")
    return next((each["at"] for each in moments if each["state"] == state and end in each["title"]), 0.0)


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
