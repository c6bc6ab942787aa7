"""What the desk does for a tab: one picture, its completion, or several pictures, told event by event.

Every event is plain JSON. `step`: one step taken; `picture`: a picture and its node; `forgotten`: keys that are gone;
`estimate`: what Enter would do.
"""

import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch

from trajflow.base import Result, Step
from trajflow.cache import LEARNED, PRESETS
from trajflow.errors import Cancelled, NumericalError, RequestError, TrajflowError
from trajflow.sampler import RemoteModel
from trajflow.session import Session
from trajflow.ui import describe, png
from trajflow.ui.account import ahead_made, completion_made, run_made
from trajflow.ui.ask import Ask
from trajflow.ui.desk import Event
from trajflow.ui.learning import learned_tiers
from trajflow.ui.registry import TabSession
from trajflow.ui.tree import Node

logger = logging.getLogger(__name__)
REDRAW_SECONDS = 0.12
# Of a run's time, at most, for pictures of what is not finished.
PREVIEW_SHARE = 0.2


def run(tab_session: TabSession, ask: Ask, asked_at: float) -> Iterator[Event]:
    """Make one picture; `asked_at` (monotonic seconds) is when it was asked for. A draft before it gives way."""
    session = tab_session.session
    scratch = apart(session, ask)
    # A preview is there sooner than a picture of it on its way would be.
    drawing = Drawing(session, is_drawn=not ask.is_preview)
    with ended((scratch or session).stream(**ask.options)) as events:
        for event in events:
            if isinstance(event, Step):
                # A preview is over before twenty coasted steps could be looked at one by one.
                if not ask.is_preview or event.kind == "computed":
                    yield drawing.step(event)
                continue
            if scratch is not None:
                bring(scratch, session, event.key)
            waited = None if not event.is_final else time.monotonic() - asked_at
            # Before anything is told: a run that is stopped while it tells has its picture, and a draft is one.
            place(tab_session, event, ask, waited)
            if event.is_final:
                yield run_made(event)
            yield from finished(tab_session, event, waited)
    if ask.is_preview:
        yield estimate(session, ask)


def place(tab_session: TabSession, result: Result, ask: Ask, waited: float | None) -> None:
    """Give a picture that has been made, and is held, its place in the tree."""
    tree, key = tab_session.tree, result.key
    entry = tab_session.entry(key)
    if entry is None:
        return
    known = tree.nodes.get(key)
    if known is None:
        parent = ask.parent if ask.parent in tree.nodes else None
        # Of one that was made ahead nobody waited for the steps.
        own = None if result.from_store else waited
        known = Node(key, parent, is_draft=ask.is_preview and not describe.is_exact(entry), waited=own)
    elif not ask.is_preview:
        known = replace(known, is_draft=False)
    tree.put(known)
    tab_session.keep()


def finished(tab_session: TabSession, result: Result, waited: float | None) -> Iterator[Event]:
    """Show a picture that has its place, and take away the draft it replaces."""
    tree, session = tab_session.tree, tab_session.session
    key = result.key
    entry = tab_session.entry(key)
    if entry is None:
        yield {"type": "picture", "node": None, "image": png.data_uri(result.image), "reason": result.plan.reason}
        return
    yield {
        "type": "picture",
        "node": describe.node(entry, tree.node(key), session.model.defaults),
        "image": png.data_uri(describe.shown_image(entry.result)),
        "stored": result.from_store,
        "spent": result.cost.nfe,
        "waited": waited,
        "held": session.nbytes,
    }
    drafts = [draft for draft in tree.drafts() if draft != key]
    for draft in drafts:
        session.forget(draft)
    yield from _gone(tab_session, drafts)


def _gone(tab_session: TabSession, drafts: Sequence[str] = ()) -> Iterator[Event]:
    """Take out of the tree whose pictures are no longer held: these drafts, and what was let go for want of room."""
    session = tab_session.session
    gone = tab_session.tree.prune(entry.key for entry in session.entries())
    if gone:
        tab_session.keep()
        let_go = len(set(gone) - set(drafts))
        yield {"type": "forgotten", "keys": gone, "let_go": let_go, "held": session.nbytes}


def complete(tab_session: TabSession, key: str, *, is_ahead: bool = False) -> Iterator[Event]:
    """Make an entry's picture exact, then those of the other entries that were asked for, newest first; `is_ahead`
    goes on with what is likely to be asked for after it."""
    session, tree = tab_session.session, tab_session.tree
    others = [entry.key for entry in session.unfinished() if entry.key != key and not tree.node(entry.key).is_draft]
    for each in (key, *others):
        try:
            yield from _complete(tab_session, each)
        except Cancelled:
            raise
        except TrajflowError:
            # Forgotten meanwhile, or of another model: its picture stands as it is.
            continue
    if is_ahead and tab_session.entry(key) is not None:
        try:
            yield from _work_ahead(session, key)
        except Cancelled:
            raise
        except TrajflowError as error:
            # Nobody has asked for it, so nobody is to be told that it failed.
            logger.info("Working ahead has ended: %s", error)


def _work_ahead(session: Session, key: str) -> Iterator[Event]:
    """`ahead`: how far the next one is, and the prompt of each that is there."""
    with ended(session.work_ahead(key)) as events:
        for event in events:
            if isinstance(event, Step):
                yield {"type": "ahead", "k": event.k + 1, "steps": event.steps, "nfe": event.nfe}
                continue
            yield ahead_made(event)
            yield {"type": "ahead", "prompt": event.request.prompt}


def _complete(tab_session: TabSession, key: str) -> Iterator[Event]:
    session, tree = tab_session.session, tab_session.tree
    with ended(session.complete(key)) as events:
        for event in events:
            if isinstance(event, Step):
                yield {"type": "completing", "key": key, "k": event.k + 1, "steps": event.steps, "nfe": event.nfe}
            else:
                yield completion_made(event)
    tree.settle(key)
    tab_session.keep()
    entry = tab_session.entry(key)
    if entry is not None:
        yield {
            "type": "picture",
            "node": describe.node(entry, tree.node(key), session.model.defaults),
            "image": png.data_uri(describe.shown_image(entry.result)),
            "completed": True,
            "held": session.nbytes,
        }
    yield from _gone(tab_session)


def estimate(session: Session, ask: Ask) -> Event:
    """What the request would take if it were not only a preview."""
    try:
        known = session.estimate(**ask.wanted)
    except TrajflowError as error:
        return {"type": "estimate", "warning": str(error)}
    return {
        "type": "estimate",
        "nfe": known.nfe,
        "seconds": known.seconds,
        "reason": known.reason,
        "warning": known.warning,
        "expected": None if known.forecast is None else asdict(known.forecast),
    }


def apart(session: Session, ask: Ask) -> Session | None:
    """A session with the sources that the request names, or with all but pictures of this very request; None where the
    tab's own will do. Raises RequestError when none of the named ones is held."""
    tiers = learned_tiers(session) if ask.tiers == LEARNED else ask.tiers
    if not (ask.pinned or ask.excluded or ask.is_apart or tiers != PRESETS["published"]):
        return None
    scratch = session.apart(tiers)
    prompt = str(ask.options["prompt"]).strip()
    chosen = [
        entry
        for entry in reversed(session.entries())
        if (not ask.pinned or entry.key in ask.pinned)
        and entry.key not in ask.excluded
        and not (ask.is_apart and entry.prompt == prompt)
    ]
    if ask.pinned and not chosen:
        raise RequestError("The picture to start from is no longer kept.")
    for entry in chosen:
        scratch.adopt(entry)
    return scratch


def bring(scratch: Session, session: Session, key: str) -> None:
    """Take what a session apart has made into the tab's own."""
    held = {entry.key for entry in session.entries()}
    for entry in scratch.entries():
        if entry.key == key and key not in held:
            session.adopt(entry)


@contextmanager
def ended(events: Iterator[Step | Result]) -> Iterator[Iterator[Step | Result]]:
    """The events of a run, which ends with the block even if not all of them were asked for."""
    try:
        yield events
    finally:
        if isinstance(events, Generator):
            events.close()


class Drawing:
    """Steps as events, with a picture of what is to come now and then."""

    def __init__(self, session: Session, *, is_drawn: bool = True) -> None:
        self._session = session
        model = session.model
        is_displaced = getattr(model, "is_displaced_by_decoding", False)
        self._is_drawn = is_drawn and not is_displaced and not isinstance(model, RemoteModel)
        self._next = time.monotonic() + REDRAW_SECONDS

    def step(self, step: Step) -> Mapping[str, Any]:
        """One step."""
        event: dict[str, Any] = {
            "type": "step",
            "phase": step.phase,
            "k": step.k,
            "steps": step.steps,
            "kind": step.kind,
            "nfe": step.nfe,
            "angle": None if step.angle is None else round(step.angle, 2),
            "seconds": round(step.seconds, 4),
            "expected": None if step.forecast is None else round(step.forecast.median_db, 1),
        }
        if self._is_drawn and step.phase == "cached" and time.monotonic() >= self._next and step.k + 1 < step.steps:
            began = time.monotonic()
            try:
                event["image"] = png.jpeg_uri(self._session.decode(step.preview), describe.PREVIEW_QUALITY)
            except (NumericalError, torch.OutOfMemoryError):
                # An estimate that cannot be drawn is no reason to end the run: its picture may well be.
                self._is_drawn = False
            ended = time.monotonic()
            self._next = ended + max(REDRAW_SECONDS, (ended - began) * (1 / PREVIEW_SHARE - 1))
        return event
