"""What the page shows of a run, a result and a session, as changes to its components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from trajflow import plots
from trajflow.base import Model, Result
from trajflow.calibration import Placement, Profile
from trajflow.ui import form, history, pictures, text
from trajflow.ui.live import Live
from trajflow.ui.parts import Parts
from trajflow.ui.registry import TabSession
from trajflow.ui.strip import strip

Changes = dict[Any, Any]


@dataclass(frozen=True)
class Views:
    """Each method returns only the components it changes."""

    model: Model
    parts: Parts

    def status(self, kind: str, sentence: str, *, detail: str = "") -> Changes:
        """One sentence in the status line."""
        return {self.parts.status: text.line(kind, sentence, detail=detail)}

    def estimate(self, kind: str, sentence: str, *, detail: str = "") -> Changes:
        """One sentence under the prompt, about the run that would come next."""
        return {self.parts.estimate: text.line(kind, sentence, detail=detail)}

    def buttons(self, *, is_running: bool) -> Changes:
        """Generate or Stop, never both."""
        stop = gr.update(visible=is_running, value="Stop", interactive=True)
        return {self.parts.generate: gr.update(visible=not is_running), self.parts.stop: stop}

    def stopping(self) -> Changes:
        """Stop was pressed; the status is left to the run, which may have ended before this answer arrives."""
        return {self.parts.stop: gr.update(value="Stopping…", interactive=False)}

    def blank(self) -> Changes:
        """The invitation, as before the first run."""
        defaults = self.model.defaults
        return {
            self.parts.pictures: pictures.invitation((defaults.width, defaults.height)),
            self.parts.strip: strip(()),
            **self._angles({}, defaults.steps, text.NO_ANGLE_YET),
            **self._sliding(None),
        }

    def drawn(self, live: Live, *, is_stopped: bool = False) -> Changes:
        """A run under way, or where it was stopped; a picture that is being refined stays until a better one comes."""
        changes = {
            self.parts.strip: strip(live.kinds, live.angles),
            **self._angles(live.angles, len(live.kinds), text.NO_ANGLE_YET),
        }
        if live.best is None:
            changes |= {self.parts.pictures: live.cards(is_stopped=is_stopped), **self._sliding(None)}
        return changes

    def improved(self, tab_session: TabSession, result: Result) -> Changes:
        """A picture that is being refined further."""
        return {
            self.parts.pictures: pictures.finished(result, self.steps(result), self.model.name, badge="being refined"),
            **self._sliding(None),
            **self.history(tab_session),
        }

    def completed(self, tab_session: TabSession, result: Result) -> Changes:
        """A picture whose from-scratch picture has arrived; those on the stage change only if it is the one there."""
        shown = self.shown(tab_session, result) if tab_session.shown == result.key else {}
        return {**shown, **self.history(tab_session), **self.charts(tab_session), **self.learned(tab_session)}

    def learned(self, tab_session: TabSession) -> Changes:
        """What the session's measurements have taught, and whether there is anything to export or to drop."""
        known, profile = tab_session.session.learned, tab_session.session.profile
        has_forecasts = any(each.before or each.node_schedule.forecasters for each in _placements(profile))
        return {
            self.parts.learned: text.learned(known, has_forecasts=has_forecasts),
            self.parts.export: gr.update(interactive=bool(known.outcomes)),
            self.parts.unlearn: gr.update(interactive=bool(known.outcomes)),
        }

    def finished(self, tab_session: TabSession, result: Result) -> Changes:
        """A result that has just come, with the history and the charts that now contain it."""
        return {
            self.parts.status: text.finished(result, self.steps(result)),
            **self.shown(tab_session, result),
            **self.history(tab_session),
            **self.charts(tab_session),
            **self.learned(tab_session),
        }

    def shown(self, tab_session: TabSession, result: Result) -> Changes:
        """A result's pictures, strip and angles."""
        is_exact = text.is_full(result) or _is_exactly_stored(tab_session, result)
        return {
            self.parts.pictures: pictures.finished(result, self.steps(result), self.model.name, is_exact=is_exact),
            self.parts.strip: strip(result.kinds, result.angles),
            **self._angles(result.angles, len(result.kinds), text.no_angle(result)),
            **self._sliding(result, is_exact=is_exact),
        }

    def form(self, result: Result) -> Changes:
        """The settings a result was made with."""
        request, defaults = result.request, self.model.defaults
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

    def history(self, tab_session: TabSession) -> Changes:
        """Every picture still kept, and the memory in use."""
        session = tab_session.session
        html = history.gallery(session.entries(), session.nbytes, session.capacity, tab_session.shown, self.steps)
        return {self.parts.history: html}

    def charts(self, tab_session: TabSession) -> Changes:
        """The session's runs, one against the other."""
        runs = tab_session.runs
        return {
            self.parts.charts: gr.update(visible=bool(runs)),
            self.parts.tally: text.tally(tab_session.session.spent, len(runs), sum(run.steps for run in runs)),
            self.parts.latency: plots.latency(runs) if runs else None,
            self.parts.nearness: plots.fidelity(runs) if runs else None,
            self.parts.evaluations: plots.evaluations(runs) if runs else None,
        }

    def steps(self, result: Result) -> int:
        """The steps of the full run that a result is compared with."""
        return result.request.steps or self.model.defaults.steps

    def _angles(self, angles: Mapping[int, float], steps: int, instead: str) -> Changes:
        """The angles drawn, or where there are none a sentence instead."""
        note = "" if angles else f'<p class="tf-note">{instead}</p>'
        drawn = gr.LinePlot(value=plots.angles(angles), x_lim=[0, max(steps - 1, 1)], visible=bool(angles))
        return {self.parts.angle: drawn, self.parts.no_angle: note}

    def _sliding(self, result: Result | None, *, is_exact: bool = False) -> Changes:
        """The slider over both pictures, or what stands in its place."""
        has_both = result is not None and result.baseline is not None
        return {
            self.parts.slider: gr.update(
                value=(result.baseline, result.image) if result is not None and has_both else None, visible=has_both
            ),
            self.parts.unslid: "" if has_both else pictures.unslid(result, is_exact=is_exact),
        }


def _placements(profile: Profile) -> tuple[Placement, ...]:
    return (*profile.single.values(), *profile.several.values())


def _is_exactly_stored(tab_session: TabSession, result: Result) -> bool:
    """Whether a result is a stored from-scratch picture: that of a true entry, or one that is held but not listed."""
    if not result.from_store:
        return False
    return all(entry.is_true for entry in tab_session.session.entries() if entry.key == result.key)
