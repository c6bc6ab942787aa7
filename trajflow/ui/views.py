"""What the page shows of a run, a result and a session, as changes to its components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from trajflow import plots
from trajflow.base import Model, Result
from trajflow.calibration import Placement, Profile
from trajflow.ui import form, history, pictures, words
from trajflow.ui.live import Live
from trajflow.ui.parts import Parts
from trajflow.ui.registry import Seat
from trajflow.ui.strip import strip

Changes = dict[Any, Any]


@dataclass(frozen=True)
class Views:
    """Each method returns only the components it changes."""

    flow: Model
    parts: Parts

    def status(self, kind: str, text: str, *, detail: str = "") -> Changes:
        """One sentence in the status line."""
        return {self.parts.status: words.line(kind, text, detail=detail)}

    def outlook(self, kind: str, text: str, *, detail: str = "") -> Changes:
        """One sentence under the prompt, about the run that would come next."""
        return {self.parts.outlook: words.line(kind, text, detail=detail)}

    def buttons(self, *, is_running: bool) -> Changes:
        """Generate or Stop, never both."""
        stop = gr.update(visible=is_running, value="Stop", interactive=True)
        return {self.parts.generate: gr.update(visible=not is_running), self.parts.stop: stop}

    def stopping(self) -> Changes:
        """Stop was pressed; the status is left to the run, which may have ended before this answer arrives."""
        return {self.parts.stop: gr.update(value="Stopping…", interactive=False)}

    def blank(self) -> Changes:
        """The invitation, as before the first run."""
        defaults = self.flow.defaults
        return {
            self.parts.pictures: pictures.invitation((defaults.width, defaults.height)),
            self.parts.strip: strip(()),
            self.parts.angle: None,
            self.parts.slider: None,
        }

    def drawn(self, live: Live, *, is_stopped: bool = False) -> Changes:
        """A run under way, or where it was stopped; a picture that is being refined stays until a better one comes."""
        changes: Changes = {self.parts.strip: strip(live.kinds, live.angles)}
        if live.best is None:
            changes[self.parts.pictures] = live.cards(is_stopped=is_stopped)
        if live.angles or live.done <= 1:
            changes[self.parts.angle] = self._angle(live.angles, len(live.kinds))
        return changes

    def improved(self, seat: Seat, result: Result) -> Changes:
        """A picture that is being refined further."""
        return {
            self.parts.pictures: pictures.finished(result, self.steps(result), self.flow.name, badge="being refined"),
            self.parts.slider: None,
            **self.history(seat),
        }

    def completed(self, seat: Seat, result: Result) -> Changes:
        """A picture whose from-scratch picture has arrived; those on the stage change only if it is the one there."""
        shown = self.shown(result) if seat.shown == result.key else {}
        return {**shown, **self.history(seat), **self.charts(seat), **self.learned(seat)}

    def learned(self, seat: Seat) -> Changes:
        """What the session's measurements have taught, and whether there is anything to export or to drop."""
        known, profile = seat.session.learned, seat.session.profile
        has_forecasts = any(each.before or each.rung.forecasters for each in _placements(profile))
        return {
            self.parts.learned: words.learned(known, has_forecasts=has_forecasts),
            self.parts.export: gr.update(interactive=bool(known.outcomes)),
            self.parts.unlearn: gr.update(interactive=bool(known.outcomes)),
        }

    def finished(self, seat: Seat, result: Result) -> Changes:
        """A result that has just come, with the history and the charts that now contain it."""
        return {
            self.parts.status: words.finished(result, self.steps(result)),
            **self.shown(result),
            **self.history(seat),
            **self.charts(seat),
            **self.learned(seat),
        }

    def shown(self, result: Result) -> Changes:
        """A result's pictures, strip and angles."""
        both = (result.baseline, result.image) if result.baseline is not None else None
        return {
            self.parts.pictures: pictures.finished(result, self.steps(result), self.flow.name),
            self.parts.strip: strip(result.kinds, result.angles),
            self.parts.angle: self._angle(result.angles, len(result.kinds)),
            self.parts.slider: both,
        }

    def form(self, result: Result) -> Changes:
        """The settings a result was made with."""
        request, defaults = result.request, self.flow.defaults
        return {
            self.parts.prompt: request.prompt,
            self.parts.seed: request.seed,
            self.parts.keep_seed: True,
            self.parts.steps: self.steps(result),
            self.parts.guidance: defaults.guidance if request.guidance is None else request.guidance,
            self.parts.width: request.width or defaults.width,
            self.parts.height: request.height or defaults.height,
            self.parts.negative_prompt: request.negative_prompt,
            self.parts.strategy: request.strategy,
            self.parts.ask: form.asked(request),
            self.parts.fidelity: request.fidelity or form.USUAL_DB,
            self.parts.budget: request.budget or form.USUAL_BUDGET,
        }

    def history(self, seat: Seat) -> Changes:
        """Every picture still kept, and the memory in use."""
        session = seat.session
        html = history.gallery(session.entries(), session.nbytes, session.capacity, seat.shown, self.steps)
        return {self.parts.history: html}

    def charts(self, seat: Seat) -> Changes:
        """The session's runs, one against the other."""
        runs = seat.runs
        return {
            self.parts.charts: gr.update(visible=bool(runs)),
            self.parts.tally: words.tally(seat.session.spent, len(runs), sum(run.steps for run in runs)),
            self.parts.latency: plots.latency(runs) if runs else None,
            self.parts.nearness: plots.fidelity(runs) if runs else None,
            self.parts.evaluations: plots.evaluations(runs) if runs else None,
        }

    def steps(self, result: Result) -> int:
        """The steps of the full run that a result is compared with."""
        return result.request.steps or self.flow.defaults.steps

    def _angle(self, angles: Mapping[int, float], steps: int) -> gr.LinePlot:
        return gr.LinePlot(value=plots.angles(angles), x_lim=[0, max(steps - 1, 1)])


def _placements(profile: Profile) -> tuple[Placement, ...]:
    return (*profile.single.values(), *profile.several.values())
