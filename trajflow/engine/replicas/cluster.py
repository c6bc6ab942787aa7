"""Starting replicas: on a cluster of this machine alone, or on one that is joined."""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ray
from ray import serve
from ray.serve.schema import ApplicationStatus, ReplicaState

from trajflow.base import Model
from trajflow.engine.replicas.messages import EngineError
from trajflow.engine.replicas.path_cache import WARM_BYTES
from trajflow.engine.replicas.serve import APP, DEPLOYMENT, RayServe, application, replicas_by_state
from trajflow.engine.replicas.sharing import Sharing
from trajflow.errors import RequestError
from trajflow.models.registry import load

# For what is on its way between processes; paths that are kept lie elsewhere.
OBJECT_STORE_BYTES = 256 * 2**20
GIB = 2**30
# Seconds that machines and replicas may take to come to a cluster that is joined.
JOIN = 300.0
# Seconds in which a cluster that is there answers, in which replicas end by themselves, and that Serve waits for them.
ANSWER = 5.0
ENDING = 5.0
LONGEST_ENDING = 45.0


def start(
    model: str | Callable[[], Model],
    replicas: int,
    *,
    sharing: Sharing | None = None,
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    warm_bytes: int = WARM_BYTES,
) -> RayServe:
    """The engine with so many replicas of a model, given by name or as what loads it.

    Without an address there is a cluster of this process, which ends with it. On one that is joined, replicas that run
    there already are used as they are, and stay when this process ends; with none asked for (`replicas` 0) others put
    them up. Machines and replicas that are on their way are waited for. Raises EngineError where there is no such
    cluster or the replicas do not start, RequestError for a folder as the store of several machines, or no replica, and
    CacheError for a folder that cannot be used.
    """
    if not replicas and address is None:
        raise RequestError("Without replicas there must be a cluster that has some: give --replicas, or --address.")
    if sharing is not None and address is None:
        # Said at once, and not by every replica when it starts.
        sharing.check(1)
    _join(address, replicas, cpus, gpus)
    try:
        if sharing is not None and address is not None:
            sharing.check(sum(bool(node["Alive"]) for node in ray.nodes()))
        serve.start(proxy_location="Disabled")
        if not replicas and not _wait(_running):
            raise EngineError(f"No replicas have come to the cluster at {address} for {JOIN:g} s. Give --replicas.")
        if address is not None and _running():
            engine = RayServe(serve.get_app_handle(APP), _coming(), close=ray.shutdown)
            if replicas and isinstance(model, str) and engine.model.name != model:
                raise EngineError(
                    f"The cluster at {address} serves {engine.model.name} already. Take that down with "
                    "`serve shutdown`, or give --replicas 0 to use it."
                )
            return engine
        app = application(
            partial(load, model) if isinstance(model, str) else model,
            replicas,
            open_store=None if sharing is None else sharing.open,
            warm_bytes=warm_bytes,
            cpus=cpus,
            gpus=gpus,
        )
        handle = serve.run(app, name=APP, route_prefix=None)
        return RayServe(handle, replicas, close=ray.shutdown if address is not None else _shut_down)
    except BaseException as error:
        reason = said_last(_told() or str(error)) if isinstance(error, RuntimeError) else ""
        _shut_down() if address is None else ray.shutdown()
        if reason:
            raise EngineError(f"The replicas do not start: {reason}") from error
        raise


def build(asked: Mapping[str, Any]) -> serve.Application:
    """The application of a Serve configuration file, whose `args` are `model`, `replicas`, `store`, `store_gib`,
    `warm_gib`, `cpus` and `gpus`, as the flags of `trajflow serve`."""
    url = asked.get("store")
    sharing = None if url is None else Sharing(str(url), round(float(asked.get("store_gib", 16)) * GIB))
    return application(
        partial(load, str(asked.get("model", "tiny"))),
        int(asked.get("replicas", 2)),
        open_store=None if sharing is None else sharing.open,
        warm_bytes=round(float(asked.get("warm_gib", 1)) * GIB),
        cpus=float(asked.get("cpus", 1)),
        gpus=float(asked.get("gpus", 0)),
    )


def _join(address: str | None, replicas: int, cpus: float, gpus: float) -> None:
    """Connect to a cluster, or start one of this machine. Raises EngineError."""
    quietly: dict[str, Any] = {"logging_level": "WARNING", "log_to_driver": False, "namespace": APP}
    if address is None:
        needed = math.ceil(replicas * cpus)
        here = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        try:
            ray.init(num_cpus=max(needed, os.cpu_count() or 1), **here, **quietly)
        # Ray raises no class of its own where its processes take longer than it waits, as on a machine that is busy.
        except Exception as error:
            ray.shutdown()
            raise EngineError(f"Ray does not start on this machine: {_first_line(error)}") from error
    else:
        try:
            _knock(address)
            ray.init(address=address, **quietly)
        # Ray raises either, by what it is that does not answer.
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"There is no cluster to join at {address}: {_first_line(error)}") from error
    for name, each in (("CPU", cpus), ("GPU", gpus)):
        patience = 0.0 if address is None else JOIN
        if not _wait(partial(_have, name, replicas * each), patience):
            there = ray.cluster_resources().get(name, 0.0)
            ray.shutdown()
            raise EngineError(
                f"{replicas} replicas of {each:g} {name}s do not fit into a cluster with {there:g}. "
                f"Give fewer --replicas, or less to each by --{name.lower()}s."
            )


def _knock(address: str) -> None:
    """Raises OSError where nothing listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()


def _first_line(error: Exception) -> str:
    """What an error says first."""
    return str(error).splitlines()[0].strip() if str(error) else type(error).__name__


def _have(name: str, needed: float) -> bool:
    """Whether the cluster has so much of a resource."""
    return needed <= ray.cluster_resources().get(name, 0.0)


def _told() -> str:
    """What Serve tells of replicas that failed: the traceback of the last one."""
    with contextlib.suppress(Exception):
        return serve.status().applications[APP].deployments[DEPLOYMENT].message
    return ""


def said_last(traceback: str) -> str:
    """The sentence that a traceback ends with, without the name of the class where it is one of ours."""
    *_, last = [line.strip() for line in traceback.splitlines() if line.strip()] or ["for no reason that is told"]
    return last.partition(": ")[2] if last.startswith("trajflow.") else last


def _wait(is_so: Callable[[], object], seconds: float = JOIN) -> bool:
    """Wait until something is so; whether it is."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True


def _running() -> int:
    """The replicas of our application that run on the cluster; 0 where it is not there."""
    app = serve.status().applications.get(APP)
    if app is None or app.status not in (ApplicationStatus.RUNNING, ApplicationStatus.DEPLOYING):
        return 0
    return replicas_by_state().get(ReplicaState.RUNNING.value, 0)


def _coming() -> int:
    """The replicas that run on the cluster, or are on their way."""
    return sum(count for state, count in replicas_by_state().items() if state != ReplicaState.STOPPING.value)


def _shut_down() -> None:
    """End the replicas and the cluster of this process."""
    if not ray.is_initialized():
        return
    address = ray.get_runtime_context().gcs_address

    def end_replicas() -> None:
        # Ray ends a call that is under way when it shuts down by SystemExit.
        with contextlib.suppress(Exception, SystemExit):
            serve.shutdown()

    # Where the signal to end has ended Serve's own processes, too, it waits for them for half a minute. But while they
    # live it must not be cut short: a call that meets a Ray that was shut down ends this process at once.
    ending, began = threading.Thread(target=end_replicas, daemon=True), time.monotonic()
    ending.start()
    ending.join(ENDING)
    while ending.is_alive() and time.monotonic() - began < LONGEST_ENDING and _answers(address):
        ending.join(0.5)
    ray.shutdown()


def _answers(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    try:
        _knock(address)
    except OSError:
        return False
    return True
