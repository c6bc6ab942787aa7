"""The page as Gradio serves it, over HTTP; a model whose velocity is exact stands behind it."""

import asyncio
import time

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
