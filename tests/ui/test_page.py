"""The page as Gradio serves it, over HTTP; a model whose velocity is exact stands behind it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from trajflow import Session
from trajflow.ui import build, launch_options
from trajflow.ui.registry import Registry


class Precious:
    """Something that must not be copied."""

    copies = 0

    def __deepcopy__(self, memo):
        Precious.copies += 1
        return self


async def launched(flow):
    """Gradio opens an event loop of its own, and never closes it, where none is running."""
    registry = Registry(lambda: Session(flow))
    page = build(flow, registry)
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options(registry))
    return page


@pytest.fixture
def serve():
    """Start a page on the loopback; returns it."""
    pages = []

    def start(flow):
        pages.append(asyncio.run(launched(flow)))
        return pages[-1]

    yield start
    for page in pages:
        page.close(verbose=False)


def post(page, name, data, tab="tab"):
    """Call a handler as a browser does that skips the queue; returns the HTTP answer."""
    index = next(index for index, fn in page.fns.items() if fn.name == name)
    body = {"fn_index": index, "data": data, "session_hash": tab}
    return httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60)


def test_a_visit_copies_neither_the_model_nor_a_session(mixture, serve):
    mixture.weights = Precious()
    page = serve(mixture)
    url = page.local_url
    assert post(page, "arrive", [None]).status_code == 200
    began = time.monotonic()
    for _ in range(20):
        assert "trajflow" in httpx.get(url).text
        assert httpx.get(f"{url}config").json()["title"] == "trajflow"
    assert Precious.copies == 0
    assert time.monotonic() - began < 20


@pytest.fixture
def crowded(mixture):
    """A model that counts how many are in it at once."""
    guard, inside, evaluate = threading.Lock(), [], mixture.evaluate
    mixture.most = 0

    def counting(*arguments, **options):
        with guard:
            inside.append(None)
            mixture.most = max(mixture.most, len(inside))
        try:
            time.sleep(0.002)
            return evaluate(*arguments, **options)
        finally:
            with guard:
                inside.pop()

    mixture.evaluate = counting
    return mixture


def test_nobody_passes_the_queue(crowded, serve):
    page = serve(crowded)
    form = ["mountain", 7, 8, 1.0, 8, 8, "", "auto", "planner", 40, 7, True]
    with ThreadPoolExecutor(30) as people:
        answers = [
            people.submit(post, page, name, data, f"tab {number}")
            for number in range(10)
            for name, data in (
                ("run", [None, "ticket", *form]),
                ("generate", [None, "mountain", 7, "auto", None, False]),
                ("complete", [None, True]),
            )
        ]
    assert {answer.result().status_code for answer in answers} == {404}
    assert crowded.most == 0


def test_programs_are_served_by_the_queue_one_at_a_time(crowded, serve):
    page = serve(crowded)
    url = f"{page.local_url}gradio_api/call/generate"

    def ask(seed):
        event = httpx.post(url, json={"data": ["mountain", seed, "auto", None, False]}).json()["event_id"]
        return httpx.get(f"{url}/{event}", timeout=60).text

    with ThreadPoolExecutor(5) as people:
        assert all("event: complete" in answer for answer in people.map(ask, range(5)))
    assert crowded.most == 1
