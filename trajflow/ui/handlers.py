"""What happens on each event of the page. Every handler returns only the components it changes.

Nothing but the model's own work is queued: asking for a warning, stopping, restoring and forgetting answer at once.
"""

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from trajflow import plots
from trajflow.base import Model, Result
from trajflow.errors import Cancelled, TrajflowError
from trajflow.ui import history, pictures, png, words
from trajflow.ui.live import Live
from trajflow.ui.parts import Parts
from trajflow.ui.registry import Registry, Seat
from trajflow.ui.strip import strip

logger = logging.getLogger(__name__)
Changes = dict[Any, Any]
FORM = ("prompt", "seed", "steps", "guidance", "width", "height", "negative_prompt", "strategy", "budget", "compare")


@dataclass
class Handlers:
    """The events of one page, over one model and its sessions."""

    flow: Model
    registry: Registry
    parts: Parts
    story: list[dict[str, str]]

    def arrive(self, key: str | None, request: gr.Request) -> Changes:
        """The page was opened: give the tab a session of its own."""
        key, seat = self.registry.open(key, request.session_hash)
        return {self.parts.key: key, **self._history(seat)}

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        self.registry.leave(request.session_hash)

    def dice(self) -> int:
        """Another seed."""
        return secrets.randbelow(2**31)

    def chapter(self, event: gr.EventData) -> str:
        """The prompt of the story's step that was clicked."""
        index = event._data.get("index") if isinstance(event._data, dict) else None
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.story):
            raise gr.Error("There is no such step in the story.", print_exception=False)
        return self.story[index]["prompt"]

    def begin(self, key: str | None, seed: Any, keep_seed: bool, request: gr.Request) -> Changes:
        """Answer the click at once, before the run's turn comes."""
        had_place = key is None or self.registry.find(key) is not None
        key, seat = self.registry.open(key, request.session_hash)
        seat.is_stopping = False
        text = (
            "Waiting for the model."
            if had_place
            else "Your earlier pictures were released to make room; starting anew."
        )
        return {
            self.parts.key: key,
            self.parts.seed: seed if keep_seed else self.dice(),
            self.parts.status: words.line("busy", text),
            self.parts.generate: gr.update(visible=False),
            self.parts.stop: gr.update(visible=True),
        }

    def run(self, key: str | None, *form: Any) -> Iterator[Changes]:
        """Generate, drawing as it goes."""
        seat = self.registry.find(key)
        if seat is None:
            yield {
                self.parts.status: words.line("error", "This tab's session has ended; press Generate again."),
                **self._idle(),
            }
            return
        settings = _settings(form)
        live = Live(
            prompt=str(settings["prompt"]),
            size=self._size(settings),
            compare=settings["compare"] is True,
            expected=None,
        )
        seat.is_busy = True
        try:
            yield from self._stream(seat, settings, live)
        except Cancelled:
            yield {**self._stopped(seat, live), **self._idle()}
        except TrajflowError as error:
            yield {self.parts.status: words.line("error", str(error)), **self._restored(seat, live), **self._idle()}
        except Exception as error:
            logger.exception("a run failed")
            sentence = f"The run failed inside the model ({type(error).__name__}). Your pictures are kept; try again."
            yield {self.parts.status: words.line("error", sentence), **self._restored(seat, live), **self._idle()}
        finally:
            seat.is_busy = seat.is_stopping = False

    def stop(self, key: str | None) -> Changes:
        """Stop the run at its next step, or before it starts."""
        seat = self.registry.find(key)
        if seat is None:
            return {self.parts.status: words.line("idle", "Nothing is running."), **self._idle()}
        seat.is_stopping = True
        seat.session.stop()
        return {self.parts.status: words.line("busy", "Stopping at the next step.")}

    def foresee(self, key: str | None, keep_seed: bool, *form: Any) -> Changes:
        """Say, before running, what the settings as they stand would cost, and what they leave behind."""
        seat = self.registry.find(key)
        settings = _settings(form)
        if seat is None or seat.is_busy or not str(settings["prompt"] or "").strip():
            return {self.parts.outlook: ""}
        if not keep_seed and seat.session.entries():
            text = "The seed is not kept: every picture starts from new noise, so nothing cached can be used."
            return {self.parts.outlook: words.line("warn", text)}
        try:
            outlook = seat.session.outlook(**{name: value for name, value in settings.items() if name != "compare"})
        except TrajflowError as error:
            return {self.parts.outlook: words.line("error", str(error))}
        most = "All" if outlook.nfe == settings["steps"] else "At most"
        cost = f"{most} {words.plural(outlook.nfe, 'evaluation')}" if outlook.nfe else "No evaluation"
        cost += f", about {words.duration(outlook.seconds)}." if outlook.seconds else "."
        if outlook.warning:
            return {self.parts.outlook: words.line("warn", outlook.warning, detail=cost)}
        return {self.parts.outlook: words.line("idle", cost, detail=outlook.reason)}

    def card(self, key: str | None, event: gr.EventData) -> Changes:
        """A button of the history was pressed: restore, save or forget one entry."""
        seat = self.registry.find(key)
        data = event._data if isinstance(event._data, dict) else {}
        entry = next((e for e in (seat.session.entries() if seat else ()) if e.key == data.get("key")), None)
        if seat is None or entry is None:
            return {self.parts.status: words.line("error", "That picture is no longer kept.")}
        match data.get("action"):
            case "save":
                return {self.parts.saver: _saving(entry.result, self.flow.name)}
            case _ if seat.is_busy:
                return {self.parts.status: words.line("warn", "A run is under way: stop it or let it finish first.")}
            case "restore":
                seat.shown = entry.key
                text = f"Restored: “{entry.result.request.prompt}”, with its settings."
                return {
                    self.parts.status: words.line("done", text, detail=entry.result.plan.reason),
                    **self._show(seat, entry.result),
                    **self._form(entry.result),
                    **self._history(seat),
                }
            case "forget":
                seat.session.forget(entry.key)
                return {
                    self.parts.status: words.line("done", "Forgotten: the picture and its path."),
                    **self._history(seat),
                }
        return {}

    def forget_all(self, key: str | None) -> Changes:
        """Empty the session: pictures, paths and charts."""
        seat = self.registry.find(key)
        if seat is None:
            return {self.parts.status: words.line("idle", "There is nothing to forget.")}
        if seat.is_busy:
            return {self.parts.status: words.line("warn", "A run is under way: stop it or let it finish first.")}
        seat.session.clear()
        seat.runs.clear()
        seat.shown = None
        defaults = self.flow.defaults
        return {
            self.parts.status: words.line("done", "Everything is forgotten; the next picture is computed in full."),
            self.parts.pictures: pictures.invitation((defaults.width, defaults.height)),
            self.parts.strip: strip(()),
            self.parts.angle: plots.angles({}),
            self.parts.slider: None,
            **self._history(seat),
            **self._charts(seat),
        }

    def _stream(self, seat: Seat, settings: dict[str, Any], live: Live) -> Iterator[Changes]:
        if seat.is_stopping:
            raise Cancelled
        ahead = {name: value for name, value in settings.items() if name != "compare"}
        live.expected = seat.session.outlook(**ahead).nfe
        for event in seat.session.stream(**settings):
            if isinstance(event, Result):
                yield {**self._finished(seat, event), **self._idle()}
                return
            live.add(event)
            if seat.is_stopping:
                seat.session.stop()
            if live.is_due():
                live.decode(seat.session)
                yield {self.parts.status: live.status(), **self._drawn(live)}

    def _drawn(self, live: Live, *, is_stopped: bool = False) -> Changes:
        changes: Changes = {
            self.parts.pictures: live.cards(is_stopped=is_stopped),
            self.parts.strip: strip(live.kinds, live.angles),
        }
        if live.angles or live.done <= 1:
            changes[self.parts.angle] = gr.LinePlot(
                value=plots.angles(live.angles), x_lim=[0, max(len(live.kinds) - 1, 1)]
            )
        return changes

    def _finished(self, seat: Seat, result: Result) -> Changes:
        steps = self._steps(result)
        seat.runs.append(plots.Run.of(result, steps))
        seat.shown = result.key
        return {
            self.parts.status: words.finished(result, steps),
            **self._show(seat, result),
            **self._history(seat),
            **self._charts(seat),
        }

    def _stopped(self, seat: Seat, live: Live) -> Changes:
        if live.last is None:
            return {self.parts.status: words.line("warn", "Stopped before the first step; nothing was changed.")}
        if live.last.phase == "baseline":
            text = "Stopped during the comparison; this picture is not kept."
        else:
            spent = words.plural(live.nfe, "evaluation")
            text = (
                f"Stopped at step {live.done} of {len(live.kinds)}, after {spent}; the unfinished picture is not kept."
            )
        return {
            self.parts.status: words.line("warn", text),
            **self._drawn(live, is_stopped=True),
            **self._history(seat),
        }

    def _restored(self, seat: Seat, live: Live) -> Changes:
        """After a failure: the picture that was shown before, in place of the half-drawn one."""
        if live.last is None:
            return {}
        shown = next((entry for entry in seat.session.entries() if entry.key == seat.shown), None)
        if shown is not None:
            return self._show(seat, shown.result)
        return {self.parts.pictures: pictures.invitation(live.size), self.parts.strip: strip(())}

    def _show(self, seat: Seat, result: Result) -> Changes:
        both = (result.baseline, result.image) if result.baseline is not None else None
        return {
            self.parts.pictures: pictures.finished(result, self._steps(result), self.flow.name),
            self.parts.strip: strip(result.kinds, result.angles),
            self.parts.angle: gr.LinePlot(value=plots.angles(result.angles), x_lim=[0, max(len(result.kinds) - 1, 1)]),
            self.parts.slider: both,
        }

    def _form(self, result: Result) -> Changes:
        request, defaults = result.request, self.flow.defaults
        return {
            self.parts.prompt: request.prompt,
            self.parts.seed: request.seed,
            self.parts.keep_seed: True,
            self.parts.steps: request.steps or defaults.steps,
            self.parts.guidance: defaults.guidance if request.guidance is None else request.guidance,
            self.parts.width: request.width or defaults.width,
            self.parts.height: request.height or defaults.height,
            self.parts.negative_prompt: request.negative_prompt,
            self.parts.strategy: request.strategy,
            self.parts.budget: request.budget or 0,
        }

    def _history(self, seat: Seat) -> Changes:
        session = seat.session
        html = history.gallery(session.entries(), session.nbytes, session.capacity, seat.shown, self._steps)
        return {self.parts.history: html}

    def _charts(self, seat: Seat) -> Changes:
        runs = seat.runs
        return {
            self.parts.charts: gr.update(visible=bool(runs)),
            self.parts.latency: plots.latency(runs) if runs else None,
            self.parts.fidelity: plots.fidelity(runs) if runs else None,
            self.parts.evaluations: plots.evaluations(runs) if runs else None,
        }

    def _idle(self) -> Changes:
        return {self.parts.generate: gr.update(visible=True), self.parts.stop: gr.update(visible=False)}

    def _steps(self, result: Result) -> int:
        return result.request.steps or self.flow.defaults.steps

    def _size(self, settings: dict[str, Any]) -> tuple[int, int]:
        defaults = self.flow.defaults
        return settings["width"] or defaults.width, settings["height"] or defaults.height


def _settings(form: tuple[Any, ...]) -> dict[str, Any]:
    """The form as the library takes it: a budget of 0 leaves the choice to the planner."""
    settings = dict(zip(FORM, form, strict=True))
    settings["budget"] = settings["budget"] or None
    settings["negative_prompt"] = settings["negative_prompt"] or ""
    return settings


def _saving(result: Result, model: str) -> str:
    """A link that the page's script follows; the nonce makes saving the same picture twice two changes."""
    uri = png.data_uri(result.image, png.settings_of(result, model))
    return f'<a download="{pictures.file_name(result)}" href="{uri}" data-nonce="{secrets.token_hex(4)}"></a>'
