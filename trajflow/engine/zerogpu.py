"""ZeroGPU: a GPU lent for the seconds of one call, in a worker forked from this process.

What happens in a worker stays there but for what it yields, and both ways only pickles pass. So sessions, look-up,
planning and insertion stay here, and one call takes a plan, its sources and its field, encodes the prompt, samples,
decodes, and yields every step as it is taken. How long a call may last is said beforehand, and is taken from the
user's quota if it is used: F + M t n seconds for n evaluations of t seconds each, as the newest ones took at that
size (`FIXED`, `MARGIN`). A plan that starts from cached runs evaluates less, so it asks for less.
"""

import math
import statistics
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

from torch import Tensor

from trajflow.base import (
    Model,
    Run,
    SamplingPlan,
    Schedule,
    Step,
    Trajectory,
)
from trajflow.engine.distant import DistantModel, Facts, unpacked
from trajflow.engine.serialization import pack
from trajflow.engine.worker import Worker
from trajflow.errors import TrajflowError
from trajflow.field import Field

# Seconds for what no evaluation takes: bringing the weights to the GPU, text encoders, decoder.
FIXED = 10.0
# An evaluation is expected to take this until one was timed, and a call no more than ZeroGPU's usual time. A call that
# overruns what it asked for may be aborted.
FIRST_GUESS = 1.0
USUAL = 60.0
MARGIN = 2.0
TIMED_STEPS = 32


class GPUError(TrajflowError):
    """ZeroGPU did not lend a GPU, or took it back: the quota, the time asked for, or a failure in the worker."""


class ZeroGPUModel(DistantModel):
    """A model whose weights only the workers can use; a `RemoteModel`.

    `lend` is the decorator `spaces.GPU`. Make it before the page is launched: ZeroGPU puts the weights aside then, and
    looks for decorated functions. Whatever does not need the weights is done here, on the CPU; a prompt is encoded by
    the worker that needs it. Raises GPUError where ZeroGPU refuses or fails.
    """

    def __init__(self, model: Model, lend: Callable[..., Any]) -> None:
        super().__init__(Facts.of(model))
        self._model = model
        self._paces: dict[tuple[int, ...], deque[float]] = {}
        self._lock = threading.Lock()
        worker = Worker(model)

        def work(seconds: float, serialization: bytes) -> Iterator[bytes]:
            yield from worker.work(serialization)

        # One function for everything: its idle worker, with the weights on the GPU, is used again.
        self._work = lend(duration=_whole_seconds)(work)

    def latent_shape(self, height: int, width: int) -> tuple[int, ...]:
        """The model's own."""
        return self._model.latent_shape(height, width)

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The model's own, on the CPU."""
        return self._model.noise(seed, shape).cpu()

    def schedule(self, steps: int, shape: tuple[int, ...]) -> Schedule:
        """The model's own, on the CPU."""
        schedule = self._model.schedule(steps, shape)
        return Schedule(schedule.sigmas.cpu(), schedule.timesteps.cpu())

    def run(
        self, plan: SamplingPlan, sources: tuple[Trajectory, ...], field: Field, prompt: str
    ) -> Generator[Step, None, Run]:
        """Sample and decode in one call; closing the iterator ends it at the worker's next step.

        The field ends as the worker's did; of a run that is closed it knows what had come back.
        """
        shape = tuple(field.noise.shape)
        seconds = self._seconds(min(plan.budget, field.budget - field.nfe), shape)
        calls = self._call("run", (plan, sources, field, prompt), seconds)
        try:
            for event in calls:
                if isinstance(event, Field):
                    vars(field).update(vars(event))
                elif isinstance(event, Step):
                    if event.nfe > field.nfe:
                        self._timed(shape, event.seconds)
                    field.nfe, field.rows = event.nfe, event.rows
                    yield event
                else:
                    made = event
            return made
        finally:
            calls.close()

    def _ask(self, name: str, x: Tensor, *arguments: Any) -> Any:
        seconds = FIXED if name == "decode" else self._seconds(1, tuple(x.shape))
        (answer,) = self._call(name, (x, *arguments), seconds)
        return answer

    def _call(self, name: str, arguments: tuple[Any, ...], seconds: float) -> Generator[Any, None, None]:
        """What a method of the worker yields. An error of ours that it raises is raised here as itself."""
        events = unpacked(self._work(seconds, pack((name, arguments), self)), self)
        try:
            yield from events
        except Exception as error:
            # What ZeroGPU says itself comes as Gradio's error, which its page would show.
            if type(error).__module__.partition(".")[0] == "gradio":
                raise GPUError(f"{getattr(error, 'title', 'ZeroGPU')}: {getattr(error, 'message', error)}") from error
            raise

    def _seconds(self, evaluations: int, shape: tuple[int, ...]) -> float:
        """What to ask for, for so many evaluations at that size."""
        with self._lock:
            paces = self._paces.get(shape)
            if not paces:
                return min(FIXED + MARGIN * FIRST_GUESS * evaluations, USUAL)
            return FIXED + MARGIN * statistics.median(paces) * evaluations

    def _timed(self, shape: tuple[int, ...], seconds: float) -> None:
        with self._lock:
            self._paces.setdefault(shape, deque(maxlen=TIMED_STEPS)).append(seconds)


def _whole_seconds(seconds: float, serialization: bytes) -> int:
    """What ZeroGPU is asked for: it is given the arguments of the call itself."""
    return math.ceil(seconds)
