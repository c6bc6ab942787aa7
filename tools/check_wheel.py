"""Whether a stranger can use what is published: `python -m tools.check_wheel`, from a checkout.

Builds sdist and wheel, installs the wheel alone in a new environment outside the checkout, and there makes a picture,
calibrates, measures and serves the app, first with the library's own requirements and then with the extras; between
them an assembled Space serves in an environment of its requirements. Packages have the versions of constraints.txt.
Exits with a traceback where anything fails.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from gradio_client import Client

CHECKOUT = Path(__file__).parents[1]
NEEDED = ("py.typed", "bundled/tiny/model_index.json", "bundled/tiny/profile.json", "bundled/studio/index.html",
          "bundled/examples.json", "bundled/pairs/heldout.csv")  # fmt: skip
HEAD = "kind,source,target,seed,history"
PAIR = "time,a mountain landscape,a mountain landscape at dusk,3,"
OTHERS = [
    f"time,a harbour,a {place} {mood} at dusk,4,a village in the fog"
    for place in ("beach", "lake", "forest", "valley")
    for mood in ("in snow", "in rain", "with a cabin")
]
SECONDS_TO_START = 120


def main() -> None:
    """Build, install and use."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trajflow-wheel-") as folder:
        place = Path(folder)
        wheel = build(place / "dist")
        _say(began, f"built {wheel.name}, {wheel.stat().st_size / 2**20:.0f} MiB")
        check_contents(wheel)
        installed = Installed(place)
        installed.pip(str(wheel))
        _say(began, "installed the wheel alone")
        installed.make_a_picture(place / "alone")
        _say(began, "made a picture without any extra")
        installed.lacks_an_extra()
        installed.serve_space(place / "space")
        _say(began, "served a Space from its own requirements")
        installed.pip(f"{wheel}[app,calibrate]")
        _say(began, "installed the extras")
        installed.run("doctor")
        installed.make_a_picture(place / "extras")
        installed.calibrate()
        _say(began, "calibrated")
        installed.measure()
        _say(began, "measured")
        installed.serve()
        _say(began, "served the app")


def build(folder: Path) -> Path:
    """The wheel, made from the sdist."""
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, CHECKOUT], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    [wheel] = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    return wheel


def check_contents(wheel: Path) -> None:
    """The package with what it needs, and nothing beside it."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"trajflow"}, "the wheel holds more than the package"
    absent = [name for name in NEEDED if f"trajflow/{name}" not in names]
    assert not absent, f"the wheel lacks {absent}"


class Installed:
    """A new environment, and an empty folder to work in; nothing of this one's settings reaches it."""

    def __init__(self, place: Path) -> None:
        venv.create(place / "environment", with_pip=True)
        self._bin = place / "environment" / "bin"
        self._work = place / "work"
        self._work.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRAJFLOW"))}
        self._variables: Mapping[str, str] = {**kept, "TRAJFLOW_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
        self._home = place / "home"

    def pip(self, what: str) -> None:
        """Install with the pinned versions."""
        asked = ("install", "--quiet", "--disable-pip-version-check", "-c", CHECKOUT / "constraints.txt", what)
        self._call(self._bin / "python", "-m", "pip", *asked)

    def run(self, *arguments: object) -> str:
        """What `trajflow` with these arguments prints."""
        return self._call(self._bin / "trajflow", *arguments)

    def make_a_picture(self, folder: Path) -> None:
        """Two pictures, the second a repeat that costs nothing."""
        printed = self.run("generate", "a mountain", "a mountain", "--steps", 4, "--out", folder)
        assert len(list(folder.glob("*.png"))) == 2, printed
        assert "0 of 4 evaluations" in printed.splitlines()[-1], printed

    def lacks_an_extra(self) -> None:
        """One sentence says how to have the app."""
        done = subprocess.run([self._bin / "trajflow", "ui"], cwd=self._work, env=self._variables, capture_output=True,
                              text=True)  # fmt: skip
        assert (done.returncode, done.stdout) == (2, ""), done
        assert done.stderr.splitlines()[-1].endswith('pip install "trajflow[ui]".'), done.stderr

    def calibrate(self) -> None:
        """As little as can be learned, from files in the working folder."""
        (self._work / "placing.csv").write_text(f"{HEAD}\n{PAIR}\n")
        (self._work / "forecasting.csv").write_text("\n".join((HEAD, *OTHERS)) + "\n")
        counts = ("--steps", 3, "--budgets", 2, "--strategies", "budcache", "--nodes", 2, "--out", "profile.json")
        self.run("calibrate", *counts, "--placing", "placing.csv", "--forecasting", "forecasting.csv")
        assert (self._work / "profile.json").exists()

    def measure(self) -> None:
        """Both benchmarks that people run on their own models."""
        asked = ("--steps", 4, "--budgets", 2)
        strategies = "resume,basis,mpc"
        table = self.run("bench", "frontier", "--pairs", "placing.csv", "--strategies", strategies, *asked)
        assert table.startswith("| strategy"), table
        report = self.run("bench", "gpu", "--small", "--size", 64, "--repeats", 1, *asked)
        assert "random weights" in report, report

    def serve(self) -> None:
        """The page of the app, on loopback."""
        port = _free_port()
        with self._serving(port, self._bin / "trajflow", "ui", "--host", "127.0.0.1", "--port", port) as server:
            page = _fetch(f"http://127.0.0.1:{port}/", server)
            assert "trajflow" in page, page[:400]
            assert "import" in _fetch(f"http://127.0.0.1:{port}/studio/main.js", server)

    def serve_space(self, folder: Path) -> None:
        """The CPU Space of this checkout as the Hub starts it: its page, and a picture for a program."""
        subprocess.run([sys.executable, CHECKOUT / "spaces" / "deploy.py", "--output", folder], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        pip = (self._bin / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
        self._call(*pip, "install", "-r", folder / "requirements.txt")
        self._call(*pip, "check")
        port = _free_port()
        of_the_hub = {"SPACE_ID": "user/trajflow", "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
        with self._serving(port, self._bin / "python", "app.py", cwd=folder, **of_the_hub) as server:
            assert "trajflow" in _fetch(f"http://127.0.0.1:{port}/", server)
            client = Client(f"http://127.0.0.1:{port}", verbose=False, download_files=self._work)
            picture, report = client.predict("a mountain landscape", seed=7, budget=4, api_name="/generate")
            assert (report["nfe"], Path(picture).stat().st_size > 0) == (4, True), report

    @contextmanager
    def _serving(
        self, port: int, *command: object, cwd: Path | None = None, **variables: str
    ) -> Iterator[subprocess.Popen]:
        """A server that runs for the block; what it says is shown where the block fails."""
        log = (self._work / f"{port}.log").open("w+")
        words, known = [str(word) for word in command], {**self._variables, **variables}
        server = subprocess.Popen(words, cwd=cwd or self._work, env=known, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield server
        except BaseException:
            log.seek(0)
            print(log.read(), file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait(20)

    def _call(self, *command: object) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=self._work, env=self._variables, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(words)} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _fetch(address: str, server: subprocess.Popen) -> str:
    """The page, as soon as it is served."""
    latest = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as page:
                return page.read().decode()
        except (URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, "the app has stopped"
            assert time.monotonic() < latest, "the app did not start"
            time.sleep(0.5)


def _say(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)


if __name__ == "__main__":
    main()
