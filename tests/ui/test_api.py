"""The endpoints for programs, as gradio_client and plain HTTP use them, over the closed-form flow."""

import asyncio
import gc
import socket
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from trajflow import Session
from trajflow.errors import RequestError
from trajflow.ui import Registry, _serve, build, launch_options
from trajflow.ui.desk import Job

# Gradio's own, about an option of pandas that it sets after each event.
pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")


def opened(path):
    with Image.open(path) as image:
        return image.convert("RGB")


class Precious:
    """Something that must not be copied."""

    copies = 0

    def __deepcopy__(self, memo):
        Precious.copies += 1
        return self


async def launched(model, registry, credentials=None):
    """Gradio opens an event loop of its own, and never closes it, where none is running."""
    app = build(model, registry)
    options = launch_options(model, registry, credentials)
    # Gradio, which goes through ports until one is free, leaves a socket open at each that is not.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, **options)
    return app


@pytest.fixture
def registry(mixture):
    mixture.weights = Precious()
    return Registry(lambda: Session(mixture))


@pytest.fixture
def url(mixture, registry):
    app = asyncio.run(launched(mixture, registry))
    yield app.local_url
    app.close(verbose=False)


def test_two_calls_share_a_session_that_only_its_secret_opens(url, tmp_path):
    client = Client(url, verbose=False, download_files=tmp_path)
    picture, full = client.predict("a mountain", seed=7, budget=8, api_name="/generate")
    assert opened(picture).size == (8, 8)
    assert (full["nfe"], full["steps"], full["shared_pictures"]) == (8, 8, 0)
    _, less = client.predict("a mountain dusk", seed=7, budget=3, session=full["session"], api_name="/generate")
    assert (less["nfe"], less["source"], less["shared_pictures"]) == (3, "a mountain", 1)
    _, apart = client.predict("a mountain dusk", seed=7, budget=3, api_name="/generate")
    assert apart["session"] != full["session"]
    assert apart["shared_pictures"] == 0
    told = client.predict(full["session"], api_name="/history")
    assert [each["prompt"] for each in told["pictures"]] == ["a mountain dusk", "a mountain"]
    with pytest.raises(AppError, match="not held here"):
        client.predict("guess", api_name="/history")
    with pytest.raises(AppError, match="prompt is empty"):
        client.predict(" ", api_name="/generate")


def test_every_endpoint_does_what_it_says(url, tmp_path):
    client = Client(url, verbose=False, download_files=tmp_path)
    picture, scratch, report = client.predict("a mountain", seed=7, budget=3, api_name="/compare")
    assert report["psnr_db"] > 0
    assert not np.array_equal(np.asarray(opened(picture)), np.asarray(opened(scratch)))
    stream = client.submit("a lake", seed=7, session=report["session"], api_name="/stream")
    steps = [told for _, told in stream]
    assert [told["k"] for told in steps[:-1]] == sorted(told["k"] for told in steps[:-1])
    assert steps[-1]["nfe"] <= 8
    sheet, grid = client.predict("a {lake|city} {dusk|night}", "7, 8", report["session"], api_name="/grid")
    assert len(grid["pictures"]) == len(grid["cells"]) == 8
    assert grid["computed"] + grid["saved"] == 8 * 8
    assert opened(sheet).width > 2 * 8
    with pytest.raises(AppError, match="seed is -5"):
        client.predict("a lake", "-5", "", api_name="/grid")
    saved = client.predict(report["session"], api_name="/export")
    with zipfile.ZipFile(saved) as archive:
        assert "session.json" in archive.namelist()


def test_programs_have_the_limits_of_visitors(url, registry, tmp_path):
    client = Client(url, verbose=False, download_files=tmp_path)
    with pytest.raises(AppError, match=r"the work of 8\.5 pictures"):
        client.predict("a lake", seed=7, steps=34, compare=True, api_name="/generate")
    opened, began = threading.Event(), threading.Event()

    def work():
        began.set()
        opened.wait(60)
        yield {"type": "opened"}

    registry.desk.submit(Job("somebody", work, lambda _: None))
    assert began.wait(20)
    for number in range(registry.desk.most_waiting):
        registry.desk.submit(Job(f"person {number}", lambda: iter(()), lambda _: None))
    with pytest.raises(AppError, match=r"queue is full: 32 requests wait\. Try again in \d+ second"):
        client.predict("a lake", api_name="/generate")
    assert registry.desk.waiting == registry.desk.most_waiting, "it is refused while they wait"
    opened.set()


def test_the_page_and_the_description_copy_nothing_of_the_model(url):
    for _ in range(10):
        assert "trajflow" in httpx.get(url).text
        assert httpx.post(f"{url}studio/hello", json={}).status_code == 200
        assert httpx.get(f"{url}config").status_code == 200
    assert Precious.copies == 0


def test_the_queue_cannot_be_skipped_and_many_programs_are_served(url):
    for name in ("generate", "stream", "compare", "grid"):
        assert httpx.post(f"{url}gradio_api/run/{name}", json={"data": ["a lake"]}).status_code == 404
    call = f"{url}gradio_api/call/generate"

    def ask(seed):
        data = ["a lake", seed, "auto", None, False, None, None, None, "", None, None, ""]
        event = httpx.post(call, json={"data": data}).json()["event_id"]
        return httpx.get(f"{call}/{event}", timeout=60).text

    with ThreadPoolExecutor(5) as people:
        assert all("event: complete" in answer for answer in people.map(ask, range(5)))


# Gradio leaves a socket open at a port that is not free.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_port_that_is_taken_is_a_sentence(registry, mixture):
    async def serve(port):
        _serve(mixture, registry, credentials=None, host="127.0.0.1", port=port, open_browser=False)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RequestError, match=rf"cannot listen at 127\.0\.0\.1, port {port}\. Choose another"):
            asyncio.run(serve(port))
        gc.collect()
