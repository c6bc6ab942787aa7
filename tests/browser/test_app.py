"""The story a newcomer goes through, and what can go wrong, in a real browser over the bundled model."""

import base64
import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from trajflow.ui import png

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RUN_MS = 120_000


class App:
    """What a person does on the page."""

    def __init__(self, page):
        self.page = page

    def status(self):
        return self.page.inner_text("#tf-status .tf-status")

    def estimate(self):
        return self.page.inner_text("#tf-outlook")

    def result(self, start):
        """Start a run, wait for its end and return the status line: any change of that line removes the mark."""
        self.page.evaluate("document.querySelector('#tf-status .tf-status').setAttribute('data-old', '')")
        start()
        self.page.wait_for_selector("#tf-status .tf-status:not(.tf-busy):not([data-old])", timeout=RUN_MS)
        self.page.wait_for_selector("#tf-generate", state="visible", timeout=RUN_MS)
        return self.status()

    def generate(self, prompt=None, key=None):
        """Run by the button, or by `key` in the prompt box; returns the status line."""
        if prompt is not None:
            self.page.fill("#tf-prompt textarea", prompt)
        if key:
            return self.result(lambda: self.page.press("#tf-prompt textarea", key))
        return self.result(lambda: self.page.click("#tf-generate"))

    def chapter(self, number):
        return self.result(lambda: self.page.click(f"#tf-story button[data-index='{number - 1}']"))

    def settings(self):
        self.page.click("#tf-settings button >> nth=0")
        self.page.wait_for_selector("#tf-seed input", state="visible")

    def exact(self):
        """Wait until the picture has been completed in the background; returns what is said then."""
        self.page.wait_for_selector("#tf-background .tf-background:not(.tf-working)", timeout=RUN_MS)
        return self.page.inner_text("#tf-background .tf-background")

    def ask(self, way):
        self.page.locator("#tf-ask-for label").filter(has_text=way).click()

    def set_budget(self, budget):
        self.page.fill("#tf-budget input[type=number]", str(budget))
        self.page.press("#tf-budget input[type=number]", "Tab")

    def choose(self, strategy):
        self.page.click("#tf-strategy input")
        self.page.locator("#tf-strategy [role=option]").filter(has_text=re.compile(rf"\b{strategy}: ")).click()

    def strip(self, **counts):
        """Wait until the strip has that many cells of each kind: the page draws its parts in turn."""
        self.page.wait_for_function(
            """(counts) => Object.entries(counts).every(([kind, count]) =>
                document.querySelectorAll(`#tf-strip .tf-cells .tf-${kind}`).length === count)""",
            arg=counts,
        )

    def set_seed(self, seed):
        self.page.fill("#tf-seed input", str(seed))
        self.page.press("#tf-seed input", "Tab")

    def see(self, text, where="#tf-outlook"):
        pattern = text if isinstance(text, re.Pattern) else re.compile(re.escape(text))
        self.page.locator(where).filter(has_text=pattern).wait_for()

    def history(self):
        return self.page.locator("#tf-history li")

    def picture(self, side="cached"):
        return self.page.locator(f".tf-card.tf-{side} img").get_attribute("src")

    def numbers(self, side="cached"):
        return self.page.inner_text(f".tf-card.tf-{side} .tf-numbers")

    def is_contained(self):
        """Whether nothing sticks out to the right of the window; the story may scroll inside its own row."""
        return self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth
                && ![...document.querySelectorAll('main *:not(#tf-story *)')].some(
                    (element) => element.getBoundingClientRect().right > innerWidth + 1)"""
        )


@pytest.fixture
def visit(chromium, address):
    """Open the page as a new visitor; what the browser said and asked for is checked at the end."""
    with contextlib.ExitStack() as stack:
        strange = []

        def come(width=1280, height=900, theme="light"):
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: strange.append(f"script error: {error}"))
            page.on("request", lambda request: strange.extend(foreign(request.url, address)))
            page.goto(address)
            page.wait_for_selector("#tf-prompt textarea")
            page.wait_for_selector("#tf-history header")
            return App(page)

        yield come
    assert not strange


def foreign(url, address):
    """What the page asked of anyone but its own server."""
    return [] if url.startswith((address, "data:", "blob:")) else [f"asked {url}"]


def spent(status):
    """Evaluations and steps in a finished run's status line."""
    return tuple(int(number) for number in re.match(r"(\d+) of (\d+) evaluations", status).groups())


def test_the_story_from_first_picture_to_new_subject(visit, tmp_path):
    app = visit()
    app.page.screenshot(path=tmp_path / "empty.png", full_page=True)
    assert spent(app.chapter(1)) == (28, 28)
    assert "every step evaluated" in app.numbers()
    assert "your picture is the from-scratch one" in app.page.inner_text(".tf-card.tf-baseline")
    app.see("from scratch is this very picture", "#tf-unslid")
    app.see("Nothing cached was used", "#tf-no-angle")
    first = app.picture()
    assert png.read_settings(_bytes(first))["prompt"] == "a mountain landscape"

    assert spent(app.chapter(2)) == (0, 28)
    assert app.page.inner_text(".tf-card.tf-cached .tf-title").startswith("Stored")
    assert _pixels(app.picture()) == _pixels(first)

    paraphrase, edit = app.chapter(3), app.chapter(4)
    assert app.exact().startswith("The exact picture is there after")
    assert "27 evaluations in the background" in app.numbers("baseline")
    assert re.search(r"expected \d+ to \d+ dB, measured \d", app.numbers())
    app.page.fill("#tf-prompt textarea", "a city skyline at night")
    app.see(re.compile(r"About \d+ dB, \d+ to \d+ expected"))
    subject = app.chapter(5)
    app.exact()
    for status in (paraphrase, edit, subject):
        nfe, steps = spent(status)
        assert 0 < nfe < steps == 28
        assert "similarity" in status
    assert "dB to from-scratch" in app.numbers()
    assert "fewer evaluations" in app.numbers()
    assert app.page.locator("#tf-strip .tf-cells span").count() == 28
    assert app.page.locator("#tf-strip .tf-cells .tf-computed").count() == spent(subject)[0]
    app.page.wait_for_selector("#tf-angle canvas, #tf-angle svg.marks")
    app.page.wait_for_selector("#tf-slider img", state="attached")
    assert app.page.locator("#tf-charts .js-plotly-plot").count() == 3
    assert app.history().count() == 4
    assert "more in the background" in app.page.inner_text("#tf-tally")
    assert app.is_contained()
    app.page.screenshot(path=tmp_path / "desktop.png", full_page=True)

    oldest = app.history().last
    oldest.locator("[data-action=restore]").click()
    app.see("Restored", "#tf-status")
    assert _pixels(app.picture()) == _pixels(first)
    assert app.page.input_value("#tf-prompt textarea") == "a mountain landscape"
    with app.page.expect_download() as waiting:
        oldest.locator("[data-action=save]").click()
    assert png.read_settings(waiting.value.path())["seed"] == 7
    with app.page.expect_download() as waiting:
        app.page.click(".tf-card.tf-cached .tf-save")
    assert waiting.value.suggested_filename == "trajflow-a-mountain-landscape-seed7.png"

    app.history().first.locator("[data-action=forget]").click()
    app.see("Forgotten", "#tf-status")
    assert app.history().count() == 3
    app.page.click("#tf-forget-all")
    app.see("Everything is forgotten", "#tf-status")
    assert app.history().count() == 0
    assert spent(app.generate("a mountain landscape")) == (28, 28)


def test_a_first_picture_on_a_budget_reuses_steps_and_serves_the_next(visit):
    app = visit()
    app.settings()
    app.page.uncheck("#tf-complete input")
    app.ask("At most")
    app.page.wait_for_selector("#tf-budget", state="visible")
    app.set_budget(10)
    app.page.fill("#tf-prompt textarea", "a windmill at dawn")
    app.see("Up to 10 of 28 evaluations. About 31 dB, 25 to 40 expected.")
    assert spent(app.generate()) == (10, 28)
    app.strip(computed=10, reused=18, coasted=0)
    app.see("Reused steps cost no evaluation", "#tf-strip")
    app.see("Nothing cached was used", "#tf-no-angle")
    assert app.page.inner_text(".tf-card.tf-cached .tf-title").startswith("With reused steps")
    assert "expected 25 to 40 dB" in app.numbers()
    assert app.page.locator("#tf-slider").count() == 0
    app.see("approximate", "#tf-history li")

    second = app.generate("a windmill at night")
    assert spent(second) == (10, 28)
    assert "from “a windmill at dawn”" in second
    assert "That path is approximate" in second
    app.strip(computed=10, coasted=18, reused=0)
    app.page.wait_for_selector("#tf-angle canvas, #tf-angle svg.marks")

    app.choose("tcc")
    app.ask("At least")
    app.see("Or keep tcc and ask for", "#tf-outlook .tf-error")
    app.ask("At most")
    app.see(re.compile(r"Up to \d+ of 28 evaluations"), "#tf-outlook .tf-idle")


def test_a_changed_seed_warns_before_running_and_completion_can_be_off(visit):
    app = visit()
    app.settings()
    app.page.uncheck("#tf-complete input")
    app.generate("a forest in the fog", key="Enter")
    assert app.page.locator(".tf-baseline img").count() == 0
    app.page.fill("#tf-prompt textarea", "a forest at night")
    app.see("Up to")
    app.set_seed(8)
    app.see("seed", "#tf-outlook .tf-warn")
    app.set_seed(7)
    app.see("Up to", "#tf-outlook .tf-idle")
    status = app.generate(key="Control+Enter")
    assert spent(status)[0] < 28
    assert "measured" not in app.numbers()
    assert "to from-scratch" not in app.numbers()
    app.page.uncheck("#tf-keep-seed input")
    app.see("not kept")
    app.page.check("#tf-keep-seed input")
    app.page.click("#tf-dice")
    app.page.wait_for_function("document.querySelector('#tf-seed input').value !== '7'")


def test_a_completion_gives_way_to_the_next_run_and_goes_on_after_it(visit):
    app = visit()
    app.settings()
    app.page.fill("#tf-steps input[type=number]", "100")
    app.page.press("#tf-steps input[type=number]", "Tab")
    app.generate("a lake at dawn")
    app.generate("a lake at night")
    app.page.wait_for_selector(".tf-working")
    status = app.generate("a lake at noon")
    assert spent(status)[0] < 100
    assert "a lake at dawn" in status
    waited, background = tally(app)
    assert waited < 100 + 2 * 50
    assert background < 99
    assert app.exact().startswith("The exact picture is there")
    app.page.wait_for_function("document.querySelectorAll('.tf-baseline img').length === 1")
    assert tally(app, least=2 * 90)[0] == waited
    assert all("dB" in card for card in app.history().all_inner_texts()[:2])
    app.generate("a lake in the fog")
    app.page.wait_for_selector(".tf-working")
    app.page.uncheck("#tf-complete input")
    app.page.wait_for_selector("#tf-background .tf-background", state="detached")


def test_refining_ends_at_the_exact_picture_and_stop_keeps_the_best(visit):
    app = visit()
    app.generate("a forest at noon")
    app.page.fill("#tf-prompt textarea", "a forest at night")
    app.ask("Refine")
    app.see("A first picture after at most 3 evaluations")
    app.page.click("#tf-generate")
    app.page.wait_for_selector(".tf-badge:has-text('being refined')")
    app.page.wait_for_selector("#tf-status .tf-done:has-text('Refined with')", timeout=RUN_MS)
    assert "identical to from scratch" in app.status()
    assert "pictures after 3," in app.numbers()
    app.page.wait_for_selector("#tf-generate", state="visible")
    app.settings()
    app.page.fill("#tf-steps input[type=number]", "100")
    app.page.press("#tf-steps input[type=number]", "Tab")
    app.page.fill("#tf-prompt textarea", "a forest in winter")

    def start_and_stop():
        app.page.click("#tf-generate")
        app.page.wait_for_selector(".tf-badge:has-text('being refined')")
        app.page.click("#tf-stop")

    assert app.result(start_and_stop).endswith("the best picture so far is kept.")
    assert app.page.inner_text(".tf-card.tf-cached .tf-title").startswith("Refined so far")
    assert app.history().count() == 3


def test_what_is_asked_for_shows_its_own_slider_and_learning_can_be_saved(visit):
    app = visit()
    app.generate("a city by the sea")
    assert app.page.locator("#tf-fidelity:visible, #tf-budget:visible").count() == 0
    app.ask("At least")
    app.page.wait_for_selector("#tf-fidelity", state="visible")
    app.ask("At most")
    app.page.wait_for_selector("#tf-budget", state="visible")
    app.page.wait_for_selector("#tf-fidelity", state="hidden")
    app.set_budget(3)
    assert spent(app.generate("a city by the sea at night"))[0] == 3
    app.settings()
    app.see("Forecasts learned from 1 comparison", "#tf-learned")
    with app.page.expect_download() as waiting:
        app.page.click("#tf-export")
    (outcome,) = json.loads(Path(waiting.value.path()).read_text())["outcomes"]
    assert outcome["measured_db"] > 10
    app.page.click("#tf-unlearn")
    app.see("Forecasts as calibrated", "#tf-learned")


def tally(app, least: int = 1):
    """Evaluations waited for, and in the background, once those are `least`: the page draws its parts in turn."""
    shown = "document.querySelector('#tf-tally').innerText.match(/(\\d+) evaluations waited for, (\\d+) more/)"
    app.page.wait_for_function(f"() => {{ const found = {shown}; return found && Number(found[2]) >= {least}; }}")
    return tuple(map(int, app.page.evaluate(shown)[1:]))


def test_bad_requests_are_one_sentence_and_nothing_is_lost(visit):
    app = visit()
    app.settings()
    app.page.uncheck("#tf-complete input")
    app.generate("a lake at dawn")
    picture = app.picture()
    assert app.generate("   ") == "The prompt is empty. Describe the picture in a few words."
    assert "10,000 characters" in app.generate("a" * 10_000)
    app.page.fill("#tf-prompt textarea", "a lake at dusk")
    app.page.fill("#tf-width input", "100")
    app.page.press("#tf-width input", "Tab")
    app.see("multiple")
    assert "multiple of" in app.generate("a lake at dusk")
    assert app.page.locator("#tf-status [role=alert]").count() == 1
    assert app.picture() == picture
    assert app.history().count() == 1
    app.page.fill("#tf-width input", "128")
    hostile = "<img src=x onerror=window.hurt=1> ${1+1} {{value}} </textarea>"
    assert spent(app.generate(hostile))[1] == 28
    assert app.page.evaluate("window.hurt") is None
    assert hostile in app.history().first.inner_text()


def test_stop_keeps_the_last_preview_as_unfinished(visit):
    app = visit()
    app.settings()
    app.page.fill("#tf-steps input[type=number]", "100")
    app.page.press("#tf-steps input[type=number]", "Tab")
    app.page.fill("#tf-prompt textarea", "a desert at noon")

    def start_and_stop():
        app.page.click("#tf-generate")
        app.page.wait_for_selector(".tf-cached .tf-badge")
        app.page.click("#tf-stop")

    assert app.result(start_and_stop).startswith("Stopped at step")
    assert app.page.inner_text(".tf-cached .tf-badge").startswith("unfinished")
    assert app.history().count() == 0
    app.page.fill("#tf-steps input[type=number]", "12")
    app.page.press("#tf-steps input[type=number]", "Tab")
    assert spent(app.generate()) == (12, 12)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_everything_in_its_width(visit, theme, tmp_path):
    app = visit(390, 844, theme)
    app.page.screenshot(path=tmp_path / f"phone-{theme}-empty.png", full_page=True)
    assert app.is_contained()
    app.settings()
    app.page.uncheck("#tf-complete input")
    app.chapter(1)
    assert app.is_contained()
    corner = Image.open(io.BytesIO(app.page.screenshot())).convert("RGB").getpixel((3, 3))
    brightness = sum(corner)
    assert brightness > 600 if theme == "light" else brightness < 150
    app.page.screenshot(path=tmp_path / f"phone-{theme}.png", full_page=True)


def test_two_visitors_do_not_see_each_other(visit):
    one, two = visit(), visit()
    for app in (one, two):
        app.settings()
        app.page.uncheck("#tf-complete input")
    assert spent(one.generate("a secret mountain"))[0] == 28
    assert spent(two.generate("a secret mountain"))[0] == 28
    two.generate("a public sea")
    assert one.history().count() == 1
    assert two.history().count() == 2
    two.page.click("#tf-forget-all")
    two.see("Everything is forgotten", "#tf-status")
    assert spent(one.generate())[0] == 0


def _bytes(uri):
    return base64.b64decode(uri.split(",", 1)[1])


def _pixels(uri):
    return Image.open(io.BytesIO(_bytes(uri))).tobytes()
