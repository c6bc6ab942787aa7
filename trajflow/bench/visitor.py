"""A browser tab as far as the server can tell: a session, requests in its name, and the events that come back."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from trajflow.errors import TrajflowError

HEADER = "x-trajflow-session"
# Of a request that waits in a long queue.
PATIENCE_SECONDS = 600.0
LAST = ("done", "stopped", "error")


class Refused(TrajflowError):
    """The app did not do what it was asked for, and said why; `status` is HTTP's, 200 for an error told as an event."""

    def __init__(self, status: int, text: str, retry_seconds: float | None = None) -> None:
        self.status = status
        self.retry_seconds = retry_seconds
        super().__init__(text)


class Visitor:
    """One person at the app of that address, new or with a session from before; `close` leaves as a closed tab does."""

    def __init__(self, url: str, key: str = "") -> None:
        self.client = httpx.Client(base_url=url, timeout=PATIENCE_SECONDS)
        asked = {"session": key} if key else {}
        self.key = str(self._answer(self.client.post("/studio/hello", json=asked)).json()["session"])

    def post(self, name: str, body: Any = None) -> Any:
        """The answer to one request: parsed JSON, or bytes. Raises Refused."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body or {}}
        answer = self._answer(self.client.post(f"/studio/{name}", headers={HEADER: self.key}, **content))
        return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.content

    def events(self, name: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a job as they come; who stops reading hangs up. Raises Refused."""
        with self.opened(name, body) as answer:
            for line in answer.iter_lines():
                if line:
                    yield json.loads(line.removeprefix("data: "))

    @contextmanager
    def opened(self, name: str, body: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """The stream of a job's events, not read yet. Raises Refused."""
        with self.client.stream("POST", f"/studio/{name}", json=body, headers={HEADER: self.key}) as answer:
            if answer.status_code != 200:
                answer.read()
            yield self._answer(answer)

    def run(self, prompt: str, **body: Any) -> dict[str, Any]:
        """Make one picture: the event of the picture, with its `node` and `image`. Raises Refused."""
        picture: dict[str, Any] = {}
        for event in self.events("run", {"prompt": prompt, **body}):
            if event["type"] == "picture":
                picture = event
            elif event["type"] in ("error", "stopped"):
                raise Refused(200, event.get("text", event["type"]))
        return picture

    def picture(self, key: str, which: str = "shown") -> bytes:
        """A picture's PNG bytes. Raises Refused."""
        return self._answer(self.client.get(f"/studio/picture/{key}/{which}", headers={HEADER: self.key})).content

    def library(self) -> dict[str, Any]:
        """What the session holds, as a page that is opened again is told."""
        answer: dict[str, Any] = self._answer(self.client.post("/studio/hello", json={"session": self.key})).json()
        return answer

    def close(self) -> None:
        """Close the tab."""
        self.client.post("/studio/leave", json={"session": self.key})
        self.client.close()

    @staticmethod
    def _answer(answer: httpx.Response) -> httpx.Response:
        if answer.status_code != 200:
            after = answer.headers.get("retry-after")
            raise Refused(answer.status_code, answer.text[:500], None if after is None else float(after))
        return answer
