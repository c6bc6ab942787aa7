"""A name and a password for the whole app, as HTTP Basic authentication (RFC 7617).

Gradio's own covers the routes that Gradio made; this stands before all of them, the studio's and the metrics' too.
Browsers ask for the password once, `gradio_client` takes it as a header, Prometheus as `basic_auth`. It is sent as
plain text: put TLS before an app that is open to a network.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from trajflow.errors import RequestError

# Told to everybody: whether the app is alive and has room. The last is how Gradio itself starts.
OPEN = ("/healthz", "/readyz", "/gradio_api/startup-events")
ASKED = {"WWW-Authenticate": 'Basic realm="trajflow", charset="UTF-8"', "Cache-Control": "no-store"}


@dataclass(frozen=True)
class Credentials:
    """Who may come in."""

    user: str
    password: str = field(repr=False)


def read_credentials(given: str) -> Credentials:
    """Read "user:password" as credentials; the password may hold colons. Raises RequestError."""
    user, colon, password = given.partition(":")
    if not (user and colon and password):
        raise RequestError("Give the credentials as USER:PASSWORD, neither of them empty.")
    return Credentials(user, password)


class Lock:
    """Stands before an app: lets in who knows the credentials, and anybody to what is open."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app = app
        self._secret = f"{credentials.user}:{credentials.password}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the app do so."""
        if scope["type"] == "lifespan" or self._is_let_in(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("This app asks for a name and a password.", 401, ASKED)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _is_let_in(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if path in OPEN:
            return True
        scheme, _, encoded = Headers(scope=scope).get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._secret)
