"""A server of the studio's page with no model behind it: what the page is told, and when, is the test's to say."""

import json
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from trajflow import Session
from trajflow.assets import asset
from trajflow.testing import GaussianMixture
from trajflow.ui import png
from trajflow.ui.registry import Registry
from trajflow.ui.routes import TYPES, routes
from trajflow.ui.wire import HEADER, LAST

STREAMED = ("run", "complete", "sheet", "ablate")
WAIT_SECONDS = 20
DONE = {"type": "done"}
RED, GREEN, BLUE = (Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue"))


@contextmanager
def canned():
    """The server on the loopback, with a greeting that a real one has given."""
    app = Starlette(routes=routes(model := GaussianMixture(), Registry(lambda: Session(model))))
    with TestClient(app, base_url="http://studio") as client:
        key = client.post("/studio/hello", json={}).json()["session"]
        client.post("/studio/run", json={"prompt": "a lake", "seed": 7}, headers={HEADER: key})
        greeting = client.post("/studio/hello", json={"session": key}).json()
    with Canned(greeting) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Stream:
    """Work that the page has asked for: it hears nothing, not even that it was taken, before the first event."""

    def __init__(self, body):
        self.body = body
        self.events = Queue()

    def tell(self, *events):
        for event in events:
            self.events.put(event)


class Canned(ThreadingHTTPServer):
    """`answers` are by name: JSON, bytes, or a function of what was sent; what has none is refused."""

    daemon_threads = True

    def __init__(self, greeting):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._greeting = greeting
        self.greet()

    def greet(self, *nodes, model=(), **changes):
        """Begin anew: with these pictures, and with sessions called 1, 2, and so on."""
        self._told = {**self._greeting, "nodes": nodes, "model": {**self._greeting["model"], **dict(model)}, **changes}
        self._sessions = 0
        self._streams = defaultdict(Queue)
        self.answers = {
            "hello": self._hello,
            "picture": png.encode(GREEN),
            "words": f"data: {json.dumps(DONE)}\n\n".encode(),
            "learned": {"tiers": [], "resumes": 0, "line": ""},
            "stop": {},
            "leave": {},
        }

    def _hello(self, asked):
        self._sessions += asked["session"] is None
        return {**self._told, "session": asked["session"] or str(self._sessions), "is_new": asked["session"] is None}

    def node(self, key, prompt, **changes):
        return {**self._greeting["nodes"][0], "key": key, "prompt": prompt, **changes}

    def library(self, *nodes, **changes):
        return {**self._told, "nodes": nodes, **changes}

    def made(self, node, **changes):
        """That a picture is there."""
        return {"type": "picture", "node": node, "image": png.data_uri(BLUE), "spent": 3, "held": 1, **changes}

    def stepped(self, k=0):
        """That a step is taken, with a picture of what is to come."""
        step = {"phase": "cached", "k": k, "steps": 28, "kind": "computed", "nfe": k + 1, "seconds": 0.1}
        return {"type": "step", "angle": None, "expected": None, "image": png.data_uri(RED), **step}

    def asked(self, name):
        """The next stream that the page asks for."""
        return self._streams[name].get(timeout=WAIT_SECONDS)

    def is_asked(self, name):
        return not self._streams[name].empty()

    def follow(self, name, body):
        """The events of a stream, as the test tells them."""
        stream = Stream(body)
        self._streams[name].put(stream)
        while True:
            event = stream.events.get()
            yield f"data: {json.dumps(event)}\n\n".encode()
            if event["type"] in LAST:
                return


class _Answer(BaseHTTPRequestHandler):
    def handle(self):
        # Whoever no longer listens is not missed.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        name = self.path.split("?")[0].removeprefix("/studio/").lstrip("/") or "index.html"
        path = asset("studio") / name
        known = self.server.answers.get("picture" if name.startswith("picture/") else name)
        if known is None and path.is_file():
            self._send(path.read_bytes(), TYPES[path.suffix])
        else:
            self._send(known)

    def do_POST(self):
        name = self.path.removeprefix("/studio/")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if name in STREAMED:
            lines = self.server.follow(name, body)
            self._begin("text/event-stream", next(lines))
            for line in lines:
                self.wfile.write(line)
        else:
            known = self.server.answers.get(name)
            self._send(known(body) if callable(known) else known)

    def _send(self, content, kind="application/json"):
        if content is None:
            self._begin(kind, b'{"error": "Refused."}', status=404)
        else:
            self._begin(kind, content if isinstance(content, bytes) else json.dumps(content).encode())

    def _begin(self, kind, first, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(first)

    def log_message(self, *_):
        """What is asked for is nobody's to read."""
