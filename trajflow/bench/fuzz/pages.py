"""Scripts in every text that the page shows, in a real Chromium that is told to let scripts of all kinds run."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trajflow.bench.served import Served
from trajflow.bench.visitor import Refused, Visitor
from trajflow.errors import TrajflowError

CALL = "window.ran = (window.ran || 0) + 1"
HOSTILE = (
    f"<script>{CALL}</script>",
    f'<img src=x onerror="{CALL}">',
    f'"><svg/onload="{CALL}">',
    f"'><iframe srcdoc='<script>parent.{CALL.replace('window.', 'window.parent.')}</script>'>",
    f'</textarea><details open ontoggle="{CALL}">',
    f"javascript:{CALL}",
    f"[a lake](javascript:{CALL})",
    "{{constructor.constructor('" + CALL + "')()}}${" + CALL + "}",
    f'<a href="javascript:{CALL}" autofocus onfocus="{CALL}">a lake</a>',
)
# Without the half of it that a desktop sees, Chromium takes a good third less time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
SETTLE_MS = 400


@dataclass
class Injected:
    """How many texts were put in, which of them ran, and what the page itself stumbled over."""

    count: int = 0
    ran: list[str] = field(default_factory=list)
    stumbled: list[str] = field(default_factory=list)

    def dialog(self, dialog: Any) -> None:
        """A window that a script has opened."""
        self.ran.append("a dialog")
        dialog.dismiss()


def find_browser() -> str | None:
    """Where a Chromium is."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser. Raises TrajflowError where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise TrajflowError("The browser needs Playwright and Chromium: pip install pytest-playwright.") from error
    path = find_browser()
    if path is None:
        raise TrajflowError("There is no Chromium here: install it, or leave the part `pages` out with --only.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def injections(app: Served, hostile: tuple[str, ...] = HOSTILE) -> Injected:
    """Put each text into every field, and look at everything that shows it."""
    seen = Injected()
    with chromium() as browser:
        for text in hostile:
            visitor = _session_full_of(app, text)
            context = browser.new_context(bypass_csp=True)
            context.add_init_script(f"sessionStorage.setItem('trajflow-session', '{visitor.key}')")
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("dialog", seen.dialog)
            page.on("pageerror", lambda error: seen.stumbled.append(str(error)[:200]))
            page.goto(app.url, wait_until="load")
            page.wait_for_selector("html[data-ready]")
            for where, act in _places(page, text):
                act()
                page.wait_for_timeout(SETTLE_MS)
                seen.count += 1
                if page.evaluate("window.ran || 0"):
                    seen.ran.append(f"{where}: {text}")
                    page.evaluate("window.ran = 0")
            context.close()
            visitor.close()
    return seen


def _session_full_of(app: Served, text: str) -> Visitor:
    """A session whose prompts, names and archive hold the text."""
    visitor = Visitor(app.url)
    asked = {"seed": 7, "steps": 2, "quality": "exact"}
    key = visitor.run(text, **asked, negative_prompt=text)["node"]["key"]
    visitor.post("node", {"key": key, "name": text[:80], "is_pinned": True})
    visitor.run(f"a lake {text}", **asked, parent=key)
    saved = visitor.post("save")
    for name in (f"pictures/{text[:60]}.png", f"{text[:60]}", "session.json"):
        try:
            visitor.post("load", _renamed(saved, name, text))
        except Refused:
            continue
    return visitor


def _renamed(saved: bytes, name: str, text: str) -> bytes:
    """The archive with a file of that name, or with the text in every word of its own list."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            data = old.read(info.filename)
            if info.filename == name == "session.json":
                about = json.loads(data)
                for entry in about["entries"]:
                    entry |= {"key": entry["key"][::-1], "reason": text, "strategy": text[:40]}
                    entry["node"] |= {"name": text[:80]}
                data = json.dumps(about).encode()
            new.writestr(info.filename, data)
        if name != "session.json":
            new.writestr(name, b"a file")
    return made.getvalue()


def _picture(text: str) -> bytes:
    """A PNG that carries the text as its settings, as other tools write them."""
    info = PngInfo()
    info.add_itxt("parameters", f"{text}\nNegative prompt: {text}\nSteps: 2, Sampler: {text}, Seed: 7, Size: 64x64")
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, format="PNG", pnginfo=info)
    return made.getvalue()


def _places(page: Any, text: str) -> Iterator[tuple[str, Any]]:
    """Every place of the page where the text shows or goes in, and how to come there."""
    yield "the history", lambda: page.locator(".card").first.click()
    yield "why", lambda: page.evaluate("document.querySelector('#why').open = true")
    yield "the prompt", lambda: page.fill("#prompt", text)
    picture = {"name": f"{text[:40].replace('/', '_')}.png", "mimeType": "image/png", "buffer": _picture(text)}
    yield "a PNG's text", lambda: page.set_input_files("#file", picture)
    words = {"name": "a.txt", "mimeType": "text/plain", "buffer": f"{text}\nSteps: 2".encode()}
    yield "a text", lambda: page.set_input_files("#file", words)
    archive = {
        "name": f"{text[:40].replace('/', '_')}.zip",
        "mimeType": "application/zip",
        "buffer": b"PK" + text.encode(),
    }
    yield "an archive", lambda: page.set_input_files("#file", archive)
    yield "a picture named by the text", lambda: page.goto(f"{page.url.partition('#')[0]}#{text}", wait_until="load")
