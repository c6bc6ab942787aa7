"""The app: one page over the library. `import trajflow` does not load it, and this module loads Gradio at use."""

import os
from typing import TYPE_CHECKING

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.extras import require
from trajflow.session import Session

if TYPE_CHECKING:
    import gradio as gr

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

CACHE_BYTES = 256 * 2**20
WAITING = 32

__all__ = ["build", "launch"]


def build(model: Model, *, cache_bytes: int = CACHE_BYTES) -> "gr.Blocks":
    """The page for `model`; each tab gets a session of at most `cache_bytes` bytes.

    Raises MissingExtra without Gradio.
    """
    require("ui", "The app")
    from trajflow.ui.page import make_page
    from trajflow.ui.registry import Registry

    page = make_page(model, Registry(lambda: Session(model, cache_bytes=cache_bytes)))
    return page.queue(max_size=WAITING)


def launch(
    model: Model,
    host: str | None = None,
    port: int | None = None,
    *,
    cache_bytes: int = CACHE_BYTES,
    open_browser: bool = False,
) -> None:
    """Serve the page until interrupted. Without a host or a port Gradio's own environment variables decide."""
    page = build(model, cache_bytes=cache_bytes)
    from trajflow.ui.theme import theme

    page.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        theme=theme(),
        css_paths=asset("app.css"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        share=False,
    )
