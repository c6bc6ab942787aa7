"""`trajflow ui`: the app in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from trajflow.cli.shared import ModelName, bytes_of, load_model

Auth = Annotated[
    str | None,
    typer.Option(
        metavar="USER:PASSWORD",
        envvar="TRAJFLOW_AUTH",
        show_envvar=True,
        help="Ask everybody for this name and password.",
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on. Default: this machine only.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port. Default: the first free one from 7860.")]
MaxSessions = Annotated[int, typer.Option(min=1, help="Sessions held at once; the next visitor waits.")]
MaxQueue = Annotated[int, typer.Option(min=1, help="Requests that wait at once; the next is refused.")]
State = Annotated[
    Path | None, typer.Option(envvar="TRAJFLOW_STATE", help="Keep sessions in this folder, over restarts too.")
]
StateGib = Annotated[float, typer.Option(min=0.01, help="What that folder may hold, in GiB.")]
StateDays = Annotated[float, typer.Option(min=0.01, help="Days that a session is kept after its last use.")]


def ui(
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
    """Serve the app in the browser."""
    from trajflow.ui import launch

    launch(
        load_model(model),
        host,
        port,
        auth=auth,
        most_sessions=max_sessions,
        most_waiting=max_queue,
        state=state,
        state_bytes=bytes_of(state_gib),
        state_days=state_days,
    )
