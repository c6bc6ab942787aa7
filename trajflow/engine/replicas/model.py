"""The model as the front has it: what it can say is asked of a replica, what it makes is made there."""

import logging
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

from torch import Tensor

from trajflow.base import Run, SamplingPlan, Schedule, Step, Trajectory
from trajflow.engine.distant import DistantModel, Facts, unpacked
from trajflow.engine.replicas import paths
from trajflow.engine.replicas.memo import state_digest
from trajflow.engine.replicas.messages import EngineError, Evaluated, Missing, Note, ReplicaDied
from trajflow.engine.serialization import pack
from trajflow.field import Field

logger = logging.getLogger(__name__)
# Replicas that may die on one run before it is given up.
MOST_DEATHS = 3
REMEMBERED = 64

# Sends a call of a session to a replica, and yields its answers; closing it ends the call at the replica's next step.
Send = Callable[[str, bytes], Generator[bytes, None, None]]


class Answers:
    """Calls as records, and what never changes between them, for all sessions. Raises what the replica raised."""

    def __init__(self, send: Send, note: Callable[[Note], None]) -> None:
        self._send = send
        self.note = note
        self.one = lru_cache(REMEMBERED)(self._one)

    def each(self, session: str, name: str, arguments: tuple[Any, ...], model: Any) -> Generator[Any, None, None]:
        """What a replica answers, event by event."""
        yield from unpacked(self._send(session, pack((name, arguments), model)), model)

    def _one(self, name: str, *arguments: Any) -> Any:
        """What the replicas say of a model whatever the session, remembered."""
        return self.last(name, name, arguments, self)

    def last(self, session: str, name: str, arguments: tuple[Any, ...], model: Any) -> Any:
        """The one answer to a short question, asked again of another replica where one dies."""
        for _ in range(MOST_DEATHS):
            try:
                [answer] = self.each(session, name, arguments, model)
                return answer
            except ReplicaDied:
                continue
        raise EngineError(_DEATHS)


_DEATHS = f"{MOST_DEATHS} replicas died on this request. It is given up; your pictures are kept."


class ReplicatedModel(DistantModel):
    """A model for one session whose weights only replicas have; a `RemoteModel`.

    A run that loses its replica goes on at another one: the evaluations that had arrived are not made again, and the
    bits and the count are those of a run that nothing happened to. Raises EngineError where it cannot be had.
    """

    def __init__(self, facts: Facts, answers: Answers, session: str) -> None:
        super().__init__(facts)
        self._answers = answers
        self._session = session

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """The model's own."""
        return self._answers.one("latent_shape", height, width)

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The model's own, on the CPU."""
        return self._answers.one("noise", seed, shape)

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The model's own, on the CPU."""
        return self._answers.one("schedule", steps, shape)

    def run(
        self, plan: SamplingPlan, sources: tuple[Trajectory, ...], field: Field, prompt: str
    ) -> Generator[Step, None, Run]:
        """Sample and decode in one call, or in as many as replicas die; closing the iterator ends it at the next step.

        The field ends as the replica's did; of a run that is closed it knows what had come back.
        """
        named = tuple((paths.digest(source), source) for source in sources)
        absent: frozenset[str] = frozenset()
        known: list[Evaluated] = []
        begun = field.copy()
        told = deaths = 0
        x = field.noise
        while deaths < MOST_DEATHS:
            given = tuple((name, path if name in absent else None) for name, path in named)
            asked = (plan, given, begun, prompt, self._session, tuple(known))
            events = self._answers.each(self._session, "made", asked, self)
            made: Run | None = None
            is_over = True
            here = 0
            try:
                for event in events:
                    if isinstance(event, Evaluated):
                        known.append(event)
                        if event.state == state_digest(x):
                            field.remember(x, event.k, event.velocity)
                    elif isinstance(event, Field):
                        vars(field).update(vars(event))
                    elif isinstance(event, Missing):
                        is_over, absent = False, absent | frozenset(event.digests)
                    elif isinstance(event, Note):
                        self._answers.note(event)
                    elif isinstance(event, Step):
                        here += 1
                        # Another replica takes the same steps again, faster, because it does not evaluate.
                        if here > told:
                            told, x = here, event.latents
                            field.nfe, field.rows = event.nfe, event.rows
                            yield event
                    else:
                        made = event
            except ReplicaDied as error:
                is_over, deaths = False, deaths + 1
                logger.warning("%s The run goes on at another one, from step %d.", str(error), told)
            finally:
                events.close()
            if made is not None:
                return made
            if is_over:
                raise EngineError("A replica ended a run without a picture. Ask for it again.")
        raise EngineError(_DEATHS)

    def _ask(self, name: str, x: Tensor, *arguments: Any) -> Any:
        return self._answers.last(self._session, name, (x, *arguments), self)
