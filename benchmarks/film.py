"""Pictures of the studio for the README, taken of a real session at its real pace."""

import io
import itertools
import shutil
import time
from pathlib import Path

from PIL import Image

SECONDS, PAUSE = 10.0, 0.15
WIDE = 960


def shoot(address: str, out: Path, chromium: Path | None = None) -> list[Path]:
    """Make `app.png`, `phone.png` and `app.gif` in `out`; their paths."""
    from playwright.sync_api import expect, sync_playwright

    found = str(chromium) if chromium else shutil.which("chromium") or shutil.which("chromium-browser")
    paths = [out / "app.png", out / "phone.png", out / "app.gif"]
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)

        def visit(width: int, height: int, theme):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.goto(address, wait_until="load")
            page.wait_for_selector("html[data-ready]")
            return page

        def make(page, prompt: str) -> None:
            page.fill("#prompt", prompt)
            page.press("#prompt", "Enter")
            expect(page.locator("#current-title")).to_contain_text(prompt, timeout=120_000)
            expect(page.locator("#current-badge")).to_have_attribute("data-state", "exact", timeout=120_000)

        page = visit(1280, 800, "light")
        make(page, "a mountain landscape")
        frames, moments = _film(page, ["", " at sunset", "\n", "", " with a cabin", "\n", ""])
        _animate(frames, moments, paths[2])
        make(page, "a mountain landscape at night")
        page.screenshot(path=paths[0])
        phone = visit(390, 844, "dark")
        make(phone, "a mountain landscape")
        make(phone, "a mountain landscape at sunset")
        phone.screenshot(path=paths[1])
        browser.close()
    return paths


def _film(page, script: list[str]) -> tuple[list[Image.Image], list[float]]:
    """Frames and their seconds while the words of a script are typed, a line break being Enter."""
    frames: list[Image.Image] = []
    moments: list[float] = []
    began = time.monotonic()

    def frame() -> None:
        moments.append(time.monotonic() - began)
        image = Image.open(io.BytesIO(page.screenshot(type="jpeg", quality=90))).convert("RGB")
        frames.append(image.resize((WIDE, WIDE * image.height // image.width), Image.Resampling.LANCZOS))

    def watch(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame()
            time.sleep(PAUSE)

    each = SECONDS / len(script)
    page.focus("#prompt")
    page.keyboard.press("End")
    for words in script:
        if words == "\n":
            page.keyboard.press("Enter")
        for letter in words.strip("\n"):
            page.keyboard.type(letter)
            if letter == " ":
                frame()
        watch(each)
    return frames, moments


def _animate(frames: list[Image.Image], moments: list[float], path: Path) -> None:
    """Write the frames as one animation that takes as long as they took."""
    lasts = [round(1000 * (b - a)) for a, b in itertools.pairwise(moments)] + [1500]
    # Colours of frames from all over, so that no picture of the session lacks its own.
    some = frames[:: max(1, len(frames) // 6)]
    together = Image.new("RGB", (WIDE, len(some) * frames[0].height))
    for place, frame in enumerate(some):
        together.paste(frame, (0, place * frame.height))
    palette = together.quantize(colors=256, method=Image.Quantize.MAXCOVERAGE)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=lasts, loop=0, optimize=True)
