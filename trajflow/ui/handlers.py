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
from trajflow.ui import background, pictures, png, text
from trajflow.ui.form import BUDGET, FIDELITY, hint, options
from trajflow.ui.live import Live
from trajflow.ui.registry import Registry, TabSession
from trajflow.ui.views import Changes, Views

logger = logging.getLogger(__name__)
BUSY = "A run is under way: stop it or let it finish first."


@dataclass(frozen=True)
class Handlers:
    """The events of one page, over one model and its sessions."""

    model: Model
    registry: Registry
    views: Views
    story: list[dict[str, str]]

    def arrive(self, key: str | None, request: gr.Request) -> Changes:
        """The page was opened: give the tab a session of its own."""
        key, tab_session = self.registry.open(key, request.session_hash)
        return {self.views.parts.key: key, **self.views.history(tab_session), **self.views.learned(tab_session)}

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
        was_released = key is not None and self.registry.find(key) is None
        key, tab_session = self.registry.open(key, request.session_hash)
        tab_session.is_stopping = tab_session.may_complete = False
        tab_session.session.stop()
        text = "Your earlier pictures were released to make room; starting anew." if was_released else "Starting."
        return {
            self.views.parts.key: key,
            self.views.parts.seed: seed if keep_seed else self.dice(),
            self.views.parts.background: "",
            **self.views.status("busy", text),
            **self.views.buttons(is_running=True),
        }

    def run(self, key: str | None, *form: Any) -> Iterator[Changes]:
        """Generate, drawing as it goes."""
        tab_session = self.registry.find(key)
        if tab_session is None:
            yield self.views.status("error", "This tab's session has ended; press Generate again.")
            return
        settings = options(form)
        live = Live(str(settings["prompt"]), self._size(settings), settings["compare"] is True, "refine" in settings)
        tab_session.is_busy = True
        try:
            yield from self._stream(tab_session, settings, live)
        except Cancelled:
            yield self._stopped(tab_session, live)
        except TrajflowError as error:
            yield {**self.views.status("error", str(error), detail=hint(form)), **self._restored(tab_session, live)}
        except Exception as error:
            logger.exception("a run failed")
            sentence = f"The run failed inside the model ({type(error).__name__}). Your pictures are kept; try again."
            yield {**self.views.status("error", sentence), **self._restored(tab_session, live)}
        finally:
            tab_session.is_busy = tab_session.is_stopping = False

    def rest(self) -> Changes:
        """The run is over, however it ended."""
        return self.views.buttons(is_running=False)

    def complete(self, key: str | None, is_wanted: bool) -> Iterator[Changes]:
        """After a run that was not stopped: complete what coasted, in the background."""
        tab_session = self.registry.find(key)
        if tab_session is None or not is_wanted or not tab_session.may_complete or tab_session.is_busy:
            yield {self.views.parts.background: ""}
            return
        yield from background.complete(tab_session, self.registry, self.views)

    def want(self, key: str | None, is_wanted: bool) -> Changes:
        """Completing was switched on or off: off ends what is under way."""
        tab_session = self.registry.find(key)
        if tab_session is None or tab_session.is_busy:
            return gr.skip()
        tab_session.may_complete = is_wanted
        if not is_wanted:
            tab_session.session.stop()
        return {self.views.parts.background: ""}

    def export(self, key: str | None) -> Changes:
        """Save what the session has learned about its forecasts."""
        tab_session = self.registry.find(key)
        if tab_session is None:
            return gr.skip()
        learned = base64.b64encode(tab_session.session.export_learned().encode()).decode("ascii")
        return {self.views.parts.saver: _link("trajflow-learned.json", f"data:application/json;base64,{learned}")}

    def unlearn(self, key: str | None) -> Changes:
        """Forecast as the profile does."""
        tab_session = self.registry.find(key)
        if tab_session is None:
            return gr.skip()
        tab_session.session.forget_learned()
        return self.views.learned(tab_session)

    def stop(self, key: str | None) -> Changes:
        """Stop the run at its next step, or before it starts."""
        tab_session = self.registry.find(key)
        if tab_session is not None:
            tab_session.is_stopping = True
            tab_session.session.stop()
            if tab_session.is_busy:
                return self.views.stopping()
        return {**self.views.status("warn", "Stopped before the first step; nothing was changed."), **self.rest()}

    def refinement_evaluations(self, key: str | None, keep_seed: bool, *form: Any) -> Changes:
        """Say, before running, what the settings as they stand would cost, and what they leave behind."""
        tab_session = self.registry.find(key)
        settings = options(form)
        del settings["compare"]
        if tab_session is None or tab_session.is_busy:
            return gr.skip()
        if not str(settings["prompt"] or "").strip():
            return {self.views.parts.estimate: ""}
        try:
            estimate = tab_session.session.estimate(**settings)
        except TrajflowError as error:
            return self.views.estimate("error", str(error), detail=hint(form))
        if not keep_seed and tab_session.session.entries():
            return self.views.estimate(
                "warn", "The seed is not kept: new noise each time, so nothing cached can be used."
            )
        steps = settings["steps"] or self.model.defaults.steps
        cost = text.estimate(estimate.nfe, steps, estimate.seconds, settings.get("budget"))
        if estimate.forecast is not None and "refine" not in settings:
            cost += f" {text.forecast(estimate.forecast)}."
        if estimate.warning:
            return self.views.estimate("warn", estimate.warning, detail=cost)
        return self.views.estimate("idle", cost, detail=estimate.reason)

    def card(self, key: str | None, event: gr.EventData) -> Changes:
        """A button of the history was pressed: restore, save or forget one entry."""
        tab_session, sent = self.registry.find(key), _sent(event)
        entry = next(
            (e for e in (tab_session.session.entries() if tab_session else ()) if e.key == sent.get("key")), None
        )
        if tab_session is None or entry is None:
            return self.views.status("error", "That picture is no longer kept.")
        result = entry.result
        if sent.get("action") == "save":
            return {self.views.parts.saver: _saving(result, self.model.name)}
        if tab_session.is_busy:
            return self.views.status("warn", BUSY)
        if sent.get("action") == "forget":
            tab_session.session.forget(entry.key)
            text = f"Forgotten: the picture of “{result.request.prompt}” and its path."
            return {**self.views.status("done", text), **self.views.history(tab_session)}
        tab_session.shown = entry.key
        text = f"Restored: “{result.request.prompt}”, with its settings."
        return {
            **self.views.status("done", text, detail=result.plan.reason),
            **self.views.shown(tab_session, result),
            **self.views.form(result),
            **self.views.history(tab_session),
        }

    def forget_all(self, key: str | None) -> Changes:
        """Empty the session: pictures, paths and charts."""
        tab_session = self.registry.find(key)
        if tab_session is None:
            return self.views.status("idle", "There is nothing to forget.")
        if tab_session.is_busy:
            return self.views.status("warn", BUSY)
        tab_session.session.stop()
        tab_session.session.clear()
        tab_session.runs.clear()
        tab_session.shown = None
        text = "Everything is forgotten; the next picture is computed in full."
        return {
            self.views.parts.background: "",
            **self.views.status("done", text),
            **self.views.blank(),
            **self.views.history(tab_session),
            **self.views.charts(tab_session),
        }

    def _stream(self, tab_session: TabSession, settings: dict[str, Any], live: Live) -> Iterator[Changes]:
        if tab_session.is_stopping:
            raise Cancelled
        ahead = {name: value for name, value in settings.items() if name != "compare"}
        live.expected = tab_session.session.estimate(**ahead).nfe
        for event in tab_session.session.stream(**settings):
            if isinstance(event, Result):
                live.best, tab_session.shown = event, event.key
                if event.is_final:
                    self._record(tab_session, event)
                    tab_session.may_complete = True
                    yield self.views.finished(tab_session, event)
                    return
                yield self.views.improved(tab_session, event)
            else:
                live.add(event)
            if tab_session.is_stopping:
                tab_session.session.stop()
            if live.last is not None and live.is_due():
                live.decode(tab_session.session)
                yield {self.views.parts.status: live.status(), **self.views.drawn(live)}

    def _record(self, tab_session: TabSession, result: Result) -> None:
        tab_session.runs.append(Run.of(result, self.views.steps(result)))

    def _stopped(self, tab_session: TabSession, live: Live) -> Changes:
        if live.best is not None:
            self._record(tab_session, live.best)
            sentence = f"Stopped after {text.plural(live.nfe, 'evaluation')}; the best picture so far is kept."
            changes = {
                **self.views.shown(tab_session, live.best),
                **self.views.history(tab_session),
                **self.views.charts(tab_session),
            }
            return {**self.views.status("warn", sentence), **changes}
        if live.last is None:
            return self.views.status("warn", "Stopped before the first step; nothing was changed.")
        if live.last.phase == "baseline":
            sentence = "Stopped during the comparison; the picture itself is kept."
        else:
            spent = text.plural(live.nfe, "evaluation")
            sentence = (
                f"Stopped at step {live.done} of {len(live.kinds)}, after {spent}; the unfinished picture is not kept."
            )
        drawn = self.views.drawn(live, is_stopped=True)
        return {**self.views.status("warn", sentence), **drawn, **self.views.history(tab_session)}

    def _restored(self, tab_session: TabSession, live: Live) -> Changes:
        """After a failure: the picture that was shown before, in place of the half-drawn one."""
        if live.last is None:
            return {}
        shown = next((entry for entry in tab_session.session.entries() if entry.key == tab_session.shown), None)
        return self.views.blank() if shown is None else self.views.shown(tab_session, shown.result)

    def _refuse_if_busy(self, key: str | None) -> None:
        tab_session = self.registry.find(key)
        if tab_session is not None and tab_session.is_busy:
            raise gr.Error(BUSY, title="Still running", print_exception=False)

    def _size(self, settings: dict[str, Any]) -> tuple[int, int]:
        defaults = self.model.defaults
        return settings["width"] or defaults.width, settings["height"] or defaults.height


def _sent(event: gr.EventData) -> dict[str, Any]:
    """What the page's script sent along, which need not be what it should be."""
    return event._data if isinstance(event._data, dict) else {}


def _saving(result: Result, model: str) -> str:
    return _link(pictures.file_name(result), png.data_uri(result.image, png.settings_of(result, model)))


def _link(name: str, uri: str) -> str:
    """A link that the page's script follows; the nonce makes saving the same thing twice two changes."""
    return f'<a download="{name}" href="{uri}" data-nonce="{secrets.token_hex(4)}"></a>'
