"""`trajflow ui`: the app in the browser."""

from typing import Annotated

import typer

from trajflow.cli.shared import ModelName, load_model
from trajflow.extras import require


def ui(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: this machine only.")] = None,
    port: Annotated[int | None, typer.Option(help="Port. Default: the first free one from 7860.")] = None,
    model: ModelName = "tiny",
) -> None:
    """Serve the app in the browser."""
    require("ui", "The app")
    from trajflow.ui import launch

    launch(load_model(model), host, port)
