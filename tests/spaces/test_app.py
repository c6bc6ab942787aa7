"""An assembled Space, started as the Hub starts it, and used by two clients.

`make wheel` has another one, in an environment of its own requirements.
"""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

import trajflow

ROOT = Path(trajflow.__file__).parents[1]
STAND_IN = Path(__file__).parent / "stand_in"
START_SECONDS = 180


def assemble(folder, kind):
    command = [sys.executable, ROOT / "spaces" / "deploy.py", "--output", folder, "--kind", kind]
    subprocess.run(command, check=True, capture_output=True)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def is_up(address):
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def raised(log: str) -> bool:
    """Whether something was raised, other than by an event loop that Gradio leaves to the garbage collector."""
    lines = ["", *log.splitlines()]
    tracebacks = [before for before, line in itertools.pairwise(lines) if line.startswith("Traceback")]
    return any("BaseEventLoop.__del__" not in before for before in tracebacks)


@contextmanager
def running(folder, python, **environment):
    """The Space's app, with the variables that the Hub sets, and none of what this environment has."""
    port, log = free_port(), folder.parent / "log.txt"
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    of_the_hub = {
        "SPACE_ID": "user/trajflow",
        "SYSTEM": "spaces",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder.parent / "home"),
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w") as output:
        server = subprocess.Popen(
            [python, "app.py"],
            cwd=folder,
            env=kept | of_the_hub | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(address):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the Space did not start:\n" + log.read_text()[-4000:])
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)
        # A forked worker outlives the app.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
    assert not raised(log.read_text()), log.read_text()[-4000:]


def test_a_log_is_told_from_one_with_an_error() -> None:
    ignored = "Exception ignored in: <function BaseEventLoop.__del__ at 0x1>\nTraceback (most recent call last):\n  ..."
    assert not raised(f"up\n{ignored}\nValueError: -1\n")
    assert raised(f"{ignored}\nTraceback (most recent call last):\n  ...")
    assert raised("Traceback (most recent call last):\n")


def ask(client, prompt, budget=None, session=""):
    picture, report = client.predict(prompt, 7, budget=budget, session=session, api_name="/generate")
    return np.asarray(Image.open(picture)), report


def use(address, downloads):
    """Two clients: a picture, another from its path, the first one again, and the same for somebody else."""
    one, other = (Client(address, verbose=False, download_files=downloads / name) for name in ("one", "other"))
    first, full = ask(one, "a mountain landscape")
    assert first.shape == (128, 128, 3)
    assert (full["nfe"], full["steps"], full["from_store"]) == (28, 28, False)
    session = full["session"]
    cached, less = ask(one, "a mountain landscape at sunset", budget=5, session=session)
    assert less["shared_pictures"] == 1
    assert less["nfe"] == 5
    assert not np.array_equal(cached, first)
    again, stored = ask(one, "a mountain landscape", session=session)
    assert (stored["nfe"], stored["from_store"]) == (0, True)
    assert np.array_equal(again, first)
    same, theirs = ask(other, "a mountain landscape")
    assert (theirs["nfe"], theirs["from_store"]) == (28, False), "another session's pictures are not there"
    assert np.array_equal(same, first)
    with pytest.raises(AppError, match="prompt is empty"):
        ask(one, " ")


@pytest.mark.slow
def test_the_zerogpu_space_asks_for_less_where_less_is_evaluated(tmp_path):
    assemble(tmp_path / "space", "zerogpu")
    log = tmp_path / "durations"
    lent = {"PYTHONPATH": str(STAND_IN), "SPACES_ZERO_GPU": "true", "SPACES_STAND_IN_LOG": str(log)}
    with running(tmp_path / "space", sys.executable, **lent) as address:
        use(address, tmp_path)
    full, cached, theirs = map(int, log.read_text().split())
    assert cached < full, "and the stored picture asked for nothing"
    assert theirs < full, "by then evaluations had been timed"
