"""The history: every picture still in the session, newest first, each to restore, save or forget."""

from collections.abc import Callable, Sequence
from html import escape

from trajflow.base import Result
from trajflow.cache import Entry
from trajflow.plots import foreseen
from trajflow.ui import png, text

SHOWN = 60

# One listener for all cards: the buttons say what they do and to which entry.
SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (button) trigger('click', {action: button.dataset.action, key: button.dataset.key});
});
"""


def gallery(
    entries: Sequence[Entry], nbytes: int, capacity: int, shown: str | None, steps_of: Callable[[Result], int]
) -> str:
    """HTML of the history and of the memory it takes, in bytes; `shown` is the key of the entry on the stage."""
    share = min(1.0, nbytes / capacity) if capacity else 0.0
    head = (
        f"<header><span>{text.plural(len(entries), 'picture')}</span>"
        f'<span class="tf-memory" title="Paths and pictures kept for this tab"><i style="width:{100 * share:.1f}%"></i>'
        f"<b>{text.size(nbytes)} of {text.size(capacity)} in use</b></span></header>"
    )
    if entries:
        body = "<ol>" + "".join(_card(entry, entry.key == shown, steps_of(entry.result)) for entry in entries[:SHOWN])
        body += "</ol>"
    else:
        body = '<p class="tf-none">Pictures you make stay here until you close the tab.</p>'
    older = len(entries) - SHOWN
    more = f'<p class="tf-none">and {text.plural(older, "older picture")}, still in use</p>' if older > 0 else ""
    return f'<div class="tf-history">{head}{body}{more}</div>'


def _card(entry: Entry, is_shown: bool, steps: int) -> str:
    result = entry.result
    prompt, key = escape(result.request.prompt), escape(entry.key)
    numbers = f"{result.cost.nfe} of {steps}"
    if result.metrics is not None:
        numbers += " · identical" if result.metrics.identical else f" · {result.metrics.psnr_db:.1f} dB"
    elif entry.is_true:
        numbers += " · full run"
    elif (expected := foreseen(result)) is not None:
        numbers += f" · about {expected.median_db:.0f} dB"
    return (
        f'<li class="{"tf-shown" if is_shown else ""}">'
        f'<button class="tf-restore" data-action="restore" data-key="{key}" title="Show this run and its settings">'
        f'<img src="{png.thumbnail(result.image)}" alt="{prompt}"><span>{prompt}</span></button>'
        f"<small>seed {result.request.seed} · {numbers}{_mark(entry)}</small>"
        f'<p><button data-action="save" data-key="{key}">Download</button>'
        f'<button data-action="forget" data-key="{key}">Forget</button></p></li>'
    )


def _mark(entry: Entry) -> str:
    mark, meaning = text.source(entry)
    return f' · <abbr title="{escape(meaning)}">{mark}</abbr>' if mark else ""
