"""The app as a process of its own, served on the loopback as a user starts it, and what it takes of the machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from trajflow.errors import TrajflowError

START_SECONDS = 180.0
END_SECONDS = 20.0


class NotServed(TrajflowError):
    """The app did not start."""


@dataclass(frozen=True)
class Served:
    """A served app: its address, its process and its log."""

    url: str
    pid: int
    log: Path

    def rss(self) -> int:
        """Bytes of memory that the process has for itself now."""
        return psutil.Process(self.pid).memory_info().rss

    def counts(self) -> Mapping[str, float]:
        """What the app has counted (docs/howto/app.md), by the name and labels as Prometheus writes them."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}

    def traces(self) -> int:
        """How many stack traces are in the log."""
        return self.log.read_text(errors="replace").count("Traceback (most recent call last)")


@contextmanager
def served(model: str, flags: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`trajflow ui` with these flags, ready to be asked; it ends with the block. Raises NotServed."""
    with socket.socket() as free, TemporaryDirectory(prefix="trajflow-bench-") as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        log, url = Path(home) / "log.txt", f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "trajflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--model", model, *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": home, **(environment or {})},
            )
        try:
            _wait(process, url, log)
            yield Served(url, process.pid, log)
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise NotServed(f"The app did not start: {log.read_text(errors='replace')[-600:]}")
