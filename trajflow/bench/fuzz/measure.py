"""The figures of `trajflow bench fuzz`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trajflow.base import Model
from trajflow.bench.figures import Figure
from trajflow.bench.fuzz.doors import Refusals, through_page, through_programs, through_python
from trajflow.bench.fuzz.pages import HOSTILE, injections
from trajflow.bench.fuzz.requests import bad_requests, for_programs, for_the_page
from trajflow.bench.fuzz.sessions import two_threads
from trajflow.bench.served import served


@dataclass(frozen=True)
class Size:
    """How much is done."""

    requests: int = 500
    steps: int = 10_000
    texts: int = len(HOSTILE)


QUICK = Size(requests=120, steps=300, texts=2)


@dataclass(frozen=True)
class Place:
    """What is tried: a model, the name it was loaded by, and how hard."""

    model: Model
    name: str
    size: Size


def _library(place: Place) -> Iterator[Figure]:
    requests = bad_requests(place.size.requests, place.model.defaults)
    yield refused("bad requests through the library", through_python(place.model, requests))


def _app(place: Place) -> Iterator[Figure]:
    # More than are asked for, of which those stay that are as bad over the wire.
    requests = list(bad_requests(2 * place.size.requests, place.model.defaults))
    with served(place.name) as app:
        asked = [each for each in requests if for_the_page(each)][: place.size.requests]
        yield refused("bad requests through the page", through_page(app, asked))
        asked = [each for each in requests if for_programs(each)][: place.size.requests]
        yield refused("bad requests through the endpoint for programs", through_programs(app, asked))
        spent = sum(n for name, n in app.counts().items() if name.startswith("trajflow_evaluations_spent_total"))
        yield Figure("evaluations spent on them", "0", f"{spent:g}", spent == 0, {"evaluations": spent})
        traces = app.traces()
        yield Figure("stack traces in the app's log", "0", str(traces), traces == 0, {"traces": traces})


def _sessions(place: Place) -> Iterator[Figure]:
    seen = two_threads(place.size.steps)
    is_ok = not (seen.beyond or seen.crossed)
    told = f"{seen.beyond} times beyond, {seen.crossed} crossed"
    numbers = {"steps": seen.steps, "beyond": seen.beyond, "crossed": seen.crossed}
    what = f"stateful model of the cache, {seen.steps:,} steps, two threads"
    yield Figure(what, "bytes within the cap, no hit of another session's", told, is_ok, numbers)


def _pages(place: Place) -> Iterator[Figure]:
    with served(place.name) as app:
        seen = injections(app, HOSTILE[: place.size.texts])
    is_ok = seen.count > 0 and not (seen.ran or seen.stumbled)
    told = f"{len(seen.ran)} ran, {len(seen.stumbled)} errors in the page"
    told += f" ({[*seen.ran, *seen.stumbled][0]})" if not is_ok and (seen.ran or seen.stumbled) else ""
    numbers = {"injections": seen.count, "ran": len(seen.ran), "errors": len(seen.stumbled)}
    yield Figure(f"{seen.count} scripts in texts, PNG and archives, in Chromium", "nothing runs", told, is_ok, numbers)


PARTS: dict[str, Callable[[Place], Iterator[Figure]]] = {
    "library": _library,
    "app": _app,
    "sessions": _sessions,
    "pages": _pages,
}


def measure(model: Model, name: str, size: Size, parts: Sequence[str] = tuple(PARTS)) -> Iterator[Figure]:
    """The rows of those parts."""
    for part in parts:
        yield from PARTS[part](Place(model, name, size))


def refused(what: str, seen: Refusals) -> Figure:
    """Nothing was run, and everything was said in words."""
    told = f"{seen.run} reached the model, {len(seen.wordless)} without a sentence"
    told += f" (first: {seen.wordless[0]})" if seen.wordless else ""
    numbers = {"count": seen.count, "run": seen.run, "wordless": len(seen.wordless)}
    return Figure(f"{seen.count} {what}", "0 reach the model, 0 stack traces", told, seen.is_clean, numbers)
