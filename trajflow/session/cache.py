"""What one session asks of its cache: what may answer a request, what may serve it, and what is left to complete."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trajflow.base import Match, Plan, Result, Trajectory
from trajflow.cache import CacheKey, Disk, Entry, Memory, OwnedStore, Place, SentenceEncoder, TrajectoryCache
from trajflow.cache.entry import CPU, on_device
from trajflow.cache.similarity import weigh
from trajflow.cache.tiers import LEARNED, Resumed, Tier, Tiers, move_tiers, tier_of, tier_table
from trajflow.errors import CacheError, SourceGone
from trajflow.field import Field, euler_step
from trajflow.memory import retry_on_oom
from trajflow.methods import METHODS
from trajflow.settings import Settings

logger = logging.getLogger(__name__)
# Of the bytes of memory, on the disk.
DISK_SHARE = 16
COMPANIONS = "companions"
AHEAD = "ahead"


class SessionCache(TrajectoryCache):
    """The cache of one session; `tiers` is the table of similarity tiers, or the name of one.

    On a GPU, where `device` is one, the last used runs stay there, up to `capacity` bytes, and others wait in as many
    bytes of the CPU's memory; on the CPU there is only that. With a `spill` folder as many as `DISK_SHARE` times the
    bytes go there.

    With the preset "learned" the boundaries of the tiers follow what `resumes` says was measured.

    Runs that were made only to compare a request with are its companions: held as sources, not listed.

    In its `store` stands, at any time, what is held: a run is there before anybody can see it here, and goes from there
    with it. What is found there to begin with is held again, the newest first; what there is no room for stays there,
    `unheld`, for a session with more.
    """

    def __init__(
        self,
        capacity: int,
        tiers: Tiers,
        resumes: Callable[[], tuple[Resumed, ...]] = tuple,
        *,
        device: torch.device = CPU,
        spill: Path | None = None,
        store: OwnedStore | None = None,
    ) -> None:
        places: list[Place] = [Memory("gpu", capacity)] if device.type == "cuda" else []
        places.append(Memory("memory", capacity, is_host=bool(places)))
        if spill is not None:
            places.append(Disk(spill, DISK_SHARE * capacity))
        super().__init__(places)
        self._table = tier_table(tiers)
        self._resumes = resumes if tiers == LEARNED else tuple
        self._device = device
        self._encoder = SentenceEncoder()
        # Runs that nobody has asked for yet, with the entry that they were made for.
        self._ahead: dict[str, str] = {}

        self._store = store
        # Each with its companion.
        self._unheld: dict[str, str] = {}
        self._is_catching_up = False
        self.catch_up()
        if self._unheld:
            logger.warning(
                "For %d of the runs that are kept there is no room in %s bytes. They stay kept.",
                len(self._unheld),
                f"{self.capacity:,}",
            )

    @property
    def unheld(self) -> frozenset[str]:
        """The keys of runs that stand in the store and found no room here."""
        return frozenset(self._unheld)

    def catch_up(self) -> None:
        """Hold also what the store holds: to begin with, or after another process has worked for this session.

        What finds no room, or has to make room, stays in the store.
        """
        if self._store is None:
            return
        self._is_catching_up = True
        try:
            self._take_up(self._store)
        finally:
            self._is_catching_up = False

    def _take_up(self, store: OwnedStore) -> None:
        for entry in store.entries():
            if entry.result.plan.sampling.method not in METHODS:
                logger.warning("A kept run was made by a method that is not known here. It is passed over.")
                continue
            with self._lock:
                held = self._records.get(entry.key)
                if entry.key in self._unheld or (held is not None and not _is_further(entry, held.entry)):
                    continue
                try:
                    arrived = on_device(entry, self._device)
                    if held is None:
                        super().adopt(arrived)
                    else:
                        super().renew(arrived)
                except (CacheError, torch.OutOfMemoryError) as error:
                    logger.warning("A kept run is not held again. %s", str(error))
                    if held is None:
                        self._unheld[entry.key] = ""
        for key, companion in store.read_note(COMPANIONS).items():
            if isinstance(companion, str):
                self._relate(key, companion)
        ahead = store.read_note(AHEAD)
        self._ahead |= {made: owner for made, owner in ahead.items() if isinstance(owner, str)}

    def adopt(self, entry: Entry) -> None:
        """As of any cache; in the store first."""
        if self._store is None:
            super().adopt(entry)
            return
        self._store.put(entry)
        try:
            super().adopt(entry)
        except CacheError:
            self._put_back(entry.key)
            raise

    def renew(self, entry: Entry) -> bool:
        """As of any cache; in the store first."""
        if self._store is None or entry.key not in self._records:
            return super().renew(entry)
        self._store.put(entry)
        is_held = super().renew(entry)
        if not is_held:
            self._put_back(entry.key)
        return is_held

    def accompany(self, key: str, companion: str) -> None:
        """As of any cache."""
        self._relate(key, companion)
        self._note(COMPANIONS, {**self._companions(), key: companion})

    def _relate(self, key: str, companion: str) -> None:
        """As `accompany`, for a run that is `unheld` too; not noted."""
        with self._lock:
            if key in self._unheld:
                self._unheld[key] = companion
            else:
                super().accompany(key, companion)

    def _companions(self) -> dict[str, str]:
        """The companions of the runs that have one, `unheld` ones too."""
        with self._lock:
            held = {key: record.companion for key, record in self._records.items()}
            return {key: companion for key, companion in {**held, **self._unheld}.items() if companion}

    def _note(self, name: str, related: Mapping[str, str]) -> None:
        """Note which run belongs to which, "" for none, beside what other sessions have noted in the same store."""
        if self._store is None:
            return
        with self._lock:
            there = {*self._store.keys(), *self._records, *self._unheld}
        noted = {**self._store.read_note(name), **related}
        self._store.write_note(name, {key: other for key, other in noted.items() if other and key in there})

    def _put_back(self, key: str) -> None:
        """Let the store hold of a key what is held here."""
        assert self._store is not None
        former = self._records.get(key)
        if former is None:
            self._store.delete(key)
        else:
            self._store.put(former.entry)

    def _let_go(self, key: str) -> None:
        super()._let_go(key)
        if self._is_catching_up:
            self._unheld[key] = ""
            return
        if self._store is not None:
            self._store.delete(key)
        if self._ahead.pop(key, None) is not None:
            self._note(AHEAD, self._ahead)

    def _settle(self, after: dict[str, int]) -> None:
        super()._settle(after)
        # What was made ahead goes with what it was made for.
        for made, owner in list(self._ahead.items()):
            if made in self._records and owner not in self._records and owner not in self._unheld:
                self._let_go(made)

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first; neither companions nor runs made ahead."""
        with self._lock:
            hidden = {*self._ahead, *self._unheld.values()}
            return tuple(entry for entry in super().entries() if entry.key not in hidden)

    def keep_ahead(self, owner: str, cache_key: CacheKey, result: Result, trajectory: Trajectory) -> Result:
        """Hold a run that was made ahead of the entry `owner`, and drop it with that one."""
        with self._lock:
            if owner not in self._records:
                return replace(result, key="")
            kept = self.keep(cache_key, result, trajectory)
            if kept.key:
                self._ahead[kept.key] = owner
                self._note(AHEAD, self._ahead)
            return kept

    def keep_beside(self, owner: str, cache_key: CacheKey, result: Result, trajectory: Trajectory) -> None:
        """Hold a run that was made to compare the entry `owner` with, and hide it behind that one, unless that has
        gone."""
        with self._lock:
            record = self._records.get(owner)
            if record is None or not self.keep(cache_key, result, trajectory).key:
                return
            if owner in self._records:
                self.accompany(owner, result.key)
            else:
                # There is no room for both.
                self.keep(cache_key, record.entry.result, record.entry.trajectory)

    def reveal(self, key: str) -> None:
        """A run made ahead, or only to compare another with, has been asked for: it is listed from now on."""
        with self._lock:
            if self._ahead.pop(key, None) is not None:
                self._note(AHEAD, {**self._ahead, key: ""})
            owners = [owner for owner, companion in self._companions().items() if companion == key]
        for owner in owners:
            self.accompany(owner, "")

    def keep(self, cache_key: CacheKey, result: Result, trajectory: Trajectory | None) -> Result:
        """Hold a finished run; one that cannot be held is returned without a key instead."""
        vector = self._encoder.encode(result.request.prompt.strip())
        try:
            self.adopt(Entry(result.key, cache_key, result, trajectory, vector, time.time()))
        except CacheError:
            return replace(result, key="")
        return result

    def keep_again(self, cache_key: CacheKey, result: Result, trajectory: Trajectory | None) -> Result:
        """Hold a run in place of the former one of its key, but for a true one, which stays. Returned without a key
        where that has gone: what was forgotten meanwhile stays forgotten."""
        with self._lock:
            former = self._records.get(result.key)
            if former is None:
                return replace(result, key="")
            entry = Entry(result.key, cache_key, result, trajectory, former.entry.vector, time.time())
            if entry.is_true or not former.entry.is_true:
                return result if self.renew(entry) else replace(result, key="")
            return result

    def forget(self, key: str) -> None:
        """Drop one entry and its companion, `unheld` ones from the store, and what is known of its prompt if no other
        run has it."""
        with self._lock:
            for made in [made for made, owner in self._ahead.items() if owner == key]:
                del self._ahead[made]
                self.forget(made)
            self._ahead.pop(key, None)
            former, is_known = self._records.get(key), key in self._records or key in self._unheld
            companions, gone = self._companions(), [key]
            while companion := companions.pop(gone[-1], ""):
                gone.append(companion)
            for each in gone:
                super().forget(each)
                self._unheld.pop(each, None)
            prompts = {record.entry.prompt for record in self._records.values()}
            if former is not None and former.entry.prompt not in prompts:
                self._encoder.forget(former.entry.prompt)
        for each in gone if is_known else ():
            if self._store is not None:
                self._store.delete(each)

    def clear(self) -> None:
        """Drop everything, from the store too."""
        self.release()
        if self._store is not None:
            self._store.clear()

    def release(self) -> None:
        """Drop everything that is held here; what stands in the store stays."""
        super().clear()
        self._unheld.clear()
        self._ahead.clear()
        self._encoder.forget()

    def exact(self, settings: Settings, cache_key: CacheKey) -> Entry | None:
        """The run that answers the request as it stands: a true one, or one asked for in the same way.

        What a refined run left unfinished answers nothing.
        """
        asked = (settings.strategy, settings.budget, settings.fidelity)
        for listed in self.runs_of(cache_key.digest(), settings.prompt) if settings.strategy != "baseline" else ():
            request = listed.result.request
            is_same = listed.result.is_final and (request.strategy, request.budget, request.fidelity) == asked
            if (listed.is_true or is_same) and (entry := self.get(listed.key)) is not None:
                return entry
        return None

    def true_run(self, prompt: str, cache_key: CacheKey) -> Entry | None:
        """A run of this prompt with every step computed, whatever it was made for."""
        true = (entry.key for entry in self.runs_of(cache_key.digest(), prompt) if entry.is_true)
        return next((entry for key in true if (entry := self.get(key)) is not None), None)

    def unfinished(self) -> tuple[Entry, ...]:
        """The requests of which no true run is held, newest first."""
        with self._lock:
            true = {(r.entry.digest, r.entry.prompt) for r in self._records.values() if r.entry.is_true}
            return tuple(e for e in self.entries() if (e.digest, e.prompt) not in true)

    def begun(self, settings: Settings, cache_key: CacheKey) -> Entry | None:
        """The run of this prompt, asked for in any way, of which the most leading steps are known to be exact."""
        with self._lock:
            runs = self.runs_of(cache_key.digest(), settings.prompt)
            held = [entry for run in runs if (entry := self._read(self._records[run.key])) is not None]
        return max(held, key=lambda entry: len(leading_velocities(entry)), default=None)

    def matches(self, settings: Settings, cache_key: CacheKey) -> tuple[Match, ...]:
        """The sources to offer the planner, most similar first: true trajectories while there are any."""
        vector, limit = self._encoder.encode(settings.prompt), METHODS[settings.strategy].most_sources
        near, tiers = self.candidates(cache_key, vector, limit, self._weighed), self.tiers
        return tuple(_match(entry, similarity, tier_of(similarity, tiers), cache_key) for entry, similarity in near)

    def _weighed(self, vector: np.ndarray, cache_key: CacheKey) -> np.ndarray:
        """The vector of a prompt with the negative prompt and the guidance it is asked for with."""
        negative = cache_key.negative_prompt.strip()
        return weigh(vector, self._encoder.encode(negative) if negative else 0 * vector, cache_key.guidance)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The table as it stands now, most similar tier first."""
        return move_tiers(self._table, self._resumes())

    def prefetch(self, settings: Settings, cache_key: CacheKey) -> None:
        """Begin to bring what may serve a request back to the GPU, on which the text encoders run meanwhile."""
        if self._device.type == "cuda":
            for match in reversed(self.matches(settings, cache_key)):
                self.get(match.key)

    def planned(
        self,
        settings: Settings,
        cache_key: CacheKey,
        matches: tuple[Match, ...],
        device: torch.device,
        plan: Callable[[tuple[Match, ...]], Plan],
    ) -> tuple[Plan, tuple[Trajectory, ...]]:
        """The plan for these sources, with their trajectories on the device; another one where one of them has gone
        meanwhile.

        The best one is used last, so that it is the last to give way to what is made of them.
        """
        while True:
            made = plan(matches)
            try:
                sources = [self.source(key, settings.negative_prompt, device) for key in reversed(made.sources)]
                return made, tuple(reversed(sources))
            except SourceGone:
                matches = self.matches(settings, cache_key)

    def source(self, key: str, negative_prompt: str, device: torch.device) -> Trajectory:
        """The trajectory of an entry that `matches` named, on the device, for a run with that negative prompt: without
        its negative branch where that is of another one. Raises SourceGone when it is no longer held, MemoryExhausted
        when there is no room for it.
        """
        entry = self.get(key)
        if entry is None or entry.trajectory is None:
            raise SourceGone("A run that this picture was to start from is no longer held. Ask for the picture again.")
        # It may have come from a file, wait in the host's memory, or be from before the model was moved.
        trajectory = retry_on_oom(partial(on_device, entry, device), self.make_room).trajectory
        assert trajectory is not None
        if entry.cache_key.negative_prompt != negative_prompt:
            return replace(trajectory, negative=None)
        return trajectory


def _is_further(kept: Entry, held: Entry) -> bool:
    """Whether a kept run has come further than the held one of its key: completed elsewhere, or made later."""
    return (kept.is_true, kept.created) > (held.is_true, held.created)


def leading_velocities(entry: Entry) -> tuple[Tensor, ...]:
    """The velocities of the entry's from-scratch run as far as they are known, from step 0 on."""
    entry = entry.in_memory()
    if entry.prefix is not None:
        return tuple(entry.prefix)
    method = METHODS[entry.result.plan.sampling.method]
    if entry.trajectory is None or not (method.keeps_velocities or entry.is_true):
        return ()
    if not entry.trajectory.is_start_exact:
        return ()
    kinds = entry.trajectory.kinds
    count = next((k for k, kind in enumerate(kinds) if kind != "computed"), len(kinds))
    return tuple(entry.trajectory.velocities[:count])


def shared_branch(sources: tuple[Trajectory, ...]) -> Tensor | None:
    """The negative branch at the noise that the sources share, [*x.shape], where one of them has it."""
    return next((source.negative for source in sources if source.negative is not None), None)


def remember(field: Field, entry: Entry) -> None:
    """Tell a field of the entry's `leading_velocities`: asking for them costs nothing."""
    sigmas, x = field.schedule.sigmas, field.noise
    trajectory = entry.in_memory().trajectory
    if trajectory is not None and trajectory.negative is not None:
        field.negative = trajectory.negative.to(x.device)
    for k, known in enumerate(leading_velocities(entry)):
        # An entry that is only looked at may wait on the CPU.
        velocity = known.to(x.device)
        field.remember(x, k, velocity)
        x = euler_step(x, velocity, sigmas[k], sigmas[k + 1])


def _match(entry: Entry, similarity: float, tier: Tier, asked: CacheKey) -> Match:
    made = entry.cache_key
    apart = {
        "another negative prompt": made.negative_prompt != asked.negative_prompt,
        f"guidance {made.guidance:g}": made.guidance != asked.guidance,
    }
    differs = " and ".join(words for words, is_so in apart.items() if is_so)
    return Match(
        entry.key,
        entry.prompt,
        similarity,
        tier.name,
        entry.is_true,
        tier.resume_fraction,
        made.guidance,
        differs,
    )
