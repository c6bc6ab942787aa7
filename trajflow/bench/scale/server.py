"""A Valkey or Redis server of a measurement's own: on the loopback, in a folder of its own, to be killed at will."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from trajflow.errors import RequestError

NAMES = ("valkey-server", "redis-server")
START_SECONDS = 20.0


def server_program() -> str | None:
    """The server that is installed, None without one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class StoreServer:
    """A server at `url`, which keeps every document at once. Raises RequestError where none is installed."""

    def __init__(self, folder: Path) -> None:
        program = server_program()
        if program is None:
            raise RequestError(f"No store to start: install {' or '.join(NAMES)}.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}"
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder), "--save", "")
        self._command = (program, *options, "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no")
        self.start()

    def start(self) -> None:
        """Start it, with what it has kept."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise RequestError("The store does not start.")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._process.kill()
        self._process.wait()
