"""The app for programs: named endpoints, by gradio_client, HTTP or MCP (see docs/api.md).

client = gradio_client.Client(address)
picture, report = client.predict("a mountain at dusk", api_name="/generate")
picture, report = client.predict("a mountain at noon", session=report["session"], api_name="/generate")

A call that names no session gets a new one, whose secret is in the report; calls that name it share its pictures.
"""

import queue
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Image

from trajflow.base import Model, Step
from trajflow.errors import RequestError
from trajflow.methods import METHODS
from trajflow.ui import archive, describe, sheet
from trajflow.ui.account import run_made
from trajflow.ui.ask import FIELDS, read_ask, read_seed
from trajflow.ui.desk import Event, Job
from trajflow.ui.limits import Busy, check_work
from trajflow.ui.registry import Registry, TabSession
from trajflow.ui.tree import Node
from trajflow.ui.variations import MOST_CELLS, expand
from trajflow.ui.wire import LAST

# Of the text that names the seeds of a sheet.
LONGEST_SEEDS = 4000
# Fields of a picture that only the page needs.
UNTOLD = ("thumb", "draft", "pinned", "favourite", "name", "parent")


def add(model: Model, registry: Registry) -> None:
    """Add the endpoints to the Blocks that are open."""
    programs = Programs(model, registry)
    asked = [
        gr.Textbox(label="prompt"),
        gr.Number(0, precision=0, label="seed"),
        gr.Dropdown(list(METHODS), value="auto", label="strategy"),
        gr.Number(None, precision=0, label="budget"),
        gr.Checkbox(False, label="compare"),
        gr.Number(None, label="fidelity"),
        gr.Number(None, precision=0, label="steps"),
        gr.Number(None, label="guidance"),
        gr.Textbox("", label="negative_prompt"),
        gr.Number(None, precision=0, label="width"),
        gr.Number(None, precision=0, label="height"),
        gr.Textbox("", label="session"),
    ]
    picture, scratch, report = gr.Image(format="png", type="pil"), gr.Image(format="png", type="pil"), gr.JSON()
    session = gr.Textbox("", label="session")
    # What was sent goes to the library as it is, which refuses in words what cannot be: Gradio's own fields turn lists
    # into text, and answer nothing at all where a number is none.
    shared: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "preprocess": False}
    about = "seed -1 is a new one; budget is a ceiling on evaluations, fidelity what to reach in dB, not both"
    gr.Button().click(
        programs.generate, asked, [picture, report], api_name="generate", **shared,
        api_description=f"Make a picture from a prompt; {about}. The report names the session to go on with.",
    )  # fmt: skip
    gr.Button().click(
        programs.stream, asked, [picture, report], api_name="stream", **shared,
        api_description=f"As generate, with the picture as it comes; {about}.",
    )  # fmt: skip
    gr.Button().click(
        programs.compare, [*asked[:4], *asked[5:]], [picture, scratch, report], api_name="compare", **shared,
        api_description=f"Make a picture and its from-scratch picture, with PSNR and SSIM; {about}.",
    )  # fmt: skip
    gr.Button().click(
        programs.history, session, report, api_name="history", **shared,
        api_description="The pictures that a session holds, newest first, with their settings.",
    )  # fmt: skip
    gr.Button().click(
        programs.grid, [gr.Textbox(label="template"), gr.Textbox("7", label="seeds"), session], [picture, report],
        api_name="grid", **shared,
        api_description="A contact sheet of every prompt that {this|that} stands for, for each of the seeds.",
    )  # fmt: skip
    gr.Button().click(
        programs.export, session, gr.File(label="file"), api_name="export", **shared,
        api_description="A session as one file, to open in the studio.",
    )  # fmt: skip


@dataclass(frozen=True)
class Programs:
    """The endpoints' functions. Each raises gr.Error with the library's own sentence."""

    model: Model
    registry: Registry

    def generate(
        self,
        prompt: str,
        seed: int = 0,
        strategy: str = "auto",
        budget: int | None = None,
        compare: bool = False,
        fidelity: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        session: str = "",
    ) -> tuple[Image, dict[str, Any]]:
        """A picture and its report."""
        size, told = (width, height), (steps, guidance, negative_prompt)
        *_, (image, report) = self._events(prompt, seed, (strategy, budget, compare, fidelity), told, size, session)
        assert image is not None
        return image, report

    def stream(
        self,
        prompt: str,
        seed: int = 0,
        strategy: str = "auto",
        budget: int | None = None,
        compare: bool = False,
        fidelity: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        session: str = "",
    ) -> Iterator[tuple[Image | None, dict[str, Any]]]:
        """Steps as they are taken, then the picture and its report."""
        size, told = (width, height), (steps, guidance, negative_prompt)
        yield from self._events(prompt, seed, (strategy, budget, compare, fidelity), told, size, session)

    def compare(
        self,
        prompt: str,
        seed: int = 0,
        strategy: str = "auto",
        budget: int | None = None,
        fidelity: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str = "",
        width: int | None = None,
        height: int | None = None,
        session: str = "",
    ) -> tuple[Image, Image, dict[str, Any]]:
        """A picture, its from-scratch picture and the report of both."""
        size, told = (width, height), (steps, guidance, negative_prompt)
        *_, (image, report) = self._events(prompt, seed, (strategy, budget, True, fidelity), told, size, session)
        assert image is not None
        entries = self._open(report["session"]).session.entries()
        entry = next((e for e in entries if e.key == report["key"]), None)
        return image, image if entry is None else describe.shown_image(entry.result), report

    def history(self, session: str) -> dict[str, Any]:
        """What a session holds."""
        tab_session = self._open(session)
        defaults = self.model.defaults
        nodes = [describe.node(entry, Node(entry.key), defaults) for entry in tab_session.session.entries()]
        return {
            "session": tab_session.key,
            "bytes": tab_session.session.nbytes,
            "pictures": [{name: value for name, value in node.items() if name not in UNTOLD} for node in nodes],
        }

    def grid(self, template: str, seeds: str = "7", session: str = "") -> tuple[Image, dict[str, Any]]:
        """Many pictures on one sheet."""
        tab_session = self._open(session)
        try:
            chosen = _seeds(seeds)
            prompts = expand(str(template))
            if len(prompts) * len(chosen) > MOST_CELLS:
                raise RequestError(f"A sheet has 1 to {MOST_CELLS} pictures.")
            cells = [{"prompt": prompt, "seed": seed, "quality": "balanced"} for prompt in prompts for seed in chosen]
            asks = [read_ask(cell, self.model.defaults) for cell in cells]
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error
        told = [
            e for e in at_the_desk(self.registry, tab_session, partial(sheet.run, tab_session, asks)) if "done" in e
        ]
        keys = {event["index"]: event["node"]["key"] for event in told if event.get("node")}
        entries = {entry.key: entry for entry in tab_session.session.entries()}
        made = [entries[keys[index]] for index in sorted(keys) if keys[index] in entries]
        errors = [event["error"] for event in told if "error" in event]
        if not made:
            reason = errors[0] if errors else "The pictures are larger than the session may keep."
            raise gr.Error(reason, print_exception=False)
        columns = len(chosen) if len(chosen) > 1 else min(4, len(cells))
        report = {"session": tab_session.key, "pictures": [entry.key for entry in made], "cells": cells}
        report |= {"computed": told[-1]["computed"], "saved": told[-1]["saved"], "errors": errors}
        return sheet.contact(made, columns), report

    def export(self, session: str) -> Iterator[str]:
        """A session as a file, which Gradio copies before it asks whether there is more."""
        tab_session = self._open(session)
        with tempfile.TemporaryDirectory(prefix="trajflow-") as folder:
            path = Path(folder) / "trajflow-session.zip"
            path.write_bytes(archive.write(tab_session))
            yield str(path)

    def _open(self, session: Any) -> TabSession:
        try:
            tab_session = self.registry.reopen(session) if session and isinstance(session, str) else None
            if session and tab_session is None:
                raise gr.Error("That session is not held here; leave it empty for a new one.", print_exception=False)
            return tab_session or self.registry.open(None, is_spare=True)
        except Busy as error:
            raise gr.Error(str(error), print_exception=False) from error

    def _events(
        self,
        prompt: Any,
        seed: Any,
        way: tuple[Any, ...],
        told: tuple[Any, ...],
        size: tuple[Any, Any],
        session: Any,
    ) -> Iterator[tuple[Image | None, dict[str, Any]]]:
        tab_session = self._open(session)
        options = dict(zip(("strategy", "budget", "compare", "fidelity"), way, strict=True))
        options |= dict(zip(("steps", "guidance", "negative_prompt"), told, strict=True))
        options |= dict(zip(("width", "height"), size, strict=True))
        options = {name: value for name, value in options.items() if value is not None}
        try:
            check_work(options, self.model.defaults)
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error

        def work() -> Iterator[Event]:
            held = len(tab_session.session.entries())
            for event in tab_session.session.stream(prompt, seed=read_seed(seed), **options):
                if isinstance(event, Step):
                    yield {"type": "step", "k": event.k, "steps": event.steps, "nfe": event.nfe, "phase": event.phase}
                else:
                    yield run_made(event)
                    yield {"type": "result", "result": event, "held": held}

        for event in at_the_desk(self.registry, tab_session, work):
            if event["type"] == "result":
                yield event["result"].image, self._report(tab_session, event)
            else:
                yield None, {**event, "session": tab_session.key}

    def _report(self, tab_session: TabSession, event: Event) -> dict[str, Any]:
        result = event["result"]
        entry = next((e for e in tab_session.session.entries() if e.key == result.key), None)
        told: dict[str, Any] = {"session": tab_session.key, "key": result.key, "shared_pictures": event["held"]}
        told |= {name: getattr(result.request, name) for name in FIELDS}
        told |= {"steps": result.request.steps or self.model.defaults.steps, "nfe": result.cost.nfe}
        told |= {"rows": result.cost.rows, "seconds": dict(result.seconds), "from_store": result.from_store}
        told |= {"reason": result.plan.reason, "planned": result.plan.strategy, "warnings": list(result.warnings)}
        told |= {"source": None if result.plan.match is None else result.plan.match.prompt}
        told |= {"psnr_db": None if result.metrics is None else result.metrics.psnr_db}
        told |= {"ssim": None if result.metrics is None else result.metrics.ssim, "is_kept": entry is not None}
        return told


def _seeds(given: Any) -> list[Any]:
    """The seeds in a text, or a new one. Raises RequestError."""
    words = str(given)[:LONGEST_SEEDS].replace(",", " ").split()
    try:
        return [read_seed(int(word)) for word in words] or [read_seed(None)]
    except ValueError as error:
        raise RequestError("The seeds must be whole numbers, with commas between.") from error


def at_the_desk(registry: Registry, tab_session: TabSession, work: Any) -> Iterator[Event]:
    """The events of a program's job, which waits for the session's other jobs. Raises gr.Error."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    job = Job(tab_session.key, work, events.put)
    try:
        registry.desk.submit(job)
    except Busy as error:
        raise gr.Error(str(error), print_exception=False) from error
    try:
        while (event := events.get())["type"] not in LAST:
            yield event
    finally:
        job.cancel()
    if event["type"] == "error":
        raise gr.Error(event["text"], print_exception=False)
    if event["type"] == "stopped":
        raise gr.Error("The run was stopped.", print_exception=False)
