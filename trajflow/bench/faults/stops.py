"""A run that is ended at each of its steps: it ends there, leaves nothing behind, and the next one never notices."""

import gc
import weakref
from dataclasses import dataclass
from typing import Any, Literal

import httpx
from torch import Tensor

from trajflow.base import Model, Step
from trajflow.bench.served import Served
from trajflow.bench.visitor import Refused, Visitor
from trajflow.errors import Cancelled
from trajflow.session import Session

PROMPT, AFTER = "a mountain at dusk", "a mountain at dawn"
Ending = Literal["stop", "close", "drop"]
# Steps that the network may have begun by the time that a closed connection is seen.
ON_THE_WAY = 3


@dataclass(frozen=True)
class Stopped:
    """What came of so many stops: those that went on for more than a step, those after which another run was not what
    it is undisturbed, and those that left something in memory."""

    count: int
    late: int
    disturbed: int
    held: int

    @property
    def is_clean(self) -> bool:
        """Nothing of that."""
        return not (self.late or self.disturbed or self.held)


def stops_in_library(model: Model, steps: int, side: int, ending: Ending) -> Stopped:
    """End a run after each of its steps, by `Session.stop`, by closing its stream, or by dropping that."""
    asked: dict[str, Any] = {"seed": 7, "steps": steps, "width": side, "height": side}
    undisturbed = Session(model).generate(AFTER, **asked).image.tobytes()
    late = disturbed = held = 0
    left = []
    for k in range(steps):
        session = Session(model)
        left.append(weakref.ref(_end(session, k, asked, ending)))
        late += session.spent.waited.nfe > k + 1
        held += session.nbytes > 0 or len(session.entries()) > 0
        disturbed += session.generate(AFTER, **asked).image.tobytes() != undisturbed
    gc.collect()
    return Stopped(steps, late, disturbed, held + sum(state() is not None for state in left))


def _end(session: Session, k: int, asked: dict[str, Any], ending: Ending) -> Tensor:
    """The state at step k, at which the run was ended."""
    events = session.stream(PROMPT, **asked)
    step = next(event for event in events if isinstance(event, Step) and event.k == k)
    latents = step.latents
    if ending == "stop":
        session.stop()
        try:
            # The last step is followed by no other at which a stop could be seen: its picture is there.
            next(events, None)
        except Cancelled:
            pass
        else:
            session.clear()
    elif ending == "close":
        events.close()  # type: ignore[attr-defined]
    return latents


def hang_ups(app: Served, count: int, steps: int, side: int) -> Stopped:
    """Read a stream's events up to a step, and go: the tab is closed, or only its reader is gone, by turns.

    Held is who can no longer get a picture, or a picture that nobody finished.
    """
    asked = {"seed": 7, "steps": steps, "width": side, "height": side, "quality": "exact"}
    other = Visitor(app.url)
    undisturbed = other.picture(other.run(AFTER, **asked)["node"]["key"])
    late = disturbed = held = 0
    for number in range(count):
        k = number * steps // count
        before = _abandoned(app)
        visitor = Visitor(app.url)
        for event in visitor.events("run", {"prompt": PROMPT, **asked}):
            if event["type"] == "step" and event["k"] >= k:
                break
        if number % 2:
            visitor.close()
        next_one = Visitor(app.url)
        try:
            node = next_one.run(AFTER, **asked)["node"]
            disturbed += next_one.picture(node["key"]) != undisturbed
            spent = _abandoned(app) - before
            late += spent > k + 1 + ON_THE_WAY
            if not number % 2:
                # Who hung up is still a visitor, with nothing made.
                held += len(visitor.library()["nodes"]) > (spent == 0)
        except (Refused, httpx.HTTPError):
            held += 1
        next_one.close()
        visitor.client.close()
    other.close()
    return Stopped(count, late, disturbed, held)


def _abandoned(app: Served) -> int:
    return int(app.counts().get('trajflow_evaluations_spent_total{kind="abandoned"}', 0))
