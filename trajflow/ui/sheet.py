"""Many pictures in one go: run in the order that shares the most, then drawn on one contact sheet."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajflow.base import Result, Step
from trajflow.cache import Entry, SentenceEncoder
from trajflow.errors import RequestError, TrajflowError
from trajflow.methods import METHODS
from trajflow.metrics import compare_images
from trajflow.ui import describe, png, work
from trajflow.ui.account import run_made
from trajflow.ui.ask import Ask
from trajflow.ui.desk import TURN, Event
from trajflow.ui.registry import TabSession
from trajflow.ui.variations import MOST_CELLS, sharing_order

MARGIN, LABEL = 8, 18
MOST_SIDE = 256
# Runs that agree in these share the most.
GROUP = ("seed", "steps", "guidance", "negative_prompt", "width", "height")


def order_of(asks: Sequence[Ask]) -> list[int]:
    """The order of the cells: what can share nothing apart, what shares the most together."""
    encoder = SentenceEncoder(remembered=MOST_CELLS)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, ask in enumerate(asks):
        kind = tuple(ask.options.get(name) for name in GROUP)
        groups.setdefault(kind, []).append(index)
    order: list[int] = []
    for indices in groups.values():
        vectors = np.stack([encoder.encode(str(asks[index].options["prompt"]).strip()) for index in indices])
        order += [indices[place] for place in sharing_order(vectors)]
    return order


def run(tab_session: TabSession, asks: Sequence[Ask], *, is_lab: bool = False) -> Iterator[Event]:
    """Make every cell; others' work goes between two. A cell that fails says why, and the next one is made.

    In the lab only the from-scratch picture is kept, and no cell starts from another.
    """
    if not 0 < len(asks) <= MOST_CELLS:
        raise RequestError(f"A sheet has 1 to {MOST_CELLS} pictures.")
    order = list(range(len(asks))) if is_lab else order_of(asks)
    exact = (yield from _exact(tab_session, asks[0])) if is_lab else None
    yield {"type": "order", "order": order}
    began, spent, full = time.monotonic(), 0, 0
    for done, index in enumerate(order, 1):
        ask = asks[index]
        cell: dict[str, Any] = {"type": "cell", "index": index, "done": done, "of": len(asks)}
        try:
            cell |= yield from (_picture(tab_session, ask) if exact is None else _trial(tab_session, ask, exact))
        except TrajflowError as error:
            cell["error"] = str(error)
        # Of a picture that was too large to be kept nothing more is told.
        spent += cell.get("spent") or 0
        full += cell.get("full", 0)
        left = (time.monotonic() - began) / done * (len(asks) - done)
        yield {**cell, "computed": spent, "saved": full - spent, "left_seconds": left}
        yield TURN


def _picture(tab_session: TabSession, ask: Ask) -> Generator[Event, None, dict[str, Any]]:
    """Make one cell's picture, which is kept; returns what the cell shows."""
    began, told = time.monotonic(), {}
    steps = ask.options.get("steps") or tab_session.session.model.defaults.steps
    for event in work.run(tab_session, replace(ask, is_preview=False), began):
        if event["type"] == "picture":
            told = {name: event.get(name) for name in ("node", "image", "stored", "spent", "held")}
        else:
            yield event
    return {**told, "full": steps, "seconds": time.monotonic() - began}


def _exact(tab_session: TabSession, ask: Ask) -> Generator[Event, None, Image.Image]:
    """The from-scratch picture that the lab measures against; from the session where it is held, and shown as held."""
    session = tab_session.session
    settings = {name: ask.options[name] for name in ("prompt", *GROUP) if name in ask.options}
    result = yield from _last(session.stream(**settings, budget=_steps(tab_session, ask)))
    entry = tab_session.entry(result.key)
    if entry is not None:
        node = describe.node(entry, tab_session.tree.node(entry.key), session.model.defaults)
        yield {"type": "exact", "node": node, "image": png.data_uri(result.image)}
    return result.image


def _trial(tab_session: TabSession, ask: Ask, exact: Image.Image) -> Generator[Event, None, dict[str, Any]]:
    """One way to make the lab's picture, as if it had not been made yet; of it only what it teaches is kept."""
    scratch = work.apart(tab_session.session, replace(ask, is_apart=True))
    assert scratch is not None
    result = yield from _last(scratch.stream(**ask.options))
    near = compare_images(result.image, exact)
    tier = _tier(result)
    if tier is not None:
        # Of the other methods only one in many is ever shown: its forecast learns from the pictures themselves.
        tab_session.session.learn(replace(result, metrics=near))
    return {
        "image": png.data_uri(result.image),
        "spent": result.cost.nfe,
        "full": _steps(tab_session, ask),
        "seconds": sum(result.seconds.values()),
        "reason": result.plan.reason,
        "kinds": list(result.kinds),
        "tier": tier,
        "psnr_db": round(near.psnr_db, 2),
        "ssim": round(near.ssim, 4),
    }


def _tier(result: Result) -> dict[str, Any] | None:
    """What the table of tiers made of the nearest picture, for a run that asked it."""
    match = result.plan.match
    if match is None or METHODS[result.plan.sampling.method].family != "switch":
        return None
    return {
        "name": match.tier,
        "similarity": round(match.similarity, 3),
        "prompt": match.prompt,
        "taken": result.kinds.count("cached"),
    }


def _steps(tab_session: TabSession, ask: Ask) -> int:
    steps: int = ask.options.get("steps") or tab_session.session.model.defaults.steps
    return steps


def _last(events: Iterator[Step | Result]) -> Generator[Event, None, Result]:
    """The steps of a stream as events; returns its result."""
    with work.ended(events) as stream:
        for event in stream:
            if isinstance(event, Result):
                yield run_made(event)
                return event
            yield {"type": "step", "phase": "lab", "k": event.k, "steps": event.steps, "nfe": event.nfe}
    raise AssertionError("A stream ends in a result.")


def contact(entries: Sequence[Entry], columns: int, labels: Sequence[str] = ()) -> Image.Image:
    """The pictures of some entries on one sheet, each with its label or prompt and seed under it."""
    if not entries:
        raise RequestError("There is no picture for a contact sheet.")
    columns = max(1, min(columns, len(entries)))
    pictures = [describe.shown_image(entry.result).copy() for entry in entries]
    for picture in pictures:
        picture.thumbnail((MOST_SIDE, MOST_SIDE))
    wide, high = max(p.width for p in pictures), max(p.height for p in pictures)
    rows = -(-len(entries) // columns)
    size = (columns * (wide + MARGIN) + MARGIN, rows * (high + LABEL + MARGIN) + MARGIN)
    sheet = Image.new("RGB", size, (250, 248, 245))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
        left = MARGIN + index % columns * (wide + MARGIN)
        top = MARGIN + index // columns * (high + LABEL + MARGIN)
        sheet.paste(picture, (left + (wide - picture.width) // 2, top))
        label = labels[index] if index < len(labels) else f"{entry.result.request.seed} {entry.prompt}"
        while label and draw.textlength(label, font=font) > wide:
            label = label[:-1]
        draw.text((left, top + high + 3), label, fill=(40, 44, 50), font=font)
    return sheet


def read_cells(given: Any, read: Any) -> list[Ask]:
    """The asks of a sheet. Raises RequestError."""
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given) or len(given) > MOST_CELLS:
        raise RequestError(f"A sheet is a list of at most {MOST_CELLS} requests.")
    return [read(each) for each in given]
