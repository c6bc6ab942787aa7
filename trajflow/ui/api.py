"""The app for programs: `/generate`, by gradio_client or HTTP. Each client has a session of its own, as each tab has.

client = gradio_client.Client(address)
picture, report = client.predict("a mountain at dusk", 7, "auto", 5, False, api_name="/generate")
"""

from typing import Any

import gradio as gr
from PIL.Image import Image

from trajflow.base import Model, Result
from trajflow.errors import TrajflowError
from trajflow.strategies import STRATEGIES
from trajflow.ui.registry import Registry


def add(flow: Model, registry: Registry, key: gr.State) -> None:
    """Add the endpoint to the page that is open; `key` holds each client's key to its session."""

    def generate(
        own: str | None, prompt: Any, seed: Any, strategy: Any, budget: Any, compare: Any, request: gr.Request
    ) -> tuple[str, Image, dict[str, Any]]:
        own, seat = registry.open(own, request.session_hash)
        seat.is_busy = True
        try:
            events = seat.session.stream(prompt, seed=seed, strategy=strategy, budget=budget, compare=compare)
            *_, result = registry.line.each(events)
        except TrajflowError as error:
            raise gr.Error(str(error), print_exception=False) from error
        finally:
            seat.is_busy = False
        assert isinstance(result, Result)
        return own, result.image, report(result, flow)

    with gr.Row(visible=False):
        asked = [
            gr.Textbox(label="prompt"),
            gr.Number(0, precision=0, label="seed"),
            gr.Dropdown(list(STRATEGIES), value="auto", label="strategy"),
            gr.Number(None, precision=0, label="budget"),
            gr.Checkbox(False, label="compare"),
        ]
        answered = [gr.Image(format="png", type="pil", label="picture"), gr.JSON(label="report")]
        button = gr.Button("API")
    button.click(
        generate,
        [key, *asked],
        [key, *answered],
        concurrency_limit=1,
        concurrency_id="model",
        api_name="generate",
        api_description="Make a picture; seed and prompt as in the app, budget a ceiling on network evaluations.",
    )


def report(result: Result, flow: Model) -> dict[str, Any]:
    """What a picture took and how near it came, as plain JSON; seconds by phase, PSNR in dB where it was compared."""
    return {
        "nfe": result.cost.nfe,
        "rows": result.cost.rows,
        "steps": result.request.steps or flow.defaults.steps,
        "seconds": dict(result.seconds),
        "from_store": result.from_store,
        "reason": result.plan.reason,
        "psnr_db": None if result.metrics is None else result.metrics.psnr_db,
    }
