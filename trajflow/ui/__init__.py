"""The app: one page over the library. `import trajflow` does not load it."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# Its records of past events, which it would go over in full after each one.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))

from typing import Any

import gradio as gr

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.session import Session
from trajflow.ui.page import make_page
from trajflow.ui.registry import Registry
from trajflow.ui.tabs import remembering
from trajflow.ui.theme import theme

CACHE_BYTES = 256 * 2**20
WAITING = 32

__all__ = ["build", "launch", "launch_options"]


def build(flow: Model, registry: Registry, *, waiting: int = WAITING) -> gr.Blocks:
    """The page for `flow`; each tab gets a session from `registry`, and so many may wait for the model."""
    return make_page(flow, registry).queue(max_size=waiting, api_open=False)


def launch(
    flow: Model,
    host: str | None = None,
    port: int | None = None,
    *,
    cache_bytes: int = CACHE_BYTES,
    open_browser: bool = False,
) -> None:
    """Serve the page until interrupted; each tab gets a session of at most `cache_bytes` bytes.

    Without a host or a port Gradio's own environment variables decide.
    """
    registry = Registry(lambda: Session(flow, cache_bytes=cache_bytes))
    build(flow, registry).launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        **launch_options(registry),
    )


def launch_options(registry: Registry) -> dict[str, Any]:
    """What Gradio is told wherever the page is served: how it looks, and that nothing leaves the machine."""
    return {
        "app_kwargs": {"lifespan": remembering(registry)},
        "theme": theme(),
        "css_paths": asset("app.css"),
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
    }
