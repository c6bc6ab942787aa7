"""Several people and one model, in a real browser."""

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from trajflow import Session
from trajflow.ui import build, launch_options
from trajflow.ui.registry import Registry

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def gate(mixture):
    """What every evaluation of the model waits for."""
    gate, evaluate = threading.Event(), mixture.evaluate
    mixture.evaluate = lambda *arguments, **options: (gate.wait(), evaluate(*arguments, **options))[1]
    yield gate
    gate.set()


@pytest.fixture
def address(mixture, gate):
    """A page on which two may wait while another one runs."""

    async def launched():
        registry = Registry(lambda: Session(mixture))
        page = build(mixture, registry, waiting=2)
        page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options(registry))
        return page

    with ThreadPoolExecutor(1) as elsewhere:
        page = elsewhere.submit(asyncio.run, launched()).result()
    yield page.local_url
    page.close(verbose=False)


@pytest.fixture
def arrive(address, chromium):
    contexts = []

    def arrive():
        contexts.append(chromium.new_context())
        page = contexts[-1].new_page()
        page.goto(address, wait_until="load")
        page.wait_for_selector("#tf-generate", state="visible")
        page.wait_for_timeout(500)
        return page

    yield arrive
    for context in contexts:
        context.close()


def ask(page, prompt):
    page.fill("#tf-prompt textarea", prompt)
    page.click("#tf-generate")
    page.wait_for_selector("#tf-stop", state="visible")


def wait_for_status(page, text):
    page.wait_for_function("(text) => document.querySelector('#tf-status').innerText.includes(text)", arg=text)


def test_what_is_asked_for_after_a_stop_in_the_queue_is_what_runs(arrive, gate):
    running, waiting = arrive(), arrive()
    ask(running, "mountain")
    waiting.wait_for_timeout(1000)
    ask(waiting, "sea")
    waiting.click("#tf-stop")
    waiting.wait_for_selector("#tf-generate", state="visible")
    ask(waiting, "forest")
    gate.set()
    wait_for_status(waiting, "evaluations in ")
    waiting.wait_for_selector("#tf-generate", state="visible")
    assert re.findall(r'data-action="restore".*?<span>(\w+)</span>', waiting.inner_html("#tf-history")) == ["forest"]


def test_where_the_queue_is_full_the_page_says_so_and_asks_again(arrive, gate, address):
    running, waiting, refused = arrive(), arrive(), arrive()
    ask(running, "mountain")
    waiting.wait_for_timeout(1000)
    ask(waiting, "sea")
    waiting.wait_for_timeout(1000)
    program = {"data": ["lake", 7, "auto", None, False]}
    assert httpx.post(f"{address}gradio_api/call/generate", json=program).status_code == 200
    refused.fill("#tf-prompt textarea", "forest")
    refused.wait_for_function("() => document.querySelector('#tf-outlook').innerText.includes('evaluations')")
    refused.click("#tf-generate")
    wait_for_status(refused, "Too many people are waiting")
    refused.wait_for_selector("#tf-generate", state="visible")
    gate.set()
    wait_for_status(waiting, "evaluations in ")
    refused.click("#tf-generate")
    wait_for_status(refused, "evaluations in ")
