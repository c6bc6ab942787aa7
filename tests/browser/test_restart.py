"""A person's pictures after the server was killed and started again, in a real browser."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import START_SECONDS, Studio, free_port, is_up
from tests.warm import Warm

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Server:
    """`trajflow ui --state` on the loopback, which can be killed and started again at its address."""

    def __init__(self, model, home):
        self.model, self.home, self.port = str(model), home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        flags = ["--host", "127.0.0.1", "--port", str(self.port), "--state", str(self.home / "state")]
        variables = {"TRAJFLOW_HOME": str(self.home)}
        self.process = Warm(["ui", "--model", self.model, *flags], self.home / "log.txt", variables)
        deadline = time.monotonic() + START_SECONDS
        while not is_up(self.url):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.2)

    def kill(self, *made):
        """End it without a word, once what was shown, the pictures of these keys, has been written."""
        self.settle()
        documents, deadline = self.home / "state" / "documents", time.monotonic() + START_SECONDS
        while not all(any(key in path.name for path in documents.iterdir()) for key in made):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """Ask it to end."""
        self.process.terminate()
        assert self.process.wait(30) == 0

    def settle(self, seconds=1.0):
        """Wait until nothing more is written for so long."""
        names, since = None, time.monotonic()
        while time.monotonic() - since < seconds:
            found = sorted(path.name for path in (self.home / "state" / "documents").iterdir())
            if found != names:
                names, since = found, time.monotonic()
            time.sleep(0.05)

    def log(self):
        return (self.home / "log.txt").read_text()


@pytest.fixture(scope="module")
def server(small_folder, tmp_path_factory):
    server = Server(small_folder, tmp_path_factory.mktemp("server"))
    yield server
    server.kill()
    assert "Traceback" not in server.log(), server.log()


@pytest.fixture
def context(chromium):
    context = chromium.new_context()
    yield context
    context.close()


def opened(context, server):
    page = context.new_page()
    page.goto(server.url, wait_until="load")
    expect(page.locator("html")).to_have_attribute("data-ready", "yes", timeout=30_000)
    studio = Studio(page)
    studio.off("live", "idle")
    return studio


def keys(studio):
    return studio.cards.evaluate_all("cards => cards.map(card => card.dataset.key)")


def test_pictures_are_there_after_a_kill_in_the_open_tab_in_a_new_one_and_nowhere_else(context, chromium, server):
    studio = opened(context, server)
    studio.make("a snowy mountain at dusk")
    studio.make("a snowy mountain at dawn")
    expect(studio.cards).to_have_count(2)
    expect(studio.page.locator("#memory")).to_have_attribute("title", "Kept on the server for 30 days after your last "
        "visit, over restarts too; what you delete is gone from there")  # fmt: skip
    made = keys(studio)
    server.kill(*made)
    server.start()

    # The tab that stayed open goes on as if nothing had happened.
    studio.make("a snowy mountain in fog")
    expect(studio.cards).to_have_count(3)
    assert set(made) < set(keys(studio))
    expect(studio.page.locator("#toast")).to_be_hidden()

    # A reload shows it as it was left; so does a new tab, once this one is closed.
    studio.page.reload(wait_until="load")
    expect(studio.status).to_have_text("As you left it.", timeout=30_000)
    # What is forgotten stays forgotten.
    pin = studio.cards.first.locator("[data-action=pin]")
    pin.click()
    expect(pin).to_have_attribute("aria-pressed", "true")
    studio.menu("#film-more", "Forget all but the pinned")
    expect(studio.cards).to_have_count(1)
    made = keys(studio)
    server.settle()
    server.terminate()
    studio.page.close()
    server.start()
    again = opened(context, server)
    expect(again.status).to_have_text("As you left it.")
    assert keys(again) == made

    # A second tab beside it is a session of its own, and so is another browser's.
    beside = opened(context, server)
    expect(beside.cards).to_have_count(0)
    other = chromium.new_context()
    expect(opened(other, server).cards).to_have_count(0)
    other.close()
    assert "mountain" not in server.log()
