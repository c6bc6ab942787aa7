"""More people than the queue has places for: who is too many is told so at once, and nobody is left hanging."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

from trajflow.bench.load.prompts import prompt
from trajflow.bench.served import Served
from trajflow.bench.visitor import PATIENCE_SECONDS, Refused, Visitor

TOO_MANY = re.compile(r"Try again in \d+ second")


@dataclass(frozen=True)
class Overflow:
    """How requests that came at once ended; `slowest` is the longest refusal, in seconds."""

    served: int
    refused: int
    hung: int
    slowest: float


@dataclass(frozen=True)
class Ending:
    """One request's end: whether it was refused in the words that say when to come back, and how fast."""

    is_refused: bool
    is_served: bool
    seconds: float


def overflow(app: Served, people: int, steps: int) -> Overflow:
    """That many visitors, each with a session of its own, ask for a picture at the same moment."""
    visitors = [Visitor(app.url) for _ in range(people)]
    endings = at_once([partial(_visit, visitor, number, steps) for number, visitor in enumerate(visitors)])
    for visitor in visitors:
        visitor.close()
    return endings


def overflow_of_programs(app: Served, people: int, steps: int) -> Overflow:
    """The same through the endpoint for programs, as plain HTTP."""
    with httpx.Client(timeout=PATIENCE_SECONDS, limits=httpx.Limits(max_connections=None)) as client:
        return at_once([partial(_call, client, app, number, steps) for number in range(people)])


def at_once(asks: Sequence[Callable[[], Ending]]) -> Overflow:
    """Ask all of these at the same moment, and wait for every answer."""
    start = threading.Barrier(len(asks))

    def come(ask: Callable[[], Ending]) -> Ending:
        start.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as people:
        endings = list(people.map(come, asks))
    refused = [ending.seconds for ending in endings if ending.is_refused]
    served = sum(ending.is_served for ending in endings)
    return Overflow(served, len(refused), len(asks) - served - len(refused), max(refused, default=0.0))


def _visit(visitor: Visitor, number: int, steps: int) -> Ending:
    began = time.monotonic()
    try:
        picture = visitor.run(prompt(number), seed=number, steps=steps, quality="exact")
    except Refused as error:
        is_told = error.status == 503 and error.retry_seconds is not None and bool(TOO_MANY.search(str(error)))
        return Ending(is_told, False, time.monotonic() - began)
    except httpx.HTTPError:
        return Ending(False, False, time.monotonic() - began)
    return Ending(False, bool(picture), time.monotonic() - began)


def _call(client: httpx.Client, app: Served, number: int, steps: int) -> Ending:
    began, address = time.monotonic(), f"{app.url}/gradio_api/call/generate"
    data = [prompt(number), number, "baseline", None, False, None, steps, None, "", None, None, ""]
    answer = client.post(address, json={"data": data})
    told = answer.text
    if answer.status_code == 200:
        told = client.get(f"{address}/{answer.json()['event_id']}").text
    is_refused = bool(TOO_MANY.search(told))
    return Ending(is_refused, "event: complete" in told, time.monotonic() - began)
