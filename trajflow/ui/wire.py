"""Between the browser and the desk: who asks, what they sent, and events on their way back.

Every request but the first names its session in a header that other sites cannot send. Events go out as a stream of
`text/event-stream`; when nobody reads it any more, its job ends.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gradio import Request as GradioRequest
from gradio.context import LocalContext
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from trajflow.errors import RequestError, TrajflowError
from trajflow.ui.desk import Desk, Event, Job
from trajflow.ui.limits import Busy
from trajflow.ui.registry import Registry, TabSession

logger = logging.getLogger(__name__)
HEADER = "x-trajflow-session"
MOST_BYTES = 2**20
LONGEST_PROMPT = 2000
LAST = ("done", "stopped", "error")
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Said of itself, so that no middleware holds events back to compress them.
STREAMED = PRIVATE | {"X-Accel-Buffering": "no", "Content-Encoding": "identity"}


class Gone(TrajflowError):
    """The session named in a request is not held here."""


async def read_json(request: Request, most: int = MOST_BYTES) -> dict[str, Any]:
    """The object that was sent. Raises RequestError."""
    try:
        given = json.loads(await read_bytes(request, most))
    except (ValueError, RecursionError) as error:
        raise RequestError("The request is not valid JSON.") from error
    if not isinstance(given, dict):
        raise RequestError("The request must be a JSON object.")
    return given


async def read_bytes(request: Request, most: int) -> bytes:
    """What was sent, up to `most` bytes. Raises RequestError beyond."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise RequestError(f"What was sent is larger than {most // 2**10:,} KiB.")
    return bytes(body)


def tab_of(request: Request, registry: Registry) -> TabSession:
    """The session that a page's request names. Raises Gone."""
    tab_session = registry.find(request.headers.get(HEADER), is_shown=True)
    if tab_session is None:
        raise Gone("This tab's session has ended; a new one begins.")
    return tab_session


def is_foreign(request: Request) -> bool:
    """Whether another site's page sent a request."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    hosts = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc not in hosts


def guarded(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """An endpoint whose refusals are sentences: 409 where the session is gone, 503 where there is no room now, 400
    for anything that cannot be."""

    async def endpoint(request: Request) -> Response:
        if is_foreign(request):
            return refusal(403, "Only this page may ask.")
        try:
            return await answer(request)
        except Gone as error:
            return refusal(409, str(error))
        except Busy as error:
            return refusal(503, str(error), {"Retry-After": str(error.retry_seconds)})
        except TrajflowError as error:
            return refusal(400, str(error))
        except Exception:
            logger.exception("a request failed")
            return refusal(500, "This failed; the server's log says why.")

    return endpoint


def refusal(status: int, text: str, headers: Mapping[str, str] = MappingProxyType({})) -> JSONResponse:
    """A sentence why not."""
    return JSONResponse({"error": text}, status, headers={**PRIVATE, **headers})


def answered(content: Any) -> JSONResponse:
    """JSON that nobody keeps."""
    return JSONResponse(content, headers=PRIVATE)


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of something that takes milliseconds, while other requests are served."""
    return await run_in_threadpool(call, *arguments)


def streamed(
    request: Request,
    desk: Desk,
    person: str,
    work: Callable[[], Iterator[Event]],
    *,
    is_background: bool = False,
    supersedes: bool = True,
) -> StreamingResponse:
    """Do a job, in place of the person's earlier ones if it `supersedes`, and send its events as they come."""
    loop, events = asyncio.get_running_loop(), asyncio.Queue[Event]()
    # A GPU that is lent by the call is lent to whoever this request came from.
    LocalContext.request.set(GradioRequest(request))

    def deliver(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, event)

    job = Job(person, work, deliver, is_background=is_background)
    desk.submit(job, supersedes=supersedes)

    async def lines() -> AsyncIterator[bytes]:
        try:
            while True:
                event = await events.get()
                yield f"data: {json.dumps(event)}\n\n".encode()
                if event["type"] in LAST:
                    return
        finally:
            job.cancel()

    return StreamingResponse(lines(), media_type="text/event-stream", headers=STREAMED)
