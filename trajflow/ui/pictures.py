"""The two pictures, side by side at the same size, with their numbers under each."""

import re
from html import escape

from PIL.Image import Image

from trajflow.base import Result
from trajflow.ui import png, text

MAGNIFIED = 2.5
WIDEST = 512


def card(
    title: str,
    *,
    side: str,
    size: tuple[int, int],
    source: str | None = None,
    alt: str = "",
    badge: str = "",
    empty: str = "",
    lines: tuple[str, ...] = (),
    save_as: str = "",
) -> str:
    """HTML of one picture card. `size` is the picture's (width, height) in pixels, which decides the frame before there
    is a picture, so that nothing jumps; `source` is its data URI."""
    width, height = size
    frame = f"--ratio:{width}/{height};--width:{min(WIDEST, round(width * MAGNIFIED))}px"
    picture = f'<img src="{source}" alt="{escape(alt)}">' if source else f"<p>{escape(empty)}</p>"
    mark = f'<span class="tf-badge">{escape(badge)}</span>' if badge else ""
    numbers = "".join(f"<li>{escape(text)}</li>" for text in lines)
    save = f'<a class="tf-save" href="#" data-save="{escape(save_as)}">Download PNG</a>' if save_as and source else ""
    return (
        f'<figure class="tf-card tf-{side}" style="{frame}">'
        f'<figcaption class="tf-title">{escape(title)}{save}</figcaption>'
        f'<div class="tf-frame{"" if source else " tf-empty"}">{picture}{mark}</div>'
        f'<ul class="tf-numbers">{numbers}</ul></figure>'
    )


def pair(left: str, right: str) -> str:
    """HTML of the two cards."""
    return f'<div class="tf-pair">{left}{right}</div>'


def invitation(size: tuple[int, int]) -> str:
    """The cards before the first run."""
    return pair(
        card("Your picture", side="cached", size=size, empty="Describe a landscape, or start the story at 1."),
        card("From scratch", side="baseline", size=size, empty="The full run appears here, to compare."),
    )


def unslid(result: Result | None = None, *, is_exact: bool = False) -> str:
    """HTML in the place of the slider while there is nothing to slide to; an exact picture stands there itself."""
    if result is None or not is_exact:
        text = "Once both pictures are there, slide between them here."
        return f'<div class="tf-unslid tf-frame tf-empty"><p>{text}</p></div>'
    return (
        f'<div class="tf-unslid tf-frame" style="--ratio:{result.image.width}/{result.image.height}">'
        f'<img src="{png.data_uri(result.image)}" alt="{escape(result.request.prompt)}"></div>'
        '<p class="tf-note">Every step was computed: from scratch is this very picture.</p>'
    )


def unfinished(
    size: tuple[int, int], prompt: str, left: Image, right: Image | None, *, badge: str, compare: bool, spent: str
) -> str:
    """The cards while a run is under way, or after it was stopped."""
    return pair(
        card(
            "Your picture",
            side="cached",
            size=size,
            source=png.data_uri(left),
            alt=prompt,
            badge=badge,
            lines=(spent,),
        ),
        card(
            "From scratch",
            side="baseline",
            size=size,
            source=png.data_uri(right) if right else None,
            alt=f"{prompt}, from scratch",
            badge="comparing" if right else "",
            empty="Comes next." if compare else "Not compared during the run.",
        ),
    )


def finished(result: Result, steps: int, model: str, *, badge: str = "", is_exact: bool = False) -> str:
    """The cards of a finished run, or with a badge of one that is not over; an exact one is the from-scratch run."""
    prompt, size = result.request.prompt, result.image.size
    settings = png.settings_of(result, model)
    cost = f"{text.plural(result.cost.nfe, 'evaluation')} · {text.duration(text.seconds(result))}"
    verdict = " · ".join(filter(None, (text.fidelity(result), text.saving(result.cost.nfe, steps))))
    told = text.expectation(result) or text.refined(result)
    left = card(
        _title(result),
        side="cached",
        size=size,
        source=png.data_uri(result.image, settings),
        alt=prompt,
        badge=badge,
        lines=(cost, verdict, told) if told else (cost, verdict),
        save_as=file_name(result),
    )
    if result.baseline is None:
        return pair(
            left, card("From scratch", side="baseline", size=size, empty=_missing(is_exact, is_running=bool(badge)))
        )
    likeness = () if result.metrics is None else (f"SSIM {result.metrics.ssim:.3f}",)
    right = card(
        "From scratch",
        side="baseline",
        size=size,
        source=png.data_uri(
            result.baseline, {**settings, "strategy": "baseline", "planned": "baseline", "budget": None}
        ),
        alt=f"{prompt}, from scratch",
        lines=(_baseline_cost(result), *likeness),
        save_as=file_name(result, "-from-scratch"),
    )
    return pair(left, right)


def file_name(result: Result, mark: str = "") -> str:
    """A name to save the picture under: the prompt's first words and the seed."""
    slug = "-".join(re.findall(r"[a-z0-9]+", result.request.prompt.lower())[:8])[:60]
    return f"trajflow-{slug or 'picture'}-seed{result.request.seed}{mark}.png"


def _missing(is_exact: bool, *, is_running: bool) -> str:
    """Why there is no from-scratch picture beside a result."""
    if is_running:
        return "The last picture of the refinement will be this one."
    if is_exact:
        return "Every step was computed: your picture is the from-scratch one."
    return "Not computed yet: it comes in the background, unless Settings say otherwise."


def _baseline_cost(result: Result) -> str:
    spent = result.baseline_cost.nfe if result.baseline_cost else 0
    if not spent:
        return "known from another run"
    where = "" if result.request.compare else " in the background"
    taken = f" · {text.duration(sum(result.baseline_seconds.values()))}" if result.baseline_seconds else ""
    return f"{text.plural(spent, 'evaluation')}{where}{taken}"


def _title(result: Result) -> str:
    if result.from_store:
        return "Stored"
    if result.request.refine:
        return "Refined until exact" if result.is_final else "Refined so far"
    if result.plan.sources:
        return "From the cache"
    if text.is_full(result):
        return "Computed in full"
    return "With reused steps" if "reused" in result.kinds else "With fewer steps"
