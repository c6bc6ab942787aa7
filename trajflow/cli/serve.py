"""`trajflow serve`: the app for many people, whose pictures are made at replicas on one machine or on several."""

from enum import StrEnum
from typing import Annotated

import typer

from trajflow.cli.shared import ModelName, bytes_of, load_model
from trajflow.cli.ui import Auth, Host, MaxQueue, MaxSessions, Port, State, StateDays, StateGib
from trajflow.errors import RequestError
from trajflow.extras import require

OF_REPLICAS = ("replicas", "store", "store_gib", "warm_gib", "address", "cpus", "gpus")


class EngineName(StrEnum):
    """Where pictures are made."""

    PROCESS = "process"
    RAY = "ray"


def serve(
    context: typer.Context,
    engine: Annotated[EngineName, typer.Option(help="Where pictures are made: in this process, or at replicas.")] = (
        EngineName.PROCESS
    ),
    replicas: Annotated[
        int, typer.Option(min=0, help="Copies of the model, each in a process of its own; 0: those of the cluster.")
    ] = 2,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="What replicas share: file:///FOLDER, redis://HOST:PORT or valkey://HOST:PORT."
        ),
    ] = None,
    store_gib: Annotated[float, typer.Option(min=0.01, help="The most the store may hold, in GiB.")] = 16.0,
    warm_gib: Annotated[float, typer.Option(min=0.01, help="What each replica may have at hand, in GiB.")] = 1.0,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A cluster to join; auto: the one this machine belongs to.")
    ] = None,
    cpus: Annotated[float, typer.Option(min=0.0, help="CPUs of the cluster for each replica.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0.0, help="GPUs of the cluster for each replica.")] = 0.0,
    host: Host = None,
    port: Port = None,
    model: ModelName = "tiny",
    auth: Auth = None,
    max_sessions: MaxSessions = 256,
    max_queue: MaxQueue = 32,
    state: State = None,
    state_gib: StateGib = 8.0,
    state_days: StateDays = 30.0,
) -> None:
    """Serve the app, with its pictures made where `--engine` says."""
    require("ui", "The app")
    if engine is EngineName.RAY:
        require("ray", "Serving with --engine ray")
    else:
        sources = {name: context.get_parameter_source(name) for name in OF_REPLICAS}
        given = [name for name, source in sources.items() if source is not None and source.name != "DEFAULT"]
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise RequestError(f"{flags}: that is for replicas. Give --engine ray with it.")
    from trajflow.base import Model
    from trajflow.engine import Engine
    from trajflow.ui import launch

    made: Engine | Model
    if engine is EngineName.PROCESS:
        made = load_model(model)
    else:
        from trajflow.engine.replicas.cluster import Sharing, start

        sharing = None if store is None else Sharing(store, bytes_of(store_gib))
        warm = bytes_of(warm_gib)
        made = start(model, replicas, sharing=sharing, address=address, cpus=cpus, gpus=gpus, warm_bytes=warm)
    launch(
        made,
        host,
        port,
        auth=auth,
        most_sessions=max_sessions,
        most_waiting=max_queue,
        state=state,
        state_bytes=bytes_of(state_gib),
        state_days=state_days,
    )
