"""One user's session: embed, look up, plan, sample, decode, measure, remember; and complete what coasted."""

import itertools
import json
import logging
import statistics
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Literal

from PIL.Image import Image
from torch import Tensor

from trajflow.base import Cost, Model, Plan, Request, Result, Spent, Step, Trajectory
from trajflow.cache import Entry, Ingredients
from trajflow.cache.entry import new_key
from trajflow.cache.fingerprint import differences
from trajflow.cache.tiers import tier_of
from trajflow.calibration import Learned, Profile
from trajflow.errors import Cancelled, NumericalError, RequestError
from trajflow.field import Field
from trajflow.metrics import PhaseClock, compare_images
from trajflow.metrics.path import path_diagnostics
from trajflow.session.complete import complete, from_scratch
from trajflow.session.economy import deserves_full, distance_to
from trajflow.session.idle import IdleWorker
from trajflow.session.outlook import Outlook
from trajflow.session.refine import foresee, refine
from trajflow.session.runner import Runner
from trajflow.session.shelf import Shelf
from trajflow.settings import Settings, settle
from trajflow.strategies import STRATEGIES

logger = logging.getLogger(__name__)
Mode = Literal["manual", "interactive", "economy"]
MODES: tuple[Mode, ...] = ("manual", "interactive", "economy")


class Session:
    """Runs requests of one user on a model and remembers their trajectories, up to `cache_bytes`.

    `tiers` is the preset ("published", "conservative" or "aggressive") that `resume` and `blend` use when no budget is
    given. One run at a time: a second caller waits. Nothing is shared with other sessions but the model.

    `mode` says which runs are computed in full so that later ones have true sources: "manual" those that `complete` is
    called for, "interactive" all, newest first, by a thread that works between requests and gives way to the next one
    within an evaluation, "economy" those that the planner finds worth it, at once and whatever their budget. `close`
    ends the thread; so does leaving a `with` block.

    `profile` is what is known of the model, by default what `find_profile` finds. Every comparison (`compare=True`, or
    a completed run) improves this session's forecasts; `learned` is what it added, `forget_learned` drops that.
    """

    def __init__(
        self,
        flow: Model,
        *,
        cache_bytes: int = 256 * 2**20,
        tiers: str = "published",
        mode: Mode = "manual",
        profile: Profile | None = None,
    ) -> None:
        tier_of(0.0, tiers)
        if mode not in MODES:
            raise RequestError(f"There is no mode {mode!r}. Choose one of: {', '.join(MODES)}.")
        self.flow = flow
        self.mode = mode
        self._runner = Runner(flow, tiers, profile)
        self._shelf = Shelf(cache_bytes, tiers)
        self._running = threading.Lock()
        self._turns = itertools.count(1)
        self._turn = 0
        self._pending: set[int] = set()
        self._hopeless: set[str] = set()
        self._made = self._made_full = 0
        self._worker = IdleWorker(self._use_idle_time) if mode == "interactive" else None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def generate(
        self,
        prompt: str,
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        negative_prompt: str = "",
        height: int | None = None,
        width: int | None = None,
        strategy: str = "auto",
        budget: int | None = None,
        fidelity: float | None = None,
        compare: bool = False,
    ) -> Result:
        """Make one picture and return it with its plan, cost and metrics.

        None means the model's default; sizes are in pixels, guidance is the pipeline's primary scale. `budget` is a
        ceiling on network evaluations (nfe), 1 <= budget <= steps; budget = steps is the from-scratch run bit for bit,
        None lets the planner choose, so as to reach a PSNR of `fidelity` dB to the from-scratch picture (None: 40).
        `strategy="baseline"` ignores the cache. `compare=True` also runs from scratch,
        reports that cost apart, keeps it as a true source and fills `result.metrics`.

        Raises RequestError for a request that cannot be run, Cancelled after `stop()`, NumericalError for NaN.
        """
        *_, result = self.stream(
            prompt,
            seed=seed,
            steps=steps,
            guidance=guidance,
            negative_prompt=negative_prompt,
            height=height,
            width=width,
            strategy=strategy,
            budget=budget,
            fidelity=fidelity,
            compare=compare,
        )
        assert isinstance(result, Result)
        return result

    def stream(self, prompt: str, **options) -> Iterator[Step | Result]:
        """As `generate`, but yield every `Step` as taken, then the `Result`. Closing the iterator ends the run.

        With `refine=True` a `Result` comes after every pass: a preview within 3 evaluations, then better ones, all of
        one key, `is_final` on the last, which is the from-scratch picture bit for bit after at most 1.5 `steps`
        evaluations in all. A run that is stopped or closed leaves the last of them in the session. For strategies that
        transport, without a budget; `compare` then measures every picture against the last one.
        """
        request = Request(prompt, **options)
        settings = settle(request, self.flow.defaults)
        with self._called(), self._running:
            self._runner.stopped.clear()
            yield from self._run(request, settings)

    def complete(self, key: str | None = None) -> Iterator[Step | Result]:
        """Compute the run of an entry in full, the newest that needs it by default: yield each `Step`, then its
        `Result`. Nothing at all when no run needs it.

        The result is the entry's own, now beside its from-scratch picture (`baseline`) and with its metrics; the entry
        becomes a true source. It costs the evaluations that the run still lacks: `baseline_cost` of the result, counted
        as background in `spent`. Raises Cancelled as soon as any request begins or `stop()` is called; what is computed
        by then is kept with the entry. RequestError for an unknown key.
        """
        entry = next(iter(self.unfinished()), None) if key is None else self._shelf.get(key)
        if entry is None and key is not None:
            raise RequestError("That picture is no longer kept, so it cannot be completed.")
        if entry is not None:
            with self._called() as turn:
                yield from complete(self._runner, self._shelf, entry, lambda: self._spare(turn))

    def unfinished(self) -> tuple[Entry, ...]:
        """The requests whose from-scratch picture is not known yet, newest first."""
        return self._shelf.unfinished()

    @property
    def spent(self) -> Spent:
        """Every evaluation of this session so far: those the user waited for, and those made in the background."""
        return self._runner.spent

    @property
    def profile(self) -> Profile:
        """What is known of the model from its calibration."""
        return self._runner.profile

    @property
    def learned(self) -> Learned:
        """What this session's comparisons have taught about its forecasts."""
        return self._runner.learned

    def export_learned(self) -> str:
        """What was learned, as JSON: model, shift and margin in dB, every forecast with its measurement."""
        learned = self.learned
        about = {"model": self.profile.model, "shift_db": learned.shift_db, "margin_db": learned.margin_db}
        return json.dumps({**about, "outcomes": [asdict(outcome) for outcome in learned.outcomes]}, indent=1) + "\n"

    def forget_learned(self) -> None:
        """Forecast as the profile does."""
        self._runner.learned = Learned()

    def outlook(self, prompt: str, **options) -> Outlook:
        """What the request would do, without running it; takes milliseconds. Raises RequestError as `generate` does."""
        request = Request(prompt, **options)
        settings = settle(request, self.flow.defaults)
        ingredients = self._runner.ingredients(settings)
        if self._shelf.exact(settings, ingredients):
            return Outlook("", 0, 0.0, "This very picture is stored; it is shown at once.", None)
        plan = self._runner.plan(settings, self._shelf.matches(settings, ingredients))
        latest = next(iter(self.entries()), None)
        warning = ""
        changed = differences(latest.ingredients, ingredients) if latest else ()
        if changed and not plan.sources and STRATEGIES[settings.strategy].family in ("switch", "transport"):
            warning = (
                f"Changed since the last picture: {', '.join(changed)}. "
                "Nothing cached can be used, so this starts from scratch."
            )
        nfe, reason = plan.budget, plan.reason
        if request.refine:
            nfe = foresee(self._shelf, settings, ingredients)
            reason = f"A first picture after at most 3 evaluations, refined up to the from-scratch picture after {nfe}."
        elif self._may_be_full(settings, plan):
            nfe = settings.steps
            reason = f"{reason} If nothing computed in full is near, all {nfe} steps are computed."
        is_full = request.refine or plan.schedule.steps == settings.steps == plan.budget
        evaluations = nfe + (settings.steps if request.compare and not is_full else 0)
        timed = self._runner.step_seconds
        seconds = statistics.median(timed) * evaluations if timed else None
        return Outlook(warning, nfe, seconds, reason, None if request.refine else plan.forecast)

    def diagnose(self, key: str) -> Mapping[str, float]:
        """Diagnostics of an entry's path, beside its sources and, where it is held, the from-scratch run of its prompt.

        Names and equations are those of `metrics/path.py`; it costs no evaluation. Raises RequestError for an entry
        that is gone or whose path was not kept.
        """
        entry = self._shelf.get(key)
        if entry is None or entry.trajectory is None:
            raise RequestError("The path of that picture is not kept, so it cannot be diagnosed.")
        held = (self._shelf.get(source) for source in entry.result.plan.sources)
        sources = [source.trajectory for source in held if source is not None and source.trajectory is not None]
        true = self._shelf.true_run(entry.prompt, entry.ingredients)
        return path_diagnostics(entry.trajectory, sources, None if true is None else true.trajectory)

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first."""
        return self._shelf.entries()

    def adopt(self, entry: Entry) -> None:
        """Hold another session's entry as the newest, shared and not copied. Its fingerprint decides what it serves."""
        self._shelf.adopt(entry)

    def forget(self, key: str) -> None:
        """Drop one entry and the from-scratch run that was made to compare it with."""
        self._shelf.forget(key)

    def clear(self) -> None:
        """Drop everything this session holds."""
        self._shelf.clear()
        self._runner.clear()

    @property
    def nbytes(self) -> int:
        """Bytes held by the cache."""
        return self._shelf.nbytes

    @property
    def capacity(self) -> int:
        """Bytes the cache may hold."""
        return self._shelf.capacity

    def decode(self, latents: Tensor) -> Image:
        """Latents, such as `Step.preview`, as a picture; not counted in any latency."""
        return self.flow.decode(latents)

    def stop(self) -> None:
        """End the running request or completion at its next step: its stream raises Cancelled.

        A picture that is finished, and only its comparison or refinement is not, is kept.
        """
        self._runner.stopped.set()
        self._turn = next(self._turns)

    def close(self) -> None:
        """Stop what runs, and end the thread of an interactive session: requests still work, nothing follows them."""
        self.stop()
        if self._worker is not None:
            self._worker.close()

    @contextmanager
    def _called(self) -> Iterator[int]:
        """A caller is served, or waits to be: completions under way give way, and the idle thread keeps off."""
        ticket = next(self._turns)
        self._pending.add(ticket)
        # The idle thread reads the turn before it looks for callers: one of the two tells it.
        self._turn = ticket
        try:
            yield ticket
        finally:
            self._pending.discard(ticket)
            if self._worker is not None:
                self._worker.ring()

    @contextmanager
    def _spare(self, turn: int) -> Iterator[None]:
        """The model, for one step of a completion that began in that turn; Cancelled once there has been another."""
        if self._turn == turn:
            with self._running:
                if self._turn == turn:
                    yield
                    return
        raise Cancelled("Gave way. What has been computed is kept, and the next completion goes on from it.")

    def _use_idle_time(self) -> None:
        """Complete one run after the other, newest first, until somebody calls."""
        turn = self._turn
        while not self._pending and (
            entry := next((e for e in self.unfinished() if e.key not in self._hopeless), None)
        ):
            try:
                for _ in complete(self._runner, self._shelf, entry, lambda: self._spare(turn)):
                    pass
            except Cancelled:
                return
            # Nobody would see it raised here, and the other runs can still be completed.
            except Exception:
                logger.exception("a run could not be completed in the background")
            held = {entry.key for entry in self.unfinished()}
            self._hopeless = (self._hopeless | {entry.key}) & held

    def _run(self, request: Request, settings: Settings) -> Iterator[Step | Result]:
        clock = PhaseClock()
        with clock("embed"):
            self._runner.conditioning(settings)
        with clock("lookup"):
            ingredients = self._runner.ingredients(settings)
            stored = self._shelf.exact(settings, ingredients)
            if stored and request.refine and not stored.is_true:
                stored = None
            matches = () if stored or request.refine else self._shelf.matches(settings, ingredients)
        if stored:
            result = _repeat(stored, request, clock)
            if request.compare:
                full = from_scratch(stored) if stored.is_true else None
                result = yield from self._compare(result, full, settings, ingredients)
            yield result
            return
        if request.refine:
            yield from refine(self._runner, self._shelf, request, settings, ingredients, clock.seconds)
            return
        with clock("plan"):
            plan = self._runner.plan(settings, matches)
            sources = tuple(self._shelf.source(key) for key in plan.sources)
            field = self._runner.field(settings, plan.schedule, plan.budget)
            if self._may_be_full(settings, plan):
                plan, sources, field = self._economise(settings, plan, sources)
        run = yield from self._runner.sample(plan, sources, field, settings, "cached")
        seconds = {**clock.seconds, "sample": run.seconds, "decode": run.decode_seconds}
        key = new_key()
        result = Result(
            request,
            run.image,
            plan,
            run.cost,
            seconds,
            run.trajectory.kinds,
            run.angles,
            key,
            forecast=run.forecast,
            sights=run.sights,
        )
        trajectory = run.trajectory if plan.schedule.steps == settings.steps else None
        self._made, self._made_full = self._made + 1, self._made_full + (run.cost.nfe == settings.steps)
        result = self._shelf.keep(ingredients, result, trajectory)
        if request.compare:
            full = result if trajectory is not None and trajectory.is_true else None
            try:
                result = yield from self._compare(result, full, settings, ingredients)
            except NumericalError:
                self._shelf.forget(result.key)
                raise
            self._runner.learn(result)
            if result.key:
                self._shelf.keep(ingredients, result, trajectory)
        yield result

    def _may_be_full(self, settings: Settings, plan: Plan) -> bool:
        """Whether it is for economy to decide how much of this run to compute."""
        is_carried = STRATEGIES[settings.strategy].family == "transport" and plan.budget < settings.steps
        return self.mode == "economy" and is_carried

    def _economise(
        self, settings: Settings, plan: Plan, sources: tuple[Trajectory, ...]
    ) -> tuple[Plan, tuple[Trajectory, ...], Field]:
        """The plan to follow after the first evaluation, which the field then knows."""
        full = replace(self._runner.full_plan(settings), strategy=settings.strategy)
        field = self._runner.field(settings, full.schedule, settings.steps)
        if not sources:
            reason = (
                f"Nothing cached fits: all {settings.steps} steps are computed, and later requests start from here."
            )
            return replace(full, reason=reason), (), field
        distance = distance_to(self._runner.probe(field), sources)
        if deserves_full(distance, self._made_full, self._made):
            reason = (
                f"Far from all that is cached (the first velocity differs by {distance:.0%}): all {settings.steps} "
                "steps are computed, because later requests will start from here."
            )
            return replace(full, reason=reason), (), field
        field.budget = plan.budget
        return plan, sources, field

    def _compare(
        self, result: Result, full: Result | None, settings: Settings, ingredients: Ingredients
    ) -> Generator[Step, None, Result]:
        """The result beside its from-scratch picture: that of `full`, a stored one, or one made and stored now."""
        if full is None and (entry := self._shelf.true_run(settings.prompt, ingredients)):
            full = from_scratch(entry)
        if full is None:
            plan = self._runner.full_plan(settings)
            field = self._runner.field(settings, plan.schedule, plan.budget)
            run = yield from self._runner.sample(plan, (), field, settings, "baseline")
            seconds = {"embed": result.seconds["embed"], "sample": run.seconds, "decode": run.decode_seconds}
            request = replace(result.request, strategy="baseline", budget=None, fidelity=None, compare=False)
            full = Result(request, run.image, plan, run.cost, seconds, run.trajectory.kinds, {}, new_key())
            if self._shelf.keep(ingredients, full, run.trajectory).key:
                self._shelf.accompany(result.key, full.key)
        return replace(
            result,
            metrics=compare_images(result.image, full.image),
            baseline=full.image,
            baseline_cost=full.cost,
            baseline_seconds=full.seconds,
        )


def _repeat(stored: Entry, request: Request, clock: PhaseClock) -> Result:
    """The stored result of the same run, at no cost."""
    result, steps, image = stored.result, stored.result.plan.schedule.steps, stored.result.image
    reason = "This very request was answered before: its picture is shown from the store."
    if stored.is_true:
        assert stored.trajectory is not None
        steps, image = stored.trajectory.schedule.steps, from_scratch(stored).image
        reason = f"This very picture was made before with all {steps} steps computed: it is shown from the store."
    return Result(
        request,
        image,
        replace(result.plan, reason=reason, nodes=(), budget=0),
        Cost(0, 0),
        dict(clock.seconds),
        tuple("cached" for _ in range(steps)),
        {},
        stored.key,
        from_store=True,
    )
