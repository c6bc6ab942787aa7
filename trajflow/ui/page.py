"""The page: where everything stands, and which event calls which handler."""

import json
from html import escape

import gradio as gr

from trajflow.assets import asset
from trajflow.base import Model
from trajflow.sampler import RemoteModel
from trajflow.ui import api, choices, form, history, pictures, words
from trajflow.ui.handlers import Handlers
from trajflow.ui.parts import Parts
from trajflow.ui.registry import Registry
from trajflow.ui.strip import strip
from trajflow.ui.views import Views

# A picture's settings are inside the picture the page already has: saving it needs no server.
SAVE_SHOWN = """
element.addEventListener('click', (event) => {
  const link = event.target.closest('[data-save]');
  if (!link) return;
  link.href = link.closest('figure').querySelector('img').src;
  link.download = link.dataset.save;
});
"""
SAVE_SENT = "watch('value', () => { const link = element.querySelector('a'); if (link) link.click(); });"
TELL_STORY = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-index]');
  if (button) trigger('click', {index: Number(button.dataset.index)});
});
"""
RUN_ON_CTRL_ENTER = """
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || !event.target.closest('#tf-prompt')) return;
  event.preventDefault();
  event.stopPropagation();
  document.querySelector('#tf-generate').click();
}, true);
"""
# Tabs whose pictures are completed side by side, step by step in turn; each takes one of Gradio's 40 threads.
COMPLETING = 16
# What a handler may change is an output of its event, and Gradio makes each of them anew at every change: few, then.
STAGE = ("status", "pictures", "strip", "slider", "unslid", "angle", "no_angle")
SESSION = (
    "history", "charts", "tally", "latency", "nearness", "evaluations", "learned", "export", "unlearn",
)  # fmt: skip


def make_page(flow: Model, registry: Registry) -> gr.Blocks:
    """The whole page over one model; sessions come from `registry`."""
    examples = json.loads(asset("examples.json").read_text())
    with gr.Blocks(title="trajflow", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        parts = lay_out(flow, examples)
        _wire(page, parts, Handlers(flow, registry, Views(flow, parts), examples["story"]))
        api.add(flow, registry, parts.key)
    return page


def lay_out(flow: Model, examples: dict) -> Parts:
    """Make the components, in the order the page reads, inside the Blocks that is open."""
    defaults = flow.defaults
    # The ticket travels with each run: unlike a State it is what it was when the run was asked for.
    made: dict[str, gr.blocks.Block] = {"key": gr.State(None), "ticket": gr.Textbox("", visible="hidden")}
    _html(
        "<h1>trajflow</h1><p>Tweak a prompt, pay a fraction: pictures made from the paths of earlier ones, measured "
        f"against the full run.</p><span>model: {escape(flow.name)}</span>",
        "tf-head",
        RUN_ON_CTRL_ENTER,
    )
    with gr.Row(elem_id="tf-ask"):
        made["prompt"] = gr.Textbox(
            placeholder="a mountain landscape at sunset", lines=1, max_lines=4, label="Prompt", show_label=False,
            container=False, scale=6, min_width=200, autofocus=True, elem_id="tf-prompt",
        )  # fmt: skip
        made["generate"] = gr.Button("Generate", variant="primary", scale=1, min_width=120, elem_id="tf-generate")
        made["stop"] = gr.Button("Stop", variant="stop", scale=1, min_width=120, visible=False, elem_id="tf-stop")
    made |= _ask()
    made["outlook"] = _html("", "tf-outlook")
    made["story"] = _html(_story(examples["story"]), "tf-story", TELL_STORY)
    with gr.Accordion("Settings", open=False, elem_id="tf-settings"):
        made |= _settings(flow, examples["seed"])
    made["status"] = _html(words.line("idle", "Ready."), "tf-status")
    made["background"] = _html("", "tf-background")
    with gr.Row(elem_id="tf-stage"):
        with gr.Column(scale=3, min_width=320, elem_id="tf-main"):
            made["pictures"] = _html(pictures.invitation((defaults.width, defaults.height)), "tf-pictures", SAVE_SHOWN)
            made["strip"] = _html(strip(()), "tf-strip")
        with gr.Column(scale=2, min_width=300, elem_id="tf-side"):
            _html('<p class="tf-title">Slide between from scratch and your picture</p>')
            made["unslid"] = _html(pictures.unslid(), "tf-unslid")
            made["slider"] = gr.ImageSlider(
                visible=False,
                label="From scratch and your picture, to slide between", show_label=False, format="png", type="pil",
                interactive=False, elem_id="tf-slider", max_height=300, buttons=[],
            )  # fmt: skip
            _html('<p class="tf-title">Velocity angle to the cached path, per step</p>')
            made["no_angle"] = _html(f'<p class="tf-note">{words.NO_ANGLE_YET}</p>', "tf-no-angle")
            made["angle"] = gr.LinePlot(
                None, visible=False, x="step", y="degrees", height=170, label="Velocity angle per step",
                show_label=False, x_lim=[0, max(defaults.steps - 1, 1)], y_lim=[0, None], elem_id="tf-angle",
                buttons=[],
            )  # fmt: skip
    with gr.Column(visible=False, elem_id="tf-charts") as charts:
        _html("<h2>This session</h2>")
        made["tally"] = _html("", "tf-tally")
        with gr.Row():
            made["latency"] = gr.Plot(label="Latency in seconds", min_width=280)
            made["nearness"] = gr.Plot(label="PSNR to from-scratch in dB", min_width=280)
            made["evaluations"] = gr.Plot(label="Network evaluations", min_width=280)
    made["charts"] = charts
    with gr.Row(elem_id="tf-history-head"):
        _html("<h2>History</h2>")
        made["forget_all"] = gr.Button("Forget all", size="sm", scale=0, min_width=110, elem_id="tf-forget-all")
    empty = '<div class="tf-history"><p class="tf-none">Pictures you make stay here until you close the tab.</p></div>'
    made["history"] = _html(empty, "tf-history", history.SCRIPT)
    made["saver"] = _html("", "tf-saver", SAVE_SENT)
    return Parts(**made)


def _html(value: str, name: str | None = None, script: str | None = None) -> gr.HTML:
    """HTML in the page's own style, with the script that turns clicks into events."""
    return gr.HTML(value, elem_id=name, js_on_load=script, apply_default_css=False)


def _ask() -> dict[str, gr.blocks.Block]:
    """What to ask for: one of several ways, each with the slider that belongs to it."""
    made: dict[str, gr.blocks.Block] = {}
    with gr.Row(elem_id="tf-aim"):
        made["ask"] = gr.Radio(
            list(form.ASKS), value=form.PLANNER, label="Ask for", show_label=False, container=False, scale=3,
            min_width=280, elem_id="tf-ask-for",
        )  # fmt: skip
        made["fidelity"] = gr.Slider(
            form.LEAST_DB, form.MOST_DB, form.USUAL_DB, step=1, label="At least, in dB", visible=False, scale=1,
            min_width=220, elem_id="tf-fidelity",
        )  # fmt: skip
        made["budget"] = gr.Slider(
            1, 100, form.USUAL_BUDGET, step=1, label="At most, in evaluations", visible=False, scale=1, min_width=220,
            elem_id="tf-budget",
        )  # fmt: skip
    return made


def _settings(flow: Model, seed: int) -> dict[str, gr.blocks.Block]:
    defaults = flow.defaults
    made: dict[str, gr.blocks.Block] = {}
    with gr.Row(equal_height=True):
        made["seed"] = gr.Number(seed, label="Seed", precision=0, min_width=120, elem_id="tf-seed")
        made["dice"] = gr.Button("⚄ New seed", min_width=120, scale=0, elem_id="tf-dice")
        made["keep_seed"] = gr.Checkbox(
            True, label="Keep the seed", info="Only runs with the same seed share their paths.", min_width=180,
            elem_id="tf-keep-seed",
        )  # fmt: skip
    made["strategy"] = gr.Dropdown(
        choices.strategies(), value="auto", label="Strategy", elem_id="tf-strategy", filterable=False,
        info="Auto suits most. The others are there to compare, kind by kind.",
    )  # fmt: skip
    with gr.Row(equal_height=True):
        # A GPU that is lent by the call costs its user quota: nothing is computed there that was not asked for.
        is_idle_free = not isinstance(flow, RemoteModel)
        made["complete"] = gr.Checkbox(
            is_idle_free, visible=is_idle_free, label="Complete pictures while I look", elem_id="tf-complete",
            info="In the background: measures the picture and makes the next edit better.", min_width=240,
        )  # fmt: skip
        made["compare"] = gr.Checkbox(
            False, label="Compare at once", info="Also runs every step, and waits for it.", min_width=240,
            elem_id="tf-compare",
        )  # fmt: skip
    with gr.Row():
        made["steps"] = gr.Slider(1, 100, defaults.steps, step=1, label="Steps", min_width=200, elem_id="tf-steps")
        made["guidance"] = gr.Slider(
            0, 15, defaults.guidance, step=0.1, label="Guidance", min_width=200, elem_id="tf-guidance"
        )
    with gr.Row():
        made["width"] = gr.Number(
            defaults.width, label="Width", precision=0, step=defaults.size_multiple, min_width=100, elem_id="tf-width"
        )
        made["height"] = gr.Number(
            defaults.height,
            label="Height",
            precision=0,
            step=defaults.size_multiple,
            min_width=100,
            elem_id="tf-height",
        )
        made["negative_prompt"] = gr.Textbox(
            "", label="Negative prompt", lines=1, max_lines=3, scale=3, min_width=200, elem_id="tf-negative"
        )
    with gr.Row(elem_id="tf-learning"):
        made["learned"] = _html("", "tf-learned")
        made["export"] = gr.Button("Download as JSON", size="sm", scale=0, min_width=140, elem_id="tf-export")
        made["unlearn"] = gr.Button("Start afresh", size="sm", scale=0, min_width=110, elem_id="tf-unlearn")
    return made


def _story(steps: list[dict[str, str]]) -> str:
    cards = "".join(
        f'<li><button data-index="{index}" title="{escape(step["note"])}"><b>{escape(step["title"])}</b>'
        f"<span>{escape(step['prompt'])}</span></button></li>"
        for index, step in enumerate(steps)
    )
    return f"<ol>{cards}</ol>"


def _wire(page: gr.Blocks, parts: Parts, on: Handlers) -> None:
    fields = [getattr(parts, name) for name in form.FIELDS]
    stage = [getattr(parts, name) for name in STAGE]
    session = [getattr(parts, name) for name in SESSION]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(
        on.arrive,
        parts.key,
        [parts.key, parts.history, parts.learned, parts.export, parts.unlearn],
        queue=False,
        **quiet,
    )
    page.unload(on.leave)
    # Typing takes no place in the queue.
    look = {"inputs": [parts.key, parts.keep_seed, *fields], "outputs": parts.outlook, "queue": False, **quiet}
    told = parts.story.click(on.chapter, parts.key, parts.prompt, queue=False, **quiet)
    completing = {
        "fn": on.complete, "inputs": [parts.key, parts.complete],
        "outputs": [parts.background, *stage, *session],
        "concurrency_limit": COMPLETING, "concurrency_id": "completion", **quiet,
    }  # fmt: skip
    switched = parts.complete.change(
        on.want, [parts.key, parts.complete], parts.background, queue=False, trigger_mode="always_last", **quiet
    )
    completions = [switched.then(**completing)]
    for start in (parts.prompt.submit, parts.generate.click, told.success):
        started = start(
            on.begin,
            [parts.key, parts.seed, parts.keep_seed],
            [parts.key, parts.ticket, parts.seed, parts.status, parts.background, parts.generate, parts.stop],
            queue=False,
            **quiet,
        )
        ran = started.success(
            on.run, [parts.key, parts.ticket, *fields], [*stage, *session], concurrency_limit=1,
            concurrency_id="model", trigger_mode="multiple", **quiet,
        )  # fmt: skip
        ran.failure(on.refused, parts.key, [parts.status, parts.generate, parts.stop], queue=False, **quiet)
        rested = ran.then(on.rest, parts.key, [parts.generate, parts.stop], queue=False, **quiet).then(
            on.foresee, **look
        )
        completions.append(rested.then(**completing))
    for completed in completions:
        completed.then(on.foresee, **look)
    gr.on([parts.prompt.submit, parts.generate.click, parts.story.click], fn=None, cancels=completions)
    parts.ask.change(on.ask, parts.ask, [parts.fidelity, parts.budget], queue=False, **quiet)
    parts.export.click(on.export, parts.key, parts.saver, queue=False, **quiet)
    parts.unlearn.click(on.unlearn, parts.key, [parts.learned, parts.export, parts.unlearn], queue=False, **quiet).then(
        on.foresee, **look
    )
    parts.stop.click(on.stop, parts.key, [parts.status, parts.generate, parts.stop], queue=False, **quiet)
    parts.dice.click(on.dice, None, parts.seed, queue=False, **quiet)
    restored = [part for part in fields if part is not parts.compare]
    parts.history.click(
        on.card,
        parts.key,
        [parts.saver, parts.history, parts.keep_seed, *restored, *stage],
        queue=False,
        **quiet,
    )
    parts.forget_all.click(on.forget_all, parts.key, [parts.background, *stage, *session], queue=False, **quiet).then(
        on.foresee, **look
    )
    gr.on([part.change for part in (*fields, parts.keep_seed)], on.foresee, trigger_mode="always_last", **look)
