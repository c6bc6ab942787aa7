"""The components of the page that events read or change."""

from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True)
class Parts:
    """Handlers name components by these fields; `page.py` makes them."""

    key: gr.State
    story: gr.HTML
    prompt: gr.Textbox
    generate: gr.Button
    stop: gr.Button
    outlook: gr.HTML
    seed: gr.Number
    keep_seed: gr.Checkbox
    dice: gr.Button
    steps: gr.Slider
    guidance: gr.Slider
    width: gr.Number
    height: gr.Number
    negative_prompt: gr.Textbox
    strategy: gr.Dropdown
    budget: gr.Slider
    compare: gr.Checkbox
    status: gr.HTML
    pictures: gr.HTML
    strip: gr.HTML
    slider: gr.ImageSlider
    angle: gr.LinePlot
    charts: gr.Column
    latency: gr.Plot
    fidelity: gr.Plot
    evaluations: gr.Plot
    history: gr.HTML
    forget_all: gr.Button
    saver: gr.HTML
