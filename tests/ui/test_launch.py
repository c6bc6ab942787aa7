"""`trajflow ui` as a process of its own."""

import re
import socket
import time

import httpx
import pytest

from tests.warm import Warm


@pytest.fixture
def server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--host", "127.0.0.1", "--port", str(port), "--max-sessions", "1", "--max-queue", "5"]
    log = tmp_path / "log"
    process = Warm(["ui", *flags, "--auth", "ann:secret"], log)
    yield process, f"http://127.0.0.1:{port}", log
    process.kill()
    process.wait()


def ready(url):
    with httpx.Client() as client:
        for _ in range(720):
            try:
                return client.get(f"{url}/readyz")
            except httpx.TransportError:
                time.sleep(0.25)
    raise AssertionError("The server did not come up.")


@pytest.mark.slow
def test_the_flags_hold_in_the_app_that_is_served(server):
    process, url, log = server
    assert ready(url).json() | {"model": ""} == {"status": "ready", "model": "", "waiting": 0, "most_waiting": 5}
    assert httpx.get(url).status_code == httpx.post(f"{url}/studio/hello", json={}).status_code == 401
    with httpx.Client(base_url=url, auth=("ann", "secret"), timeout=60) as visitor:
        header = {"x-trajflow-session": visitor.post("/studio/hello", json={}).json()["session"]}
        asked = {"prompt": "a secret lake", "steps": 4, "quality": "exact"}
        assert '"type": "done"' in visitor.post("/studio/run", json=asked, headers=header).text
        assert visitor.post("/studio/hello", json={}).status_code == 503
        assert 'trajflow_evaluations_spent_total{kind="waited"} 4.0' in visitor.get("/metrics").text
    process.terminate()
    assert process.wait(60) == 0
    lines = log.read_text()
    assert re.search(r"INFO run session=[0-9a-f]{8} planned=\S+ pictures=1 evaluations=4 .* outcome=done", lines)
    assert "secret lake" not in lines
