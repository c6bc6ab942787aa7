"""Ray Serve: replicas as a deployment, found by consistent hashing of the session (Karger et al. 1997).

One front holds the sessions and calls the replicas by a handle; there is no HTTP proxy. A replica does one call at a
time. A session's own replica comes first, and where that is busy or gone its successors on the ring do.
"""

import asyncio
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

# Before ray is imported: nothing is told to anybody, and no key pair or browser is asked for.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.config import RequestRouterConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.schema import ReplicaState

from trajflow.base import Model
from trajflow.cache.store import Store
from trajflow.engine.replicas.messages import EngineBusy, EngineError, Note, ReplicaDied
from trajflow.engine.replicas.model import Answers, ReplicatedModel
from trajflow.engine.replicas.path_cache import WARM_BYTES, PathCache
from trajflow.engine.replicas.replica import Replica

logger = logging.getLogger(__name__)
APP = "trajflow"
DEPLOYMENT = "engine"
# Experimental in Ray 2.60: named here only.
ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
# Calls that may wait for each replica before the next is refused.
WAITING_PER_REPLICA = 4
FALLBACKS = 2


def replicas_by_state() -> Mapping[str, int]:
    """How many replicas of our application are in each of Serve's states; empty where it is not there, or not yet."""
    app = serve.status().applications.get(APP)
    deployment = None if app is None else app.deployments.get(DEPLOYMENT)
    return {} if deployment is None else deployment.replica_states


class ReplicaActor:
    """What Ray keeps alive: a replica, whose work is done by one thread."""

    def __init__(self, load: Callable[[], Model], open_store: Callable[[], Store] | None, warm_bytes: int) -> None:
        store = None if open_store is None else open_store()
        self._replica = Replica(load(), PathCache(store, capacity=warm_bytes))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trajflow-replica")

    def pid(self) -> int:
        """The process, for those who want to see it end."""
        return os.getpid()

    async def work(self, serialization: bytes) -> AsyncIterator[bytes]:
        """Do one call. When the caller leaves, the step under way is the last."""
        loop = asyncio.get_running_loop()
        events = self._replica.work(serialization)
        try:
            while (event := await loop.run_in_executor(self._thread, next, events, None)) is not None:
                yield event
        finally:
            # In its one thread this waits for the step under way, and holds the replica's place until then.
            await asyncio.shield(loop.run_in_executor(self._thread, _close, events))


def application(
    load: Callable[[], Model],
    replicas: int = 1,
    *,
    open_store: Callable[[], Store] | None = None,
    warm_bytes: int = WARM_BYTES,
    cpus: float = 1.0,
    gpus: float = 0.0,
) -> serve.Application:
    """The deployment: `replicas` copies of what `load` loads, each with so many CPUs and GPUs of the cluster."""
    deployment = serve.deployment(
        name=DEPLOYMENT,
        num_replicas=replicas,
        max_ongoing_requests=1,
        max_queued_requests=WAITING_PER_REPLICA * replicas,
        graceful_shutdown_timeout_s=10,
        health_check_period_s=2,
        health_check_timeout_s=30,
        request_router_config=RequestRouterConfig(
            request_router_class=ROUTER,
            request_router_kwargs={"num_fallback_replicas": FALLBACKS},
            max_backoff_s=0.1,
        ),
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
    )(ReplicaActor)
    return deployment.bind(load, open_store, warm_bytes)


class RayServe:
    """The engine over a running application. Raises EngineError where there is none."""

    name = "Ray Serve"

    def __init__(self, handle: Any, replicas: int, *, close: Callable[[], None] = lambda: None) -> None:
        self.hands = replicas
        self._handle = handle
        self._close = close
        self._lock = threading.Lock()
        self._note = Note("", 0, 0)
        self.warm = self.shared = 0
        self._answers = Answers(self._send, self._noted)
        facts = self._answers.one("facts")
        self._open = partial(ReplicatedModel, facts, self._answers)
        self.model: Model = self._open("")

    def open(self) -> Model:
        """The model for one more session, which its calls bring to one replica."""
        return self._open(secrets.token_hex(16))

    @property
    def running(self) -> int:
        """How many of the replicas are there now."""
        return replicas_by_state().get(ReplicaState.RUNNING.value, 0)

    def notes(self) -> tuple[str, ...]:
        """Whether all replicas are there, and the store answers, as the last run found it."""
        try:
            running = self.running
            fewer = f"{running} of {self.hands} replicas are there." if running < self.hands else ""
        except (RayError, RayServeException):
            fewer = "The cluster does not answer."
        return tuple(filter(None, (fewer, self._note.text)))

    def close(self) -> None:
        """Take the replicas down, where this process put them up."""
        self._close()

    def _noted(self, note: Note) -> None:
        with self._lock:
            if note.text != self._note.text:
                logger.warning("%s", note.text or "The store answers again: replicas share their runs.")
            self._note = note
            self.warm, self.shared = self.warm + note.warm, self.shared + note.shared

    def _send(self, session: str, serialization: bytes) -> Generator[bytes, None, None]:
        """A call of a session, answer by answer."""
        response = self._handle.options(stream=True, session_id=session).work.remote(serialization)
        is_left = False
        try:
            yield from response
        except GeneratorExit:
            is_left = True
            raise
        except BackPressureError as error:
            raise EngineBusy(error.args[0] + 1) from error
        except (RayActorError, DeploymentUnavailableError) as error:
            raise ReplicaDied("A replica has died.") from error
        except RayTaskError as error:
            raise EngineError(f"A replica failed: {type(error.cause).__name__}. Its log says more.") from error
        except (RayError, RayServeException) as error:
            raise EngineError(f"The cluster did not do this: {type(error).__name__}.") from error
        finally:
            # Leaving the stream alone would let the replica go on to the end. Of a call that failed this raises again.
            if is_left:
                response.cancel()


def _close(events: Any) -> None:
    events.close()
