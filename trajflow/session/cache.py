"""What one session holds: finished runs in the order they were asked for, and the rules of what may serve whom.

The cache counts a replaced entry as its newest; the shelf remembers the order of the requests, so that a run completed
later keeps its place. Every method may be called from any thread.
"""

import shutil
import tempfile
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from trajflow.base import Match, Result, Trajectory
from trajflow.cache import (
    CacheKey,
    DiskStore,
    Entry,
    MemoryStore,
    PromptIndex,
    SentenceEncoder,
    Store,
    TieredStore,
    TrajectoryCache,
)
from trajflow.cache.tiers import tier_of
from trajflow.errors import CacheError
from trajflow.field import Field
from trajflow.flow import euler_step
from trajflow.methods import METHODS
from trajflow.settings import Settings

# Of the bytes of memory, on the disk.
DISK_SHARE = 16


class SessionCache:
    """The entries of one session; `tiers` names the preset of similarity tiers.

    On a GPU the last used ones stay there, up to `capacity` bytes, and others wait in as many bytes of the CPU's
    memory; on the CPU there is only that. With a `spill` folder as many as `DISK_SHARE` times the bytes go there.

    Runs that were made only to compare a request with are its companions: held as sources, not listed.
    """

    def __init__(self, capacity: int, tiers: str, *, is_on_gpu: bool = False, spill: Path | None = None) -> None:
        self._tiers = tiers
        self._is_on_gpu = is_on_gpu
        stores: list[Store] = [MemoryStore(capacity)]
        if is_on_gpu:
            stores.append(MemoryStore(capacity, is_on_cpu=True))
        if spill is not None:
            folder = _own_folder(spill)
            stores.append(DiskStore(folder, DISK_SHARE * capacity))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._cache = TrajectoryCache(TieredStore(tuple(stores)), PromptIndex())
        self._encoder = SentenceEncoder()
        self._companions: dict[str, str] = {}
        self._order: dict[str, int] = {}
        self._lock = threading.RLock()

    @property
    def nbytes(self) -> int:
        """Bytes held, wherever."""
        return self._cache.nbytes

    @property
    def capacity(self) -> int:
        """Bytes that may be held in all."""
        return self._cache.capacity

    def make_room(self) -> None:
        """Free what is held on the GPU; all of it is still held elsewhere, as far as there is room."""
        self._cache.spill()

    def entries(self) -> tuple[Entry, ...]:
        """Every finished request still held, newest first."""
        with self._lock:
            held = {entry.key: entry for entry in self._cache.entries()}
            companions = {companion for key, companion in self._companions.items() if key in held}
            listed = [entry for key, entry in held.items() if key not in companions]
            return tuple(sorted(listed, key=lambda entry: self._order[entry.key], reverse=True))

    def get(self, key: str) -> Entry | None:
        """The entry of that key, companions included, or None."""
        return self._cache.get(key)

    def adopt(self, entry: Entry) -> None:
        """Hold an entry as the newest. Raises CacheError when it is larger than the capacity."""
        with self._lock:
            self._cache.insert(entry)
            self._order.pop(entry.key, None)
            self._order[entry.key] = 1 + max(self._order.values(), default=0)
            held = {held.key for held in self._cache.entries()}
            self._order = {key: turn for key, turn in self._order.items() if key in held}

    def keep(self, cache_key: CacheKey, result: Result, trajectory: Trajectory | None) -> Result:
        """Hold a finished run; one larger than the capacity is returned without a key instead."""
        vector = self._encoder.encode(result.request.prompt.strip())
        try:
            self.adopt(Entry(result.key, cache_key, result, trajectory, vector, time.time()))
        except CacheError:
            return replace(result, key="")
        return result

    def renew(self, entry: Entry) -> bool:
        """Replace the entry of the same key, which keeps its place; False when it is gone or has grown too large."""
        with self._lock:
            if entry.key not in {held.key for held in self._cache.entries()}:
                return False
            try:
                self._cache.insert(entry)
            except CacheError:
                return False
            return True

    def accompany(self, key: str, companion: str) -> None:
        """Hide `companion` behind the request of `key`, which it goes with."""
        with self._lock:
            self._companions[key] = companion

    def forget(self, key: str) -> None:
        """Drop one entry and its companion."""
        with self._lock:
            self._cache.forget(key)
            self._order.pop(key, None)
            if key in self._companions:
                self.forget(self._companions.pop(key))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._cache.clear()
            self._companions.clear()
            self._order.clear()

    def exact(self, settings: Settings, cache_key: CacheKey) -> Entry | None:
        """The run that answers the request as it stands: a true one, or one asked for in the same way.

        What a refined run left unfinished answers nothing.
        """
        if settings.strategy == "baseline":
            return None
        found = self._cache.exact(cache_key.digest(), settings.prompt, settings.strategy, settings.budget)
        if found is None or found.is_true:
            return found
        for entry in self._same(settings, cache_key):
            request, asked = entry.result.request, (settings.strategy, settings.budget, settings.fidelity)
            if entry.result.is_final and (request.strategy, request.budget, request.fidelity) == asked:
                return self._cache.get(entry.key)
        return None

    def true_run(self, prompt: str, cache_key: CacheKey) -> Entry | None:
        """A run of this prompt with every step computed, whatever it was made for."""
        return self._cache.exact(cache_key.digest(), prompt, "baseline", None)

    def unfinished(self) -> tuple[Entry, ...]:
        """The requests of which no true run is held, newest first."""
        with self._lock:
            true = {(e.cache_key.digest(), e.prompt) for e in self._cache.entries() if e.is_true}
            return tuple(e for e in self.entries() if (e.cache_key.digest(), e.prompt) not in true)

    def begun(self, settings: Settings, cache_key: CacheKey) -> Entry | None:
        """The run of this prompt, asked for in any way, of which the most leading steps are known to be exact."""
        same = self._same(settings, cache_key)
        return max(same, key=lambda entry: len(leading_velocities(entry)), default=None)

    def matches(self, settings: Settings, cache_key: CacheKey) -> tuple[Match, ...]:
        """The sources to offer the planner, most similar first: true trajectories while there are any."""
        vector = self._encoder.encode(settings.prompt)
        found = self._cache.candidates(cache_key.digest(), vector, limit=len(self._cache))
        true = [(entry, similarity) for entry, similarity in found if entry.is_true]
        most = METHODS[settings.strategy].most_sources
        return tuple(self._match(entry, similarity) for entry, similarity in (true or found)[:most])

    def _match(self, entry: Entry, similarity: float) -> Match:
        tier = tier_of(similarity, self._tiers)
        return Match(entry.key, entry.prompt, similarity, tier.name, entry.is_true, tier.resume_fraction)

    def prefetch(self, settings: Settings, cache_key: CacheKey) -> None:
        """Begin to bring what may serve a request back to the GPU, on which the text encoders run meanwhile."""
        if self._is_on_gpu:
            for match in self.matches(settings, cache_key):
                self._cache.get(match.key)

    def _same(self, settings: Settings, cache_key: CacheKey) -> list[Entry]:
        """The requests for this very prompt, however asked for, newest first."""
        digest = cache_key.digest()
        return [e for e in self.entries() if e.prompt == settings.prompt and e.cache_key.digest() == digest]

    def source(self, key: str) -> Trajectory:
        """The trajectory of an entry that `matches` named."""
        entry = self._cache.get(key)
        assert entry is not None
        assert entry.trajectory is not None
        return entry.trajectory


def _own_folder(parent: Path) -> Path:
    """A new folder that nobody else uses. Raises CacheError where there cannot be one."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="session-", dir=parent))
    except OSError as error:
        raise CacheError(f"Runs cannot be kept in {parent}: {error.strerror}. Choose another folder.") from error


def leading_velocities(entry: Entry) -> tuple[Tensor, ...]:
    """The velocities of the entry's from-scratch run as far as they are known, from step 0 on."""
    if entry.prefix is not None:
        return tuple(entry.prefix)
    method = METHODS[entry.result.plan.sampling.method]
    if entry.trajectory is None or not (method.keeps_velocities or entry.is_true):
        return ()
    kinds = entry.trajectory.kinds
    count = next((k for k, kind in enumerate(kinds) if kind != "computed"), len(kinds))
    return tuple(entry.trajectory.velocities[:count])


def remember(field: Field, velocities: tuple[Tensor, ...]) -> None:
    """Tell a field of the from-scratch velocities that are known from step 0 on: asking for them costs nothing."""
    sigmas, x = field.schedule.sigmas, field.noise
    for k, known in enumerate(velocities):
        # An entry that is only looked at may wait on the CPU.
        velocity = known.to(x.device)
        field.remember(x, k, velocity)
        x = euler_step(x, velocity, sigmas[k], sigmas[k + 1])
