"""The app's own routes: the studio's page, its files, what its script asks for, and what who runs the app asks."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.ui import wire
from trajflow.ui.library import Library
from trajflow.ui.making import Making
from trajflow.ui.operating import Operating
from trajflow.ui.registry import Registry

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)


def routes(model: Model, registry: Registry) -> list[Route]:
    """All of them; given to Gradio's server, whose own routes come after."""
    making, library, operating = Making(model, registry), Library(model, registry), Operating(model, registry)
    answers: list[Callable[[Request], Any]] = [
        *(
            making.hello,
            making.run,
            making.complete,
            making.stop,
            making.leave,
            making.sheet,
            making.expand,
            making.ablate,
        ),
        *(making.words, library.node, library.delete, library.undelete, library.clear, library.sources),
        *(library.read, library.contact, library.save, library.load, library.learned),
    ]
    posts = [Route(f"/studio/{answer.__name__}", wire.guarded(answer), methods=["POST"]) for answer in answers]
    return [
        Route("/", page),
        Route("/healthz", operating.alive),
        Route("/readyz", operating.ready),
        Route("/metrics", operating.metrics),
        Route("/studio/picture/{key}/{which}", wire.guarded(library.picture)),
        Route("/studio/{name:path}.{kind}", file),
        *posts,
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


def _plotly() -> Path:
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
