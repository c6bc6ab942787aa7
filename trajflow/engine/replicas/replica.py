"""One replica: the model in its process, and the paths it has at hand."""

from collections.abc import Iterator

from torch import Tensor

from trajflow.base import Model, Run, SamplingPlan, Schedule, Step, Trajectory
from trajflow.cache.store import owner_of
from trajflow.engine.distant import Facts
from trajflow.engine.replicas import paths
from trajflow.engine.replicas.memo import Memo
from trajflow.engine.replicas.messages import Evaluated, Missing, Note
from trajflow.engine.replicas.path_cache import PathCache
from trajflow.engine.worker import Worker
from trajflow.errors import TrajflowError
from trajflow.field import Field
from trajflow.sampler import run

# A source by its digest, with its path where the front has been asked for it.
Source = tuple[str, Trajectory | None]


class Replica:
    """Does the calls of any session, one at a time. Whatever it keeps, another replica can do without."""

    def __init__(self, model: Model, path_cache: PathCache) -> None:
        self._model = model
        self._path_cache = path_cache

    def work(self, serialization: bytes) -> Iterator[bytes]:
        """Do a call, and yield what comes of it; closing the iterator ends it where it is."""
        return _Call(Memo(self._model), self._path_cache).work(serialization)


class _Call(Worker):
    """What a front can ask for."""

    def __init__(self, memo: Memo, path_cache: PathCache) -> None:
        # It has everything that a model has, by being asked for it.
        super().__init__(memo)  # type: ignore[arg-type]
        self._memo = memo
        self._path_cache = path_cache

    def facts(self) -> Iterator[Facts]:
        """What the model is."""
        yield Facts.of(self._model)

    def latent_shape(self, height: int, width: int) -> Iterator[tuple[int, ...]]:
        """The shape of x."""
        yield tuple(self._model.latent_shape(height, width))

    def noise(self, seed: int, shape: tuple[int, ...]) -> Iterator[Tensor]:
        """The initial x."""
        yield self._model.noise(seed, shape)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Iterator[Schedule]:
        """The grid."""
        yield self._model.schedule(steps, shape)

    def made(
        self,
        plan: SamplingPlan,
        sources: tuple[Source, ...],
        field: Field,
        prompt: str,
        session: str,
        known: tuple[Evaluated, ...],
    ) -> Iterator[Evaluated | Step | Field | Run | Note | Missing]:
        """A run: every evaluation and step, the field as they left it, the run, and how sharing went.

        The evaluations that are `known` are not made again. Without all its sources nothing is run.
        """
        owner = owner_of(session)
        found, warm, shared = self._found(owner, sources)
        absent = tuple(name for name, path in zip((name for name, _ in sources), found, strict=True) if path is None)
        if absent:
            yield Missing(absent)
            return
        self._memo.learn(known)
        device = self._model.device
        given = tuple(paths.moved(path, device) for path in found if path is not None)
        try:
            running = run(self._model, plan, given, field, prompt, self._path_cache.make_room)
            while True:
                try:
                    step = next(running)
                except StopIteration as ended:
                    finished: Run = ended.value
                    break
                yield from self._memo.new()
                yield step
            yield field
        except TrajflowError:
            yield field
            raise
        self._path_cache.keep(owner, paths.digest(finished.trajectory), finished.trajectory)
        yield finished
        yield Note(self._path_cache.note, warm, shared)

    def _found(self, owner: str, sources: tuple[Source, ...]) -> tuple[list[Trajectory | None], int, int]:
        """The path of every source, None where there is none, and how many were at hand and in the store."""
        found: list[Trajectory | None] = []
        warm = shared = 0
        for name, path in sources:
            held = self._path_cache.warm(owner, name)
            warm += held is not None
            if held is None and path is not None:
                self._path_cache.keep(owner, name, path)
                held = path
            if held is None:
                held = self._path_cache.shared(owner, name)
                shared += held is not None
            found.append(held)
        return found, warm, shared
