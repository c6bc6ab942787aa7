"""What happens on each event of the page. Every handler returns only the components it changes.

Nothing but the model's own work is queued: asking for a warning, stopping, restoring and forgetting answer at once.
"""

import base64
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from trajflow.base import Model, Result
from trajflow.errors import Cancelled, TrajflowError
from trajflow.plots import Run
from trajflow.ui import background, pictures, png, words
from trajflow.ui.form import BUDGET, FIDELITY, hint, options
from trajflow.ui.live import Live
from trajflow.ui.registry import Registry, Seat
from trajflow.ui.views import Changes, Views

logger = logging.getLogger(__name__)
BUSY = "A run is under way: stop it or let it finish first."


@dataclass(frozen=True)
class Handlers:
    """The events of one page, over one model and its sessions."""

    flow: Model
    registry: Registry
    views: Views
    story: list[dict[str, str]]

    def arrive(self, key: str | None, request: gr.Request) -> Changes:
        """The page was opened: give the tab a session of its own."""
        key, seat = self.registry.open(key, request.session_hash)
        return {self.views.parts.key: key, **self.views.history(seat), **self.views.learned(seat)}

    def leave(self, request: gr.Request) -> None:
        """The tab was closed."""
        self.registry.leave(request.session_hash)

    def dice(self) -> int:
        """Another seed."""
        return secrets.randbelow(2**31)

    def ask(self, choice: Any) -> Changes:
        """Another way of asking was chosen: show the slider that belongs to it."""
        parts = self.views.parts
        return {
            parts.fidelity: gr.update(visible=choice == FIDELITY),
            parts.budget: gr.update(visible=choice == BUDGET),
        }

    def chapter(self, key: str | None, event: gr.EventData) -> str:
        """The prompt of the story's step that was clicked."""
        self._refuse_if_busy(key)
        index = _sent(event).get("index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.story):
            raise gr.Error("There is no such step in the story.", print_exception=False)
        return self.story[index]["prompt"]

    def begin(self, key: str | None, seed: Any, keep_seed: bool, request: gr.Request) -> Changes:
        """Answer the click at once, before the run's turn comes; a completion under way gives way now."""
        self._refuse_if_busy(key)
        # Every page has had a seat since it arrived.
        was_released = self.registry.find(key) is None
        key, seat = self.registry.open(key, request.session_hash)
        seat.is_stopping = seat.may_complete = False
        seat.ticket = secrets.token_hex(8)
        seat.session.stop()
        text = "Your earlier pictures were released to make room; starting anew." if was_released else "Starting."
        return {
            self.views.parts.key: key,
            self.views.parts.ticket: seat.ticket,
            self.views.parts.seed: seed if keep_seed else self.dice(),
            self.views.parts.background: "",
            **self.views.status("busy", text),
            **self.views.buttons(is_running=True),
        }

    def run(self, key: str | None, ticket: Any, *form: Any) -> Iterator[Changes]:
        """Generate, drawing as it goes; nothing for a run that was stopped while it waited for its turn."""
        seat = self.registry.find(key)
        if seat is None:
            yield self.views.status("error", "This tab's session has ended; press Generate again.")
            return
        if seat.ticket is None or ticket != seat.ticket:
            return
        settings = options(form)
        live = Live(str(settings["prompt"]), self._size(settings), settings["compare"] is True, "refine" in settings)
        seat.is_busy = True
        try:
            yield from self._stream(seat, settings, live)
        except Cancelled:
            yield self._stopped(seat, live)
        except TrajflowError as error:
            yield {**self.views.status("error", str(error), detail=hint(form)), **self._restored(seat, live)}
        except Exception as error:
            logger.exception("a run failed")
            sentence = f"The run failed inside the model ({type(error).__name__}). Your pictures are kept; try again."
            yield {**self.views.status("error", sentence), **self._restored(seat, live)}
        finally:
            seat.is_busy = seat.is_stopping = False
            seat.ticket = None

    def rest(self, key: str | None) -> Changes:
        """A run is over, however it ended; another one of this tab may have been asked for since."""
        seat = self.registry.find(key)
        return self.views.buttons(is_running=seat is not None and seat.ticket is not None)

    def refused(self, key: str | None) -> Changes:
        """The queue had no room for the run."""
        seat = self.registry.find(key)
        if seat is not None and not seat.is_busy:
            seat.ticket = None
        text = "Too many people are waiting for the model just now, so nothing was run. Try again in a moment."
        return {**self.views.status("error", text), **self.rest(key)}

    def complete(self, key: str | None, is_wanted: bool) -> Iterator[Changes]:
        """After a run that was not stopped: complete what coasted, in the background."""
        seat = self.registry.find(key)
        if seat is None or not is_wanted or not seat.may_complete or seat.is_busy:
            yield {self.views.parts.background: ""}
            return
        yield from background.complete(seat, self.registry, self.views)

    def want(self, key: str | None, is_wanted: bool) -> Changes:
        """Completing was switched on or off: off ends what is under way."""
        seat = self.registry.find(key)
        if seat is None or seat.is_busy:
            return gr.skip()
        seat.may_complete = is_wanted
        if not is_wanted:
            seat.session.stop()
        return {self.views.parts.background: ""}

    def export(self, key: str | None) -> Changes:
        """Save what the session has learned about its forecasts."""
        seat = self.registry.find(key)
        if seat is None:
            return gr.skip()
        learned = base64.b64encode(seat.session.export_learned().encode()).decode("ascii")
        return {self.views.parts.saver: _link("trajflow-learned.json", f"data:application/json;base64,{learned}")}

    def unlearn(self, key: str | None) -> Changes:
        """Forecast as the profile does."""
        seat = self.registry.find(key)
        if seat is None:
            return gr.skip()
        seat.session.forget_learned()
        return self.views.learned(seat)

    def stop(self, key: str | None) -> Changes:
        """Stop the run at its next step, or before it starts."""
        seat = self.registry.find(key)
        if seat is not None:
            seat.is_stopping = True
            seat.session.stop()
            if seat.is_busy:
                return self.views.stopping()
            seat.ticket = None
        return {**self.views.status("warn", "Stopped before the first step; nothing was changed."), **self.rest(key)}

    def foresee(self, key: str | None, keep_seed: bool, *form: Any) -> Changes:
        """Say, before running, what the settings as they stand would cost, and what they leave behind."""
        seat = self.registry.find(key)
        settings = options(form)
        del settings["compare"]
        if seat is None or seat.is_busy:
            return gr.skip()
        if not str(settings["prompt"] or "").strip():
            return {self.views.parts.outlook: ""}
        try:
            outlook = seat.session.outlook(**settings)
        except TrajflowError as error:
            return self.views.outlook("error", str(error), detail=hint(form))
        if not keep_seed and seat.session.entries():
            return self.views.outlook(
                "warn", "The seed is not kept: new noise each time, so nothing cached can be used."
            )
        steps = settings["steps"] or self.flow.defaults.steps
        cost = words.outlook(outlook.nfe, steps, outlook.seconds, settings.get("budget"))
        if outlook.forecast is not None and "refine" not in settings:
            cost += f" {words.forecast(outlook.forecast)}."
        if outlook.warning:
            return self.views.outlook("warn", outlook.warning, detail=cost)
        return self.views.outlook("idle", cost, detail=outlook.reason)

    def card(self, key: str | None, event: gr.EventData) -> Changes:
        """A button of the history was pressed: restore, save or forget one entry."""
        seat, sent = self.registry.find(key), _sent(event)
        entry = next((e for e in (seat.session.entries() if seat else ()) if e.key == sent.get("key")), None)
        if seat is None or entry is None:
            return self.views.status("error", "That picture is no longer kept.")
        result = entry.result
        if sent.get("action") == "save":
            return {self.views.parts.saver: _saving(result, self.flow.name)}
        if seat.is_busy:
            return self.views.status("warn", BUSY)
        if sent.get("action") == "forget":
            seat.session.forget(entry.key)
            text = f"Forgotten: the picture of “{result.request.prompt}” and its path."
            return {**self.views.status("done", text), **self.views.history(seat)}
        seat.shown = entry.key
        text = f"Restored: “{result.request.prompt}”, with its settings."
        return {
            **self.views.status("done", text, detail=result.plan.reason),
            **self.views.shown(seat, result),
            **self.views.form(result),
            **self.views.history(seat),
        }

    def forget_all(self, key: str | None) -> Changes:
        """Empty the session: pictures, paths and charts."""
        seat = self.registry.find(key)
        if seat is None:
            return self.views.status("idle", "There is nothing to forget.")
        if seat.is_busy:
            return self.views.status("warn", BUSY)
        seat.session.stop()
        seat.session.clear()
        seat.runs.clear()
        seat.shown = None
        text = "Everything is forgotten; the next picture is computed in full."
        return {
            self.views.parts.background: "",
            **self.views.status("done", text),
            **self.views.blank(),
            **self.views.history(seat),
            **self.views.charts(seat),
        }

    def _stream(self, seat: Seat, settings: dict[str, Any], live: Live) -> Iterator[Changes]:
        if seat.is_stopping:
            raise Cancelled
        ahead = {name: value for name, value in settings.items() if name != "compare"}
        live.expected = seat.session.outlook(**ahead).nfe
        for event in self.registry.line.each(seat.session.stream(**settings)):
            if isinstance(event, Result):
                live.best, seat.shown = event, event.key
                if event.is_final:
                    self._record(seat, event)
                    seat.may_complete = True
                    yield self.views.finished(seat, event)
                    return
                yield self.views.improved(seat, event)
            else:
                live.add(event)
            if seat.is_stopping:
                seat.session.stop()
            if live.last is not None and live.is_due():
                with self.registry.line:
                    live.decode(seat.session)
                yield {self.views.parts.status: live.status(), **self.views.drawn(live)}

    def _record(self, seat: Seat, result: Result) -> None:
        seat.runs.append(Run.of(result, self.views.steps(result)))

    def _stopped(self, seat: Seat, live: Live) -> Changes:
        if live.best is not None:
            self._record(seat, live.best)
            text = f"Stopped after {words.plural(live.nfe, 'evaluation')}; the best picture so far is kept."
            changes = {**self.views.shown(seat, live.best), **self.views.history(seat), **self.views.charts(seat)}
            return {**self.views.status("warn", text), **changes}
        if live.last is None:
            return self.views.status("warn", "Stopped before the first step; nothing was changed.")
        if live.last.phase == "baseline":
            text = "Stopped during the comparison; the picture itself is kept."
        else:
            spent = words.plural(live.nfe, "evaluation")
            text = (
                f"Stopped at step {live.done} of {len(live.kinds)}, after {spent}; the unfinished picture is not kept."
            )
        drawn = self.views.drawn(live, is_stopped=True)
        return {**self.views.status("warn", text), **drawn, **self.views.history(seat)}

    def _restored(self, seat: Seat, live: Live) -> Changes:
        """After a failure: the picture that was shown before, in place of the half-drawn one."""
        if live.last is None:
            return {}
        shown = next((entry for entry in seat.session.entries() if entry.key == seat.shown), None)
        return self.views.blank() if shown is None else self.views.shown(seat, shown.result)

    def _refuse_if_busy(self, key: str | None) -> None:
        seat = self.registry.find(key)
        if seat is not None and seat.is_busy:
            raise gr.Error(BUSY, title="Still running", print_exception=False)

    def _size(self, settings: dict[str, Any]) -> tuple[int, int]:
        defaults = self.flow.defaults
        return settings["width"] or defaults.width, settings["height"] or defaults.height


def _sent(event: gr.EventData) -> dict[str, Any]:
    """What the page's script sent along, which need not be what it should be."""
    return event._data if isinstance(event._data, dict) else {}


def _saving(result: Result, model: str) -> str:
    return _link(pictures.file_name(result), png.data_uri(result.image, png.settings_of(result, model)))


def _link(name: str, uri: str) -> str:
    """A link that the page's script follows; the nonce makes saving the same thing twice two changes."""
    return f'<a download="{name}" href="{uri}" data-nonce="{secrets.token_hex(4)}"></a>'
