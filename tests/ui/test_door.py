import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from trajflow.ui.door import LARGEST_BODY, Door

PAGE = "/gradio_api/run/predict"


@pytest.fixture
def client():
    """An app that answers to everything, behind the door."""
    app = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])])
    return TestClient(Door(app))


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/deep_link?session_hash=tab",
        "/gradio_api/openapi.json",
        "/openapi.json",
        "/docs",
        "/monitoring",
        "/monitoring/summary",
    ],
)
def test_what_nobody_needs_is_closed(client, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/gradio_api/file=picture.png", "/theme.css"])
def test_the_page_is_open(client, path):
    answer = client.get(path)
    assert answer.text == "in"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"


def test_scripts_of_other_sites_get_nothing_and_links_do(client):
    def come(site, mode):
        return client.get("/config", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}).status_code

    assert come("same-origin", "cors") == 200
    assert come("cross-site", "navigate") == 200
    assert come("cross-site", "cors") == come("same-site", "cors") == come("cross-site", "no-cors") == 403


def test_a_space_is_shown_in_the_frame_of_the_hub(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/space")
    answer = TestClient(Door(PlainTextResponse("in"))).get("/")
    assert "frame-ancestors 'self' https://huggingface.co" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers


def test_large_bodies_and_those_of_unknown_size_are_refused(client):
    assert client.post(PAGE, content=b"x" * LARGEST_BODY).text == "in"
    assert client.post(PAGE, content=b"x" * (LARGEST_BODY + 1)).status_code == 413
    assert client.post(PAGE, content=iter([b"x"])).status_code == 413
