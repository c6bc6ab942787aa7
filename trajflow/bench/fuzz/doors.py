"""The three ways in: Python, the page, and the endpoint for programs. What is refused is refused in words."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from torch import Tensor

from trajflow.base import Conditioning, Evaluation, Level, Model, Point
from trajflow.bench.fuzz.requests import HUGE, VALID
from trajflow.bench.served import Served
from trajflow.bench.visitor import Refused, Visitor
from trajflow.errors import TrajflowError
from trajflow.session import Session

# In the order of the endpoint's arguments, with what each is unless asked for.
ARGUMENTS: tuple[tuple[str, Any], ...] = (
    ("prompt", ""), ("seed", 0), ("strategy", "auto"), ("budget", None), ("compare", False), ("fidelity", None),
    ("steps", None), ("guidance", None), ("negative_prompt", ""), ("width", None), ("height", None), ("session", ""),
)  # fmt: skip
# Stands in JSON for a number of 5,001 digits, before they are put in.
DIGITS = "as-many-digits"


@dataclass(frozen=True)
class Refusals:
    """How bad requests ended: how many there were, were run after all, or were refused by anything but a sentence."""

    count: int
    run: int
    wordless: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """All of them were refused in words."""
        return self.count > 0 and not self.run and not self.wordless


class Counting:
    """A model that counts what it is asked to compute; everything else is the model's own."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
        """Counted."""
        self.asked += 1
        return self._model.encode(prompt, negative_prompt, guidance)

    def evaluate(self, x: Tensor, point: Point, conditioning: Conditioning, keep: Level | None = None) -> Evaluation:
        """Counted."""
        self.asked += 1
        return self._model.evaluate(x, point, conditioning, keep)


def through_python(model: Model, requests: Iterable[dict[str, Any]]) -> Refusals:
    """Each as a call of `Session.generate`."""
    counting = Counting(model)
    session = Session(counting)
    count, wordless = 0, []
    for request in requests:
        count += 1
        try:
            session.generate(**request)
        except TrajflowError as error:
            if not is_sentence(str(error)):
                wordless.append(f"{shown(request)}: {error}")
        # Anything else is what must not be.
        except Exception as error:
            wordless.append(f"{shown(request)}: {type(error).__name__}")
    return Refusals(count, counting.asked, tuple(wordless))


def through_page(app: Served, requests: Iterable[dict[str, Any]]) -> Refusals:
    """Each as the page would send it."""
    visitor = Visitor(app.url)

    def ask(request: dict[str, Any]) -> str:
        # As JavaScript cannot, so that NaN and numbers without end arrive.
        answer = visitor.client.post("/studio/run", content=wire(request), headers={"x-trajflow-session": visitor.key})
        if answer.status_code != 200:
            return str(answer.json()["error"]) if answer.status_code in (400, 413) else f"HTTP {answer.status_code}"
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
        last = events[-1] if events else {}
        return str(last.get("text")) if last.get("type") == "error" else f"run: {last}"

    try:
        return _refusals(requests, ask)
    finally:
        visitor.close()


def through_programs(app: Served, requests: Iterable[dict[str, Any]]) -> Refusals:
    """Each as a program would send it, over plain HTTP."""
    address = f"{app.url}/gradio_api/call/generate"
    with httpx.Client(timeout=120) as client:

        def ask(request: dict[str, Any]) -> str:
            data = wire({"data": [request.get(name, value) for name, value in ARGUMENTS]})
            answer = client.post(address, content=data, headers={"Content-Type": "application/json"})
            if answer.status_code != 200:
                return answer.text if 400 <= answer.status_code < 500 else f"HTTP {answer.status_code}"
            told = client.get(f"{address}/{answer.json()['event_id']}").text
            if "event: complete" in told:
                return f"run: {told[:80]}"
            found = json.loads(told.rpartition("data: ")[2].strip() or "null")
            return str(found.get("error") if isinstance(found, dict) else found)

        return _refusals(requests, ask)


def _refusals(requests: Iterable[dict[str, Any]], ask: Callable[[dict[str, Any]], str]) -> Refusals:
    count, run, wordless = 0, 0, []
    for request in requests:
        count += 1
        try:
            said = ask(request)
        except (httpx.HTTPError, Refused, ValueError, KeyError) as error:
            said = f"HTTP {type(error).__name__}"
        run += said.startswith("run: ")
        if not is_sentence(said):
            wordless.append(f"{shown(request)}: {said[:80]}")
    return Refusals(count, run, tuple(wordless))


def wire(body: Any) -> bytes:
    """JSON as a program might write it: with NaN and Infinity, lone surrogates, bytes as their numbers, and numbers of
    more digits than Python writes."""

    def written(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: written(each) for name, each in value.items()}
        if isinstance(value, list):
            return [written(each) for each in value]
        is_huge = isinstance(value, int) and abs(value) >= HUGE
        return (DIGITS if value > 0 else f"-{DIGITS}") if is_huge else value

    text = json.dumps(written(body), default=list)
    return re.sub(f'"(-?){DIGITS}"', lambda sign: sign[1] + "1" + "0" * 5000, text).encode()


def is_sentence(text: str) -> bool:
    """Whether somebody could do something with it, and nothing of the inside shows."""
    return (
        len(text) > 15
        and " " in text
        and not any(sign in text for sign in ("Traceback", "HTTP 5", "run: ", "site-packages"))
    )


def shown(request: dict[str, Any]) -> str:
    """What is bad about a request, in short."""
    told = {name: value for name, value in request.items() if name not in VALID or VALID[name] is not value}
    short = {
        name: "a huge number" if isinstance(value, int) and abs(value) >= HUGE else value
        for name, value in told.items()
    }
    return repr(short)[:80]
