"""The components of the page that events read or change."""

from dataclasses import dataclass

import gradio as gr


@dataclass(frozen=True)
class Parts:
    """Handlers name components by these fields; `page.py` makes them."""

    key: gr.State
    ticket: gr.Textbox
    story: gr.HTML
    prompt: gr.Textbox
    generate: gr.Button
    stop: gr.Button
    ask: gr.Radio
    fidelity: gr.Slider
    budget: gr.Slider
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
    compare: gr.Checkbox
    complete: gr.Checkbox
    learned: gr.HTML
    export: gr.Button
    unlearn: gr.Button
    status: gr.HTML
    background: gr.HTML
    pictures: gr.HTML
    strip: gr.HTML
    slider: gr.ImageSlider
    unslid: gr.HTML
    angle: gr.LinePlot
    no_angle: gr.HTML
    charts: gr.Column
    tally: gr.HTML
    latency: gr.Plot
    nearness: gr.Plot
    evaluations: gr.Plot
    history: gr.HTML
    forget_all: gr.Button
    saver: gr.HTML
