"""One user's session: it answers requests, remembers what was made, and completes runs when asked to, or when idle."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Unpack

from PIL.Image import Image
from torch import Tensor

from trajflow import methods
from trajflow.base import Model, Options, Request, Result, Spent, Step
from trajflow.cache import Entry, FolderStore, OwnedStore
from trajflow.cache.store import owner_of
from trajflow.cache.tiers import Tier, Tiers
from trajflow.calibration import Learned, Profile
from trajflow.errors import Cancelled, RequestError
from trajflow.metrics.path import path_diagnostics
from trajflow.session.ahead import work_ahead
from trajflow.session.answer import answer
from trajflow.session.cache import SessionCache
from trajflow.session.complete import complete
from trajflow.session.economy import Economy
from trajflow.session.estimate import Estimate, estimate_request
from trajflow.session.idle import IdleWorker
from trajflow.session.learned import keep_learned, learned_before
from trajflow.session.model_lock import ModelLock
from trajflow.session.runner import Runner
from trajflow.settings import resolve_request

logger = logging.getLogger(__name__)
Mode = Literal["manual", "interactive", "economy"]
MODES: tuple[Mode, ...] = ("manual", "interactive", "economy")


class Session:
    """Runs requests of one user on a model and remembers their trajectories, up to `cache_bytes`.

    On a GPU `cache_bytes` is the limit on the GPU and once more in the CPU's memory, to which what was not used for
    long gives way. With a folder `spill` it goes on to the disk, up to 16 times `cache_bytes`, in a folder of the
    session's own that is removed with it.

    `tiers` says by similarity how far to resume: "published", "conservative", "aggressive", "learned" (the published
    ones, moved by what late resumes that were compared came to), or thresholds of one's own, as a sequence of `Tier` or
    a mapping {similarity: fraction of the steps}. `published` and `resume-budcache` go by
    it; so do `resume` and the blends when no budget is given. One run at a time: a second caller waits. Nothing is
    shared with other sessions but the model.

    `mode` says which runs are computed in full so that later ones have true sources: "manual" those that `complete` is
    called for, "interactive" all, newest first, by a thread that works between requests and gives way to the next one
    within an evaluation, "economy" those that the planner finds worth it, at once and whatever their budget. `close`
    ends the thread; so does leaving a `with` block.

    `state` is a folder in which the session is kept and found again, by another process too: its runs, and what was
    learned. What was answered is there, whatever becomes of this process; what is forgotten here is gone there. At most
    8 GiB, and for 30 days after the last use. What a session finds there and has no room for stays there, `unheld`. A
    `OwnedStore` of a `FolderStore` has limits and an owner of one's own.

    `profile` is what is known of the model, by default what `find_profile` finds. Every comparison (`compare=True`, or
    a completed run) improves this session's forecasts; `learned` is what it added, `forget_learned` drops that.

    Raises RequestError for a mode or tiers that there are not, CacheError for a folder that cannot be used.

    >>> import trajflow
    >>> from trajflow.testing import GaussianMixture
    >>> session = trajflow.Session(GaussianMixture())
    >>> session.generate("a mountain", seed=7).cost.nfe
    8
    >>> session.generate("a mountain at dusk", seed=7, budget=3).cost.nfe
    3
    """

    def __init__(
        self,
        model: Model,
        *,
        cache_bytes: int = 256 * 2**20,
        tiers: Tiers = "published",
        mode: Mode = "manual",
        profile: Profile | None = None,
        spill: str | Path | None = None,
        state: str | Path | OwnedStore | None = None,
    ) -> None:
        methods.load_waiting()
        if mode not in MODES:
            raise RequestError(f"There is no mode {mode!r}. Choose one of: {', '.join(MODES)}.")
        self.model = model
        self.mode = mode
        self._cache_bytes = cache_bytes
        self._store = OwnedStore(FolderStore(Path(state)), owner_of("")) if isinstance(state, str | Path) else state
        self._cache = SessionCache(
            cache_bytes,
            tiers,
            lambda: self._runner.learned.resumes,
            device=model.device,
            spill=None if spill is None else Path(spill),
            store=self._store,
        )
        self._runner = Runner(model, profile, self._cache.make_room)
        if self._store is not None:
            self._runner.learned = learned_before(self._store, self.profile.model)
        self._kept_learned = self._runner.learned
        self._lock = ModelLock()
        self._economy = Economy() if mode == "economy" else None
        self._hopeless: set[str] = set()
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
        None lets the planner choose, so as to reach a PSNR of `fidelity` dB to the from-scratch picture (None: 40);
        `auto`, `basis` and `difference` take one, instead of a budget. `strategy="baseline"` ignores the cache and the
        budget: all steps are computed. `compare=True` also runs from scratch, reports that cost apart, keeps it as a
        true source and fills `result.metrics`.

        Raises RequestError for a request that cannot be run, Cancelled after `stop()`, NumericalError for NaN,
        MemoryExhausted where the device is full even without this session's cached runs, MissingExtra for a strategy
        that needs an extra that is not installed.
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

    def stream(self, prompt: str, **options: Unpack[Options]) -> Iterator[Step | Result]:
        """As `generate`, but yield every `Step` as taken, then the `Result`. Closing the iterator, or dropping it, ends
        the run; one that is not asked for more is in the way of no other request.

        With `refine=True` a `Result` comes after every pass: a preview within 3 evaluations, then better ones, all of
        one key but for a held picture that is shown first. `is_final` is set on the last, which is the from-scratch
        picture bit for bit after at most 1.5 `steps` evaluations in all. A run that is stopped or closed leaves the
        last of them in the session. For `auto`, `basis` and `difference`, without a budget; `compare` then measures
        every picture against the last one.
        """
        request = Request(prompt, **options)
        settings = resolve_request(request, self.model.defaults)
        stops = self._lock.stops
        events = answer(self._runner, self._cache, self._economy, request, settings, lambda: self._lock.stops != stops)
        with self._called() as turn, closing(events):
            while True:
                with self._lock.step(turn):
                    event = next(events, None)
                if event is None:
                    return
                yield event

    def complete(self, key: str | None = None) -> Iterator[Step | Result]:
        """Compute the run of an entry in full, the newest that needs it by default: yield each `Step`, then its
        `Result`. Nothing at all when no run needs it.

        The result is the entry's own, now beside its from-scratch picture (`baseline`) and with its metrics; the entry
        becomes a true source. It costs the evaluations that the run still lacks: `baseline_cost` of the result, counted
        as background in `spent`. Raises Cancelled as soon as any request begins or `stop()` is called; what is computed
        by then is kept with the entry. RequestError for an unknown key.
        """
        entry = next(iter(self.unfinished()), None) if key is None else self._cache.get(key)
        if entry is None and key is not None:
            raise RequestError("That picture is no longer kept, so it cannot be completed.")
        if entry is not None:
            with self._called() as turn:
                yield from complete(self._runner, self._cache, entry, lambda: self._lock.spare(turn))

    def work_ahead(self, key: str | None = None) -> Iterator[Step | Result]:
        """Compute in full what is likely to be asked for after an entry, by default the newest: the same picture at
        another time of day and in another weather, until three sources are held. Yield each `Step` and each `Result`.

        The runs serve as sources and are not listed until they are asked for. They are counted as background in
        `spent`. Gives way as `complete` does, and raises as it does; what was not finished is lost.
        """
        listed = self._cache.entries()
        entry = (listed[0] if listed else None) if key is None else self._cache.get(key)
        if entry is None and key is not None:
            raise RequestError("That picture is no longer kept, so nothing can be made ahead of it.")
        if entry is not None:
            with self._called() as turn:
                yield from work_ahead(self._runner, self._cache, entry, lambda: self._lock.spare(turn))

    def unfinished(self) -> tuple[Entry, ...]:
        """The requests whose from-scratch picture is not known yet, newest first."""
        return self._cache.unfinished()

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
        """What was learned, as JSON: model, shift and margin in dB, every forecast with its measurement, every late
        resume with its own, and the tiers as they stand."""
        learned = self.learned
        told = {
            "model": self.profile.model,
            "shift_db": learned.shift_db,
            "margin_db": learned.margin_db,
            "outcomes": [asdict(outcome) for outcome in learned.outcomes],
            "resumes": [asdict(resumed) for resumed in learned.resumes],
            "tiers": [asdict(tier) for tier in self.tiers],
        }
        return json.dumps(told, indent=1) + "\n"

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The similarity tiers as they stand, most similar first; those of "learned" move with what is measured."""
        return self._cache.tiers

    def learn(self, result: Result) -> None:
        """Take into account a run made elsewhere, from this session's pictures, whose `metrics` were measured against
        its from-scratch picture; the same measurement twice counts once."""
        before = self._runner.learned
        self._runner.learn(result)
        after = self._runner.learned
        if set(after.resumes) == set(before.resumes) and set(after.outcomes) == set(before.outcomes):
            self._runner.learned = before
        self._keep_learned()

    def forget_learned(self) -> None:
        """Forecast as the profile does, and resume as the tiers that were given say."""
        self._runner.learned = Learned()
        self._keep_learned()

    def _keep_learned(self) -> None:
        """Note what was learned, if that has changed."""
        learned = self._runner.learned
        if self._store is not None and learned is not self._kept_learned:
            keep_learned(self._store, self.profile.model, learned)
            self._kept_learned = learned

    def estimate(self, prompt: str, **options: Unpack[Options]) -> Estimate:
        """What the request would do, without running it; takes milliseconds. Raises RequestError as `generate` does."""
        request = Request(prompt, **options)
        settings = resolve_request(request, self.model.defaults)
        return estimate_request(self._runner, self._cache, request, settings, is_economy=self._economy is not None)

    def diagnose(self, key: str) -> Mapping[str, float]:
        """Diagnostics of an entry's path, beside its sources and, where it is held, the from-scratch run of its prompt.

        Names and equations are those of `metrics/path.py`; it costs no evaluation. Raises RequestError for an entry
        that is gone or whose path was not kept.
        """
        entry = self._cache.get(key)
        if entry is None or entry.trajectory is None:
            raise RequestError("The path of that picture is not kept, so it cannot be diagnosed.")
        held = (self._cache.get(source) for source in entry.result.plan.sources)
        sources = [source.trajectory for source in held if source is not None and source.trajectory is not None]
        true = self._cache.true_run(entry.prompt, entry.cache_key)
        return path_diagnostics(entry.trajectory, sources, None if true is None else true.trajectory)

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first."""
        return self._cache.entries()

    def apart(self, tiers: Tiers) -> "Session":
        """An empty session on the same model and profile; where the device is full for it, this one makes room too."""
        other = Session(self.model, cache_bytes=self._cache_bytes, tiers=tiers, profile=self.profile)

        def make_room() -> None:
            other._cache.make_room()
            self._cache.make_room()

        other._runner.free_memory = make_room
        return other

    def adopt(self, entry: Entry) -> None:
        """Hold another session's entry as the newest, shared and not copied. Its fingerprint decides what it serves."""
        self._cache.adopt(entry)

    def forget(self, key: str) -> None:
        """Drop one entry, the from-scratch run that was made to compare it with, and what the text encoders said of
        prompts that no entry has."""
        self._cache.forget(key)
        self._runner.forget({entry.prompt for entry in self._cache.entries()})

    def clear(self) -> None:
        """Drop everything this session holds, and what is kept of it."""
        self._cache.clear()
        self._runner.forget()

    def release(self) -> None:
        """Give back the memory; what is kept in `state` stays, for the next session."""
        self._cache.release()
        self._runner.forget()

    def catch_up(self) -> None:
        """Take up what other processes have kept of this session meanwhile."""
        self._cache.catch_up()

    @property
    def nbytes(self) -> int:
        """Bytes held by the cache, wherever."""
        return self._cache.nbytes

    def nbytes_by_place(self) -> Mapping[str, int]:
        """The same by where they are held."""
        return self._cache.nbytes_by_place()

    @property
    def capacity(self) -> int:
        """Bytes the cache may hold in all: in memory, and on the disk with `spill`."""
        return self._cache.capacity

    @property
    def unheld(self) -> frozenset[str]:
        """The keys of kept runs for which `cache_bytes` had no room; a session with more holds them again."""
        return self._cache.unheld

    def decode(self, latents: Tensor) -> Image:
        """Latents, such as `Step.preview`, as a picture; not counted in any latency."""
        return self.model.decode(latents)

    def stop(self) -> None:
        """End the running request or completion at its next step: its stream raises Cancelled.

        A picture that is finished, and only its comparison or refinement is not, is kept.
        """
        self._lock.stop()

    def close(self) -> None:
        """Stop what runs, and end the thread of an interactive session: requests still work, nothing follows them."""
        self.stop()
        if self._worker is not None:
            self._worker.close()

    @contextmanager
    def _called(self) -> Iterator[int]:
        """A caller's turn; after it the idle thread looks for work."""
        try:
            with self._lock.called() as turn:
                yield turn
        finally:
            self._keep_learned()
            if self._worker is not None:
                self._worker.ring()

    def _use_idle_time(self) -> None:
        """Complete one run after the other, newest first, until somebody calls."""
        turn = self._lock.now
        while not self._lock.is_called and (
            entry := next((e for e in self.unfinished() if e.key not in self._hopeless), None)
        ):
            try:
                for _ in complete(self._runner, self._cache, entry, lambda: self._lock.spare(turn)):
                    pass
                self._keep_learned()
            except Cancelled:
                return
            # Nobody would see it raised here, and the other runs can still be completed.
            except Exception:
                logger.exception("a run could not be completed in the background")
            held = {entry.key for entry in self.unfinished()}
            self._hopeless = (self._hopeless | {entry.key}) & held
