"""What is let in to the page, and what browsers are told of it: routes that nobody needs are closed, bodies are small.

Gradio itself takes uploads, saves pages as links, describes and monitors itself, and answers scripts of any other site.
"""

import os
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED = (
    "/docs",
    "/gradio_api/component_server",
    "/gradio_api/deep_link",
    "/gradio_api/openapi.json",
    "/gradio_api/runs",
    "/gradio_api/upload",
    "/monitoring",
    "/openapi.json",
    "/redoc",
)
LARGEST_BODY = 2**20
# These count for themselves: a saved session is larger.
OWN = "/studio/"
HUB = "https://huggingface.co"


def policy(*, is_on_hub: bool) -> dict[str, str]:
    """The headers of every answer. A Space is shown in a frame of the hub, which a script there sizes."""
    scripts = " https://cdnjs.cloudflare.com" if is_on_hub else ""
    frames = f"'self' {HUB}" if is_on_hub else "'self'"
    rules = (
        "default-src 'self'",
        f"script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:{scripts}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        f"frame-ancestors {frames}",
    )
    headers = {
        "Content-Security-Policy": "; ".join(rules),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    return headers if is_on_hub else {**headers, "X-Frame-Options": "SAMEORIGIN"}


class Door:
    """Stands before an app: refuses what it has no use for, and adds the headers that an answer has not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = policy(is_on_hub="SPACE_ID" in os.environ)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the app do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = refuse(scope)
        await (self._app if refusal is None else refusal)(scope, receive, told)


def refuse(scope: MutableMapping[str, Any]) -> PlainTextResponse | None:
    """The answer to a request that is not let in, None for any other."""
    headers, path = Headers(scope=scope), scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
    if path.startswith(CLOSED):
        return PlainTextResponse("There is nothing here.", 404)
    # Browsers write these two themselves: a script of another site can neither leave them out nor change them.
    is_of_another_site = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    if is_of_another_site and headers.get("sec-fetch-mode") != "navigate":
        return PlainTextResponse("Other sites cannot ask this app for anything.", 403)
    is_counted = scope["method"] not in ("GET", "HEAD", "OPTIONS") and not path.startswith(OWN)
    if is_counted and not _is_small(headers.get("content-length")):
        return PlainTextResponse(f"A request may have {LARGEST_BODY:,} bytes, and must say how many it has.", 413)
    return None


def _is_small(length: str | None) -> bool:
    return length is not None and length.isdecimal() and len(length) < 12 and int(length) <= LARGEST_BODY
