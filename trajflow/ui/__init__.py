"""The app: the studio over the library, and the same for programs. `import trajflow` does not load it.

Gradio is the server: its queue, its API and its MCP endpoints, and what Spaces know. The page is our own, one document
and a few scripts, because a page that is redrawn from Python moves, waits for a round trip at each key, and keeps every
value it has shown.
"""

import os
import signal
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

from trajflow.extras import missing, require

# Asked as a condition, which imports may follow.
if missing("ui"):
    require("ui", "The app")

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Its own records of past events, all of which it goes over after each one.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from trajflow.base import Model
from trajflow.cache import FolderStore, WriteBehind
from trajflow.cache.folder_store import DEFAULT_BYTES, DEFAULT_DAYS
from trajflow.engine import Engine, InProcess
from trajflow.errors import RequestError
from trajflow.session import Session
from trajflow.ui import account, api
from trajflow.ui.door import Door
from trajflow.ui.limits import MOST_SESSIONS, MOST_WAITING
from trajflow.ui.lock import Credentials, Lock, read_credentials
from trajflow.ui.registry import Registry
from trajflow.ui.routes import routes
from trajflow.ui.upkeep import upkeep

CACHE_BYTES = 256 * 2**20
# Seconds between sweeps, and of life, of the files that programs are handed by address: who knows one can open it.
FILES_KEPT = (30, 120)
# Requests in Gradio's own queue for each that may wait at the desk, which refuses with a time to try again.
IN_GRADIO = 16
# Threads beside those that wait at the desk for programs.
SPARE_THREADS = 8

__all__ = ["Registry", "build", "launch", "launch_options"]


def build(model: Model, registry: Registry) -> gr.Blocks:
    """What Gradio serves of the app: its endpoints for programs."""
    with gr.Blocks(title="trajflow", analytics_enabled=False, delete_cache=FILES_KEPT) as blocks:
        api.add(model, registry)
    return blocks.queue(max_size=IN_GRADIO * registry.desk.most_waiting, api_open=False)


def launch(
    engine: Engine | Model,
    host: str | None = None,
    port: int | None = None,
    *,
    cache_bytes: int = CACHE_BYTES,
    auth: str | None = None,
    most_sessions: int = MOST_SESSIONS,
    most_waiting: int = MOST_WAITING,
    state: Path | None = None,
    state_bytes: int = DEFAULT_BYTES,
    state_days: float = DEFAULT_DAYS,
    open_browser: bool = False,
) -> None:
    """Serve the app until interrupted; each tab gets a session of at most `cache_bytes` bytes.

    A model alone is computed with in this process. The engine is closed at the end.

    Without a host or a port Gradio's own environment variables decide. With `auth`, "user:password", nothing but the
    probes answers who does not know it. Beyond `most_sessions` sessions, or `most_waiting` requests that wait, the next
    is refused in a sentence. In the folder `state` sessions are kept and found again: at most `state_bytes` in all, and
    each for `state_days` after its last use. Raises RequestError for credentials that cannot be, CacheError for a
    folder that cannot be used, and MissingExtra where Gradio's variable asks for MCP tools without their package.
    """
    if os.environ.get("GRADIO_MCP_SERVER", "").lower() == "true":
        require("mcp", "Serving MCP tools")
    credentials = None if auth is None else read_credentials(auth)
    if threading.current_thread() is threading.main_thread():
        # Ends as Ctrl-C does: the server is closed, and takes the pictures it has served as files with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # A worker that ZeroGPU forks has nothing to close.
        os.register_at_fork(after_in_child=_end_at_once)
    if not isinstance(engine, Engine):
        engine = InProcess(engine)
    account.show()
    make_registry = partial(
        Registry,
        partial(_session, engine, cache_bytes),
        most_sessions=most_sessions,
        most_waiting=most_waiting,
        hands=engine.hands,
        notes=engine.notes,
    )
    serve = partial(_serve, engine.model, credentials=credentials, host=host, port=port, open_browser=open_browser)
    with closing(engine):
        if state is None:
            serve(make_registry())
            return
        folder = FolderStore(state, state_bytes, state_days * 86_400)
        with closing(WriteBehind(folder)) as store:
            serve(make_registry(store=store, tidy_store=folder.sweep, kept_days=state_days))


def _session(engine: Engine, cache_bytes: int, **kept: Any) -> Session:
    """A session of one more tab, which the engine may tell from others."""
    return Session(engine.open(), cache_bytes=cache_bytes, **kept)


def _serve(
    model: Model,
    registry: Registry,
    *,
    credentials: Credentials | None,
    host: str | None,
    port: int | None,
    open_browser: bool,
) -> None:
    """Serve until interrupted."""
    options = launch_options(model, registry, credentials)
    try:
        build(model, registry).launch(server_name=host, server_port=port, inbrowser=open_browser, **options)
    except OSError as error:
        where = f"port {port}" if port else "any port from 7860 on"
        raise RequestError(f"The app cannot listen at {host or 'this machine'}, {where}. Choose another.") from error


def _end_at_once() -> None:
    """End on SIGTERM as any process does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def launch_options(model: Model, registry: Registry, credentials: Credentials | None = None) -> dict[str, Any]:
    """What Gradio is told wherever the app is served: the studio's routes, and that nothing leaves the machine."""
    return {
        "app_kwargs": {
            "routes": routes(model, registry),
            "lifespan": upkeep(registry),
            "middleware": [Middleware(Door), *([Middleware(Lock, credentials)] if credentials else [])],
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
        },
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "max_file_size": 2**20,
        "max_threads": registry.desk.most_waiting + SPARE_THREADS,
    }
