"""A locked app, launched as `trajflow ui --auth` does."""

import asyncio

import httpx
import pytest
from gradio_client import Client

from tests.ui.test_api import launched
from trajflow import Session
from trajflow.errors import RequestError
from trajflow.ui import Registry
from trajflow.ui.lock import read_credentials

pytestmark = pytest.mark.filterwarnings("ignore:.*no_silent_downcasting")
KNOWN = ("ann", "se:cret ü")
ROUTES = (
    *("", "studio/app.js", "metrics", "config", "gradio_api/info", "gradio_api/startup-events/x", "info", "theme.css"),
    *("gradio_api/heartbeat/tab", "gradio_api/queue/data?session_hash=tab", "healthz/", "//healthz", "login"),
)


@pytest.fixture
def url(mixture):
    app = asyncio.run(launched(mixture, Registry(lambda: Session(mixture)), read_credentials(":".join(KNOWN))))
    yield app.local_url
    app.close(verbose=False)


def test_nothing_but_the_probes_answers_who_does_not_know_the_password(url):
    with httpx.Client() as anybody:
        for auth in (None, ("ann", "guess"), ("", ""), ("ann", "se")):
            for route in ROUTES:
                assert anybody.get(url + route, auth=auth).status_code == 401, route
            for route in ("studio/hello", "studio/run", "gradio_api/call/generate", "gradio_api/queue/join", "login"):
                assert anybody.post(url + route, json={}, auth=auth).status_code == 401, route
        for header in ("Basic", "Basic !!!", "Bearer YW5u", "Basic " + "A" * 5000, "basic YW5u"):
            assert anybody.get(url + "config", headers={"Authorization": header}).status_code == 401
        assert "Basic" in anybody.get(url).headers["WWW-Authenticate"]
        assert anybody.get(url + "healthz").status_code == anybody.get(url + "readyz").status_code == 200


def test_who_knows_it_gets_the_page_the_studio_and_the_endpoints(url, tmp_path):
    with httpx.Client(base_url=url, auth=KNOWN) as known:
        assert "trajflow" in known.get("/").text
        assert "trajflow_sessions" in known.get("/metrics").text
        assert known.post("/studio/hello", json={}).json()["is_new"]
    header = httpx.BasicAuth(*KNOWN)._auth_header
    client = Client(url, verbose=False, download_files=tmp_path, headers={"Authorization": header})
    _, report = client.predict("a mountain", seed=7, budget=8, api_name="/generate")
    assert report["nfe"] == 8


@pytest.mark.parametrize("given", ["", "ann", "ann:", ":secret"])
def test_credentials_are_a_name_and_a_password(given):
    with pytest.raises(RequestError, match="USER:PASSWORD"):
        read_credentials(given)


def test_a_password_is_not_shown():
    assert "secret" not in repr(read_credentials("ann:secret"))
