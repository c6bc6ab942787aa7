"""Memory over a long day: it is read when the app is as full as it gets, and again after all the work."""

from dataclasses import dataclass

import httpx

from trajflow.bench.load.prompts import prompt
from trajflow.bench.served import Served
from trajflow.bench.visitor import Visitor

# Sessions that the app keeps in these measurements: it is full when as many have been closed.
KEPT_SESSIONS = 4
A_VISIT = 20


@dataclass(frozen=True)
class Growth:
    """Resident bytes before and after the work."""

    before: int
    after: int

    @property
    def share(self) -> float:
        """Of what was there before; below 0 where some was given back."""
        return self.after / self.before - 1


def soak(app: Served, generations: int, steps: int, side: int) -> Growth:
    """Pictures from scratch and from cached ones, in visits of 20; the app keeps the last sessions, and those only."""
    for visit in range(KEPT_SESSIONS + 1):
        _visit(app, visit * A_VISIT, min(A_VISIT, generations), steps, side)
    before = app.rss()
    for first in range(0, generations, A_VISIT):
        _visit(app, first, min(A_VISIT, generations - first), steps, side)
    return Growth(before, app.rss())


def _visit(app: Served, first: int, count: int, steps: int, side: int) -> None:
    visitor = Visitor(app.url)
    for number in range(first, first + count):
        amount = steps if number == first else max(1, steps // 2)
        asked = {"seed": 7, "steps": steps, "width": side, "height": side}
        visitor.run(prompt(number), quality="evaluations", amount=amount, **asked)
    visitor.close()


def visits(app: Served, count: int) -> Growth:
    """Tabs opened and closed again: the page, its description, a session, and good-bye."""
    for _ in range(max(KEPT_SESSIONS + 1, count // 10)):
        _look_in(app)
    before = app.rss()
    for _ in range(count):
        _look_in(app)
    return Growth(before, app.rss())


def _look_in(app: Served) -> None:
    for path in ("/", "/config"):
        httpx.get(app.url + path, timeout=30).raise_for_status()
    Visitor(app.url).close()
