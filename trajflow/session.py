"""One user's session, the library's front door: embed, look up, plan, sample, decode, measure, remember."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from PIL.Image import Image
from torch import Tensor

from trajflow.base import Conditioning, Cost, Match, Model, Plan, Request, Result, Step, Trajectory
from trajflow.cache import Entry, Ingredients, MemoryStore, PromptIndex, SentenceEncoder, TrajectoryCache
from trajflow.cache.entry import new_key
from trajflow.cache.fingerprint import differences
from trajflow.cache.tiers import tier_of
from trajflow.errors import CacheError, Cancelled, NumericalError
from trajflow.field import Field
from trajflow.metrics import PhaseClock, compare_images
from trajflow.planner import make_plan
from trajflow.sampler import sample
from trajflow.settings import Settings, settle
from trajflow.strategies import STRATEGIES
from trajflow.transitions import TRANSITIONS

REMEMBERED_PROMPTS = 32
TIMED_STEPS = 32


@dataclass(frozen=True)
class Outlook:
    """What a request would do, known before it runs. `seconds` is None until this session has timed an evaluation."""

    warning: str
    nfe: int
    seconds: float | None
    reason: str


@dataclass(frozen=True)
class _Run:
    """One sampled picture: what it took and what it left."""

    image: Image
    trajectory: Trajectory
    cost: Cost
    seconds: float
    decode_seconds: float
    angles: dict[int, float]


class Session:
    """Runs requests of one user on a model and remembers their trajectories, up to `cache_bytes`.

    `tiers` is the preset ("published", "conservative" or "aggressive") that `resume` and `blend` use when no budget is
    given. One run at a time: a second caller waits. Nothing is shared with other sessions but the model.
    """

    def __init__(self, flow: Model, *, cache_bytes: int = 256 * 2**20, tiers: str = "published") -> None:
        tier_of(0.0, tiers)
        self.flow = flow
        self._tiers = tiers
        self._cache = TrajectoryCache(MemoryStore(cache_bytes), PromptIndex())
        self._encoder = SentenceEncoder()
        self._conditionings: dict[tuple[str, str, float], Conditioning] = {}
        self._baseline_of: dict[str, str] = {}
        self._step_seconds: deque[float] = deque(maxlen=TIMED_STEPS)
        self._running = threading.Lock()
        self._stopped = threading.Event()

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
        compare: bool = False,
    ) -> Result:
        """Make one picture and return it with its plan, cost and metrics.

        None means the model's default; sizes are in pixels, guidance is the pipeline's primary scale. `budget` is a
        ceiling on network evaluations (nfe), 1 <= budget <= steps; budget = steps is the from-scratch run bit for bit,
        None lets the planner choose. `strategy="baseline"` ignores the cache. `compare=True` also runs from scratch,
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
            compare=compare,
        )
        assert isinstance(result, Result)
        return result

    def stream(self, prompt: str, **options) -> Iterator[Step | Result]:
        """As `generate`, but yield every `Step` as taken, then the `Result`. Closing the iterator ends the run."""
        request = Request(prompt, **options)
        settings = settle(request, self.flow.defaults)
        with self._running:
            self._stopped.clear()
            yield from self._run(request, settings)

    def outlook(self, prompt: str, **options) -> Outlook:
        """What the request would do, without running it; takes milliseconds. Raises RequestError as `generate` does."""
        request = Request(prompt, **options)
        settings = settle(request, self.flow.defaults)
        ingredients = self._ingredients(settings)
        if self._exact(settings, ingredients):
            return Outlook("", 0, 0.0, "This very picture is stored; it is shown at once.")
        plan = self._plan(settings, self._matches(settings, ingredients))
        latest = self._cache.latest()
        warning = ""
        changed = differences(latest.ingredients, ingredients) if latest else ()
        if changed and not plan.sources and STRATEGIES[settings.strategy].family in ("switch", "transport"):
            warning = (
                f"Changed since the last picture: {', '.join(changed)}. "
                "Nothing cached can be used, so this starts from scratch."
            )
        is_full = plan.schedule.steps == settings.steps == plan.budget
        evaluations = plan.budget + (settings.steps if request.compare and not is_full else 0)
        seconds = statistics.median(self._step_seconds) * evaluations if self._step_seconds else None
        return Outlook(warning, plan.budget, seconds, plan.reason)

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first."""
        held = {entry.key: entry for entry in self._cache.entries()}
        companions = {baseline for key, baseline in self._baseline_of.items() if key in held}
        return tuple(entry for key, entry in held.items() if key not in companions)

    def adopt(self, entry: Entry) -> None:
        """Hold another session's entry as the newest, shared and not copied. Its fingerprint decides what it serves."""
        self._cache.insert(entry)

    def forget(self, key: str) -> None:
        """Drop one entry and the from-scratch run that was made to compare it with."""
        self._cache.forget(key)
        if key in self._baseline_of:
            self._cache.forget(self._baseline_of.pop(key))

    def clear(self) -> None:
        """Drop everything this session holds."""
        self._cache.clear()
        self._baseline_of.clear()
        self._conditionings.clear()

    @property
    def nbytes(self) -> int:
        """Bytes held by the cache."""
        return self._cache.nbytes

    @property
    def capacity(self) -> int:
        """Bytes the cache may hold."""
        return self._cache.capacity

    def decode(self, latents: Tensor) -> Image:
        """Latents, such as `Step.preview`, as a picture; not counted in any latency."""
        return self.flow.decode(latents)

    def stop(self) -> None:
        """End the running request at its next step: its stream raises Cancelled.

        A picture that is finished, and only its comparison is not, is kept.
        """
        self._stopped.set()

    def _run(self, request: Request, settings: Settings) -> Iterator[Step | Result]:
        clock = PhaseClock()
        with clock("embed"):
            conditioning = self._conditioning(settings)
        with clock("lookup"):
            ingredients = self._ingredients(settings)
            stored = self._exact(settings, ingredients)
            matches = () if stored else self._matches(settings, ingredients)
        if stored:
            result = self._repeat(stored.result, stored.is_true, request, clock)
            if request.compare:
                full = stored.result if stored.is_true else None
                result = yield from self._compare(result, full, conditioning, settings, ingredients)
            yield result
            return
        with clock("plan"):
            plan = self._plan(settings, matches)
            sources = tuple(self._source(key) for key in plan.sources)
        run = yield from self._sample(plan, sources, conditioning, settings, "cached")
        seconds = {**clock.seconds, "sample": run.seconds, "decode": run.decode_seconds}
        key = new_key()
        result = Result(request, run.image, plan, run.cost, seconds, run.trajectory.kinds, run.angles, key)
        trajectory = run.trajectory if plan.schedule.steps == settings.steps else None
        result = self._keep(ingredients, result, trajectory)
        if request.compare:
            full = result if trajectory is not None and trajectory.is_true else None
            try:
                result = yield from self._compare(result, full, conditioning, settings, ingredients)
            except NumericalError:
                self._cache.forget(result.key)
                raise
            if result.key:
                self._keep(ingredients, result, trajectory)
        yield result

    def _compare(
        self,
        result: Result,
        full: Result | None,
        conditioning: Conditioning,
        settings: Settings,
        ingredients: Ingredients,
    ) -> Generator[Step, None, Result]:
        """The result beside its from-scratch picture: that of `full`, a stored one, or one made and stored now."""
        if full is None and (entry := self._cache.exact(ingredients.digest(), settings.prompt, "baseline", None)):
            full = entry.result
        if full is None:
            plan = self._plan(replace(settings, strategy="baseline", budget=None), ())
            run = yield from self._sample(plan, (), conditioning, settings, "baseline")
            seconds = {"embed": result.seconds["embed"], "sample": run.seconds, "decode": run.decode_seconds}
            request = replace(result.request, strategy="baseline", budget=None, compare=False)
            full = Result(request, run.image, plan, run.cost, seconds, run.trajectory.kinds, {}, new_key())
            if self._keep(ingredients, full, run.trajectory).key:
                self._baseline_of[result.key] = full.key
        return replace(
            result,
            metrics=compare_images(result.image, full.image),
            baseline=full.image,
            baseline_cost=full.cost,
            baseline_seconds=full.seconds,
        )

    def _sample(
        self,
        plan: Plan,
        sources: tuple[Trajectory, ...],
        conditioning: Conditioning,
        settings: Settings,
        phase: Literal["cached", "baseline"],
    ) -> Generator[Step, None, _Run]:
        noise = self.flow.noise(settings.seed, self._shape(settings))
        field = Field(self.flow, conditioning, plan.schedule, noise, plan.budget)
        seconds, angles, latents = 0.0, {}, noise
        for event in sample(TRANSITIONS[plan.transition], sources, plan, field, settings.prompt):
            if isinstance(event, Trajectory):
                trajectory = event
                break
            seconds, latents = seconds + event.seconds, event.latents
            if event.kind == "computed":
                self._step_seconds.append(event.seconds)
            if event.angle is not None:
                angles[event.k] = event.angle
            yield replace(event, phase=phase)
            if self._stopped.is_set():
                raise Cancelled("Stopped. What was unfinished is not kept.")
        began = time.perf_counter()
        image = self.flow.decode(latents)
        return _Run(image, trajectory, field.cost, seconds, time.perf_counter() - began, angles)

    def _repeat(self, stored: Result, is_true: bool, request: Request, clock: PhaseClock) -> Result:
        """The stored result of the same run, at no cost."""
        steps = stored.plan.schedule.steps
        reason = "This very request was answered before: its picture is shown from the store."
        if is_true:
            reason = f"This very picture was made before with all {steps} steps computed: it is shown from the store."
        return Result(
            request,
            stored.image,
            replace(stored.plan, reason=reason, nodes=(), budget=0),
            Cost(0, 0),
            dict(clock.seconds),
            tuple("cached" for _ in range(steps)),
            {},
            stored.key,
            from_store=True,
        )

    def _conditioning(self, settings: Settings) -> Conditioning:
        asked = (settings.prompt, settings.negative_prompt, settings.guidance)
        if asked not in self._conditionings:
            if len(self._conditionings) >= REMEMBERED_PROMPTS:
                self._conditionings.pop(next(iter(self._conditionings)))
            self._conditionings[asked] = self.flow.encode(*asked)
        return self._conditionings[asked]

    def _shape(self, settings: Settings) -> tuple[int, ...]:
        return self.flow.latent_shape(settings.height, settings.width)

    def _ingredients(self, settings: Settings) -> Ingredients:
        shape = self._shape(settings)
        sigmas = self.flow.schedule(settings.steps, shape).sigmas
        return Ingredients.of(
            self.flow.identity(), shape, sigmas, settings.guidance, settings.negative_prompt, settings.seed
        )

    def _exact(self, settings: Settings, ingredients: Ingredients) -> Entry | None:
        if settings.strategy == "baseline":
            return None
        return self._cache.exact(ingredients.digest(), settings.prompt, settings.strategy, settings.budget)

    def _matches(self, settings: Settings, ingredients: Ingredients) -> tuple[Match, ...]:
        """The sources to offer the planner, most similar first: true trajectories while there are any."""
        vector = self._encoder.encode(settings.prompt)
        found = self._cache.candidates(ingredients.digest(), vector, limit=len(self._cache))
        true = [(entry, similarity) for entry, similarity in found if entry.is_true]
        return tuple(
            Match(entry.key, entry.prompt, similarity, tier_of(similarity, self._tiers).name, entry.is_true)
            for entry, similarity in (true or found)[: STRATEGIES[settings.strategy].most_sources]
        )

    def _plan(self, settings: Settings, matches: tuple[Match, ...]) -> Plan:
        shape = self._shape(settings)
        return make_plan(
            settings,
            matches,
            lambda similarity: tier_of(similarity, self._tiers).resume_fraction,
            lambda steps: self.flow.schedule(steps, shape),
        )

    def _source(self, key: str) -> Trajectory:
        entry = self._cache.get(key)
        assert entry is not None
        assert entry.trajectory is not None
        return entry.trajectory

    def _keep(self, ingredients: Ingredients, result: Result, trajectory: Trajectory | None) -> Result:
        """Cache a finished run; one larger than the whole cache is returned without a key instead."""
        vector = self._encoder.encode(result.request.prompt.strip())
        try:
            self._cache.insert(Entry(result.key, ingredients, result, trajectory, vector, time.time()))
        except CacheError:
            return replace(result, key="")
        return result
