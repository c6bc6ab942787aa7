"""One server and one Chromium for a module; every test gets a page, and so a session, of its own, to do things with."""

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.warm import ROOT, Warm
from trajflow.bench.fuzz.pages import ARGUMENTS, find_browser
from trajflow.calibration import model_digest, write_profile
from trajflow.models.registry import load

CHROMIUM = find_browser()
START_SECONDS = 180
RUN_MS = 120_000
expect.set_options(timeout=30_000)
# As long as an evaluation of the bundled network takes: time enough to stop a run, to queue and to type meanwhile.
PAUSE = 0.02
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
  .observe({type: 'layout-shift', buffered: true});
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def served(home, is_warm=True, **variables):
    """The app on the loopback, with these environment variables; its address. If not warm, by `python app.py`."""
    port, log = free_port(), home / "log.txt"
    variables = {"TRAJFLOW_HOME": str(home), **variables}
    if is_warm:
        model = variables.get("TRAJFLOW_MODEL", "tiny")
        arguments = ["ui", "--model", model, "--host", "127.0.0.1", "--port", str(port)]
        server = Warm(arguments, log, variables, PAUSE)
    else:
        variables |= {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
        with log.open("w") as output:
            command = [sys.executable, "app.py"]
            server = subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(url):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the app did not start:\n" + log.read_text()[-4000:])
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=90)
    assert "Traceback" not in log.read_text(), log.read_text()[-4000:]


@pytest.fixture(scope="session")
def serve():
    return served


@pytest.fixture(scope="session")
def small_home(small_folder, make_profile, tmp_path_factory):
    """A home folder in which the small model is calibrated, by hand."""
    home = tmp_path_factory.mktemp("home")
    profile = make_profile(28, {5: 40.0, 10: 60.0}, model_digest(load(small_folder, device="cpu").identity()))
    write_profile(home / "profiles" / f"{profile.model}.json", profile)
    return home


@pytest.fixture(scope="module")
def address(request, small_folder, small_home, tmp_path_factory):
    """The app of a small model, which is calibrated and has the bundled one's words."""
    home = tmp_path_factory.mktemp("server")
    shutil.copytree(small_home, home, dirs_exist_ok=True)
    variables = {"TRAJFLOW_MODEL": str(small_folder)}
    with served(home, getattr(request.module, "IS_WARM", True), **variables) as url:
        yield url


def is_up(url):
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Studio:
    """What a person does on the page."""

    def __init__(self, page):
        self.page = page
        self.prompt = page.locator("#prompt")
        self.status = page.locator("#status")
        self.badge = page.locator("#current-badge")
        self.cards = page.locator(".card")

    def is_in_state(self, state):
        expect(self.badge).to_have_attribute("data-state", state, timeout=RUN_MS)

    def type(self, prompt):
        self.prompt.press_sequentially(prompt, delay=20)

    def make(self, prompt=None, state="good"):
        """Enter, and wait for the picture."""
        if prompt is not None:
            self.prompt.fill(prompt)
        self.prompt.press("Enter")
        expect(self.status).to_have_text(re.compile(r"^(Good|Exact)"), timeout=RUN_MS)

    def off(self, *switches):
        for switch in switches:
            self.page.uncheck(f"#{switch}")

    def menu(self, button, item):
        self.page.click(button)
        self.page.get_by_role("menuitem", name=item).click()

    def download(self, act):
        with self.page.expect_download() as waiting:
            act()
        return Path(waiting.value.path()).read_bytes()

    def at_first(self, selector, pattern, act):
        """In the page, as soon as a part says so, run a line of JavaScript: whatever goes on then still goes on there,
        however fast it is."""
        self.page.evaluate(
            """([selector, pattern, act]) => {
              const part = document.querySelector(selector), wanted = new RegExp(pattern);
              const observer = new MutationObserver(() => {
                if (!wanted.test(part.textContent)) return;
                observer.disconnect();
                new Function(act)();
              });
              observer.observe(part, { childList: true, characterData: true, subtree: true });
            }""",
            [selector, pattern, act],
        )

    def types_and(self, text, act):
        """Type more and do something else before the pause after it is over, as lines of JavaScript in one tick; a
        function that tells what the page has asked for since."""
        self.page.evaluate(
            """([text, act]) => {
              const prompt = document.getElementById("prompt"), ask = window.fetch;
              window.asked = [];
              window.fetch = (url, ...rest) => { window.asked.push(String(url)); return ask(url, ...rest); };
              prompt.value += text;
              prompt.dispatchEvent(new Event("input"));
              new Function(act)();
            }""",
            [text, act],
        )
        return lambda: self.page.evaluate("window.asked")

    def previews(self, act):
        """Do something and wait for the preview of it, also where idle time has made it exact since."""
        self.told("#status")
        act()
        said = "() => document.getElementById('status').said.some((words) => words.startsWith('Preview:'))"
        self.page.wait_for_function(said, timeout=RUN_MS)

    def told(self, selector):
        """From now on, all that a part has said, also what it said for a moment: a function that tells it."""
        code = "part => { const said = part.said = []; const note = () => said.push(part.textContent);"
        code += " new MutationObserver(note).observe(part, {childList: true, characterData: true, subtree: true}); }"
        self.page.locator(selector).evaluate(code)
        return lambda: self.page.locator(selector).evaluate("part => part.said")

    def shows(self, selector):
        """Whether all of a part is in the window."""
        box, size = self.page.locator(selector).bounding_box(), self.page.viewport_size
        inside = box["y"] + box["height"] <= size["height"] + 1 and box["x"] + box["width"] <= size["width"] + 1
        return inside and box["x"] >= 0 and box["y"] >= 0 and box["width"] > 0

    def picture(self, side="current"):
        """The pixels on the stage."""
        source = self.page.locator(f"#{side}-image").get_attribute("src")
        code = "async (url) => Array.from(new Uint8Array(await (await fetch(url)).arrayBuffer()))"
        return Image.open(io.BytesIO(bytes(self.page.evaluate(code, source)))).convert("RGB").tobytes()


@pytest.fixture
def visit(chromium, address):
    """Open the page as a new visitor; what the browser said and asked for is checked at the end."""
    with contextlib.ExitStack() as stack:
        strange = []

        def come(width=1280, height=720, theme="light", path="", **options):
            # The page's own policy lets nothing fetch what the browser made, which only these tests do.
            options = {"bypass_csp": True, **options}
            size = {"width": width, "height": height}
            context = chromium.new_context(viewport=size, color_scheme=theme, **options)
            stack.callback(context.close)
            context.add_init_script(SHIFTS)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: strange.append(f"script error: {error}"))
            page.on("request", lambda request: strange.extend(foreign(request.url, address)))
            page.on("response", lambda answer: strange.extend([answer.url] if answer.status >= 500 else []))
            page.goto(address + path, wait_until="load")
            page.wait_for_selector("html[data-ready]")
            return Studio(page)

        yield come
    assert not strange


def foreign(url, address):
    """What the page asked of anyone but its own server."""
    return [] if url.startswith((address, "data:", "blob:")) else [f"asked {url}"]
