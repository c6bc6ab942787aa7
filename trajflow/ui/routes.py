"""The studio's own routes: the page, its files, and what its script asks for."""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.cache import Entry
from trajflow.errors import RequestError
from trajflow.sampler import RemoteModel
from trajflow.ui import choices, describe, parameters, png, wire, work
from trajflow.ui.ask import read_ask
from trajflow.ui.registry import Registry, TabSession

MOST_PICTURE_BYTES = 32 * 2**20
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)
# Ways in that Gradio opens and nothing here uses.
CLOSED = ("/gradio_api/upload", "/gradio_api/deep_link", "/monitoring", "/monitoring/summary", "/gradio_api/runs")


def routes(model: Model, registry: Registry) -> list[Route]:
    """All of them; given to Gradio's server, whose own routes come after."""
    studio = Studio(model, registry)
    answers: dict[str, Callable[[Request], Any]] = {
        "hello": studio.hello,
        "run": studio.run,
        "complete": studio.complete,
        "stop": studio.stop,
        "leave": studio.leave,
        "node": studio.node,
        "delete": studio.delete,
        "undelete": studio.undelete,
        "clear": studio.clear,
        "sources": studio.sources,
        "read": studio.read,
    }
    posts = [Route(f"/studio/{name}", wire.guarded(answer), methods=["POST"]) for name, answer in answers.items()]
    return [
        Route("/", page),
        Route("/studio/picture/{key}/{which}", wire.guarded(studio.picture)),
        Route("/studio/{name:path}.{kind}", file),
        *posts,
        *(Route(path, closed, methods=["GET", "POST"]) for path in CLOSED),
    ]


async def page(_: Request) -> Response:
    """The page itself."""
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return FileResponse(asset("studio") / "index.html", headers=headers, media_type="text/html")


async def file(request: Request) -> Response:
    """One of the page's files, or the chart library from its package."""
    name = f"{request.path_params['name']}.{request.path_params['kind']}"
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if name == "plotly.min.js":
        return FileResponse(_plotly(), headers=headers | {"Cache-Control": "max-age=86400"}, media_type=TYPES[".js"])
    path = asset("studio") / name
    if not re.fullmatch(r"[a-z_]+\.(js|css|svg)", name) or not path.is_file():
        return wire.refusal(404, "There is no such file.")
    return FileResponse(path, headers=headers, media_type=TYPES[path.suffix])


async def closed(_: Request) -> Response:
    """Nothing is here."""
    return wire.refusal(404, "There is nothing here.")


def _plotly() -> Path:
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


class Studio:
    """The answers of one page, over one model and its sessions."""

    def __init__(self, model: Model, registry: Registry) -> None:
        self._model = model
        self._registry = registry
        self._examples = json.loads(asset("examples.json").read_text())

    async def hello(self, request: Request) -> Response:
        """The page was opened: its session, new or as it was left."""
        given = await wire.read_json(request)
        key = given.get("session")
        tab_session = await wire.in_thread(self._registry.open, key if isinstance(key, str) else None)
        defaults = self._model.defaults
        return wire.answered(
            {
                "session": tab_session.key,
                "is_new": tab_session.key != key,
                "model": {
                    "name": self._model.name,
                    "steps": defaults.steps,
                    "guidance": defaults.guidance,
                    "width": defaults.width,
                    "height": defaults.height,
                    "size_multiple": defaults.size_multiple,
                    "largest_side": defaults.largest_side,
                    "is_lent": isinstance(self._model, RemoteModel),
                },
                "strategies": [{"name": name, "line": line} for line, name in choices.strategies()],
                "examples": self._examples,
                **await wire.in_thread(self._library, tab_session),
            }
        )

    def _library(self, tab_session: TabSession) -> dict[str, Any]:
        entries = tab_session.session.entries()
        tab_session.tree.prune(entry.key for entry in entries)
        defaults = self._model.defaults
        return {
            "nodes": [describe.node(entry, tab_session.tree.node(entry.key), defaults) for entry in entries],
            "held": tab_session.session.nbytes,
            "capacity": tab_session.session.capacity,
            "deleted": len(tab_session.tree.deleted),
        }

    async def run(self, request: Request) -> Response:
        """Make a picture; whatever the tab had under way ends within a step."""
        asked_at = time.monotonic()
        tab_session = wire.tab_of(request, self._registry)
        ask = read_ask(await wire.read_json(request), self._model.defaults)
        return wire.streamed(
            request, self._registry.desk, tab_session.key, partial(work.run, tab_session, ask, asked_at)
        )

    async def complete(self, request: Request) -> Response:
        """Make a picture exact in idle time."""
        tab_session = wire.tab_of(request, self._registry)
        key = str((await wire.read_json(request)).get("key"))
        return wire.streamed(
            request,
            self._registry.desk,
            tab_session.key,
            partial(work.complete, tab_session, key),
            is_background=True,
        )

    async def stop(self, request: Request) -> Response:
        """End what the tab has under way."""
        tab_session = wire.tab_of(request, self._registry)
        return wire.answered({"stopped": self._registry.desk.cancel(tab_session.key)})

    async def leave(self, request: Request) -> Response:
        """The tab was closed; a beacon cannot send headers, so the session is in the body."""
        self._registry.leave(str((await wire.read_json(request)).get("session")))
        return wire.answered({})

    async def node(self, request: Request) -> Response:
        """Rename, pin or mark a picture."""
        tab_session = wire.tab_of(request, self._registry)
        given = await wire.read_json(request)
        entry = _entry(tab_session, given.pop("key", None))
        known = tab_session.tree.change(entry.key, given)
        return wire.answered(await wire.in_thread(describe.node, entry, known, self._model.defaults))

    async def delete(self, request: Request) -> Response:
        """Take a picture and its path out of the session."""
        tab_session = wire.tab_of(request, self._registry)
        entry = _entry(tab_session, (await wire.read_json(request)).get("key"))
        tab_session.tree.delete(entry)
        await wire.in_thread(tab_session.session.forget, entry.key)
        return wire.answered(await wire.in_thread(self._library, tab_session))

    async def undelete(self, request: Request) -> Response:
        """Bring the picture deleted last back, with its path."""
        tab_session = wire.tab_of(request, self._registry)
        await wire.in_thread(tab_session.session.adopt, tab_session.tree.undelete())
        return wire.answered(await wire.in_thread(self._library, tab_session))

    async def clear(self, request: Request) -> Response:
        """Forget every picture that is not pinned."""
        tab_session = wire.tab_of(request, self._registry)
        self._registry.desk.cancel(tab_session.key)
        for entry in tab_session.session.entries():
            if not tab_session.tree.node(entry.key).is_pinned:
                tab_session.tree.delete(entry)
                await wire.in_thread(tab_session.session.forget, entry.key)
        return wire.answered(await wire.in_thread(self._library, tab_session))

    async def sources(self, request: Request) -> Response:
        """The cached pictures that one was made from, and their shares."""
        tab_session = wire.tab_of(request, self._registry)
        entry = _entry(tab_session, (await wire.read_json(request)).get("key"))
        return wire.answered({"sources": await wire.in_thread(describe.sources, tab_session.session, entry)})

    async def picture(self, request: Request) -> Response:
        """A picture with its settings inside."""
        tab_session = wire.tab_of(request, self._registry)
        entry = _entry(tab_session, request.path_params["key"])
        which = request.path_params["which"]
        encoded = await wire.in_thread(describe.picture, entry, which, self._model)
        return Response(encoded, media_type="image/png", headers=wire.PRIVATE)

    async def read(self, request: Request) -> Response:
        """The settings in a PNG or in pasted text."""
        wire.tab_of(request, self._registry)
        body = await wire.read_bytes(request, MOST_PICTURE_BYTES)
        if request.headers.get("content-type", "").startswith("text/"):
            text = body.decode("utf-8", "replace")
            return wire.answered(png.read_json(text) if text.lstrip().startswith("{") else parameters.read(text))
        return wire.answered(await wire.in_thread(png.read_settings, body))


def _entry(tab_session: TabSession, key: Any) -> Entry:
    entry = next((e for e in tab_session.session.entries() if e.key == key), None)
    if entry is None:
        raise RequestError("That picture is no longer kept.")
    return entry
