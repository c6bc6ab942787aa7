"""What the page says in words: numbers with their units, and the sentences of the status line."""

from html import escape

from trajflow.base import Result, Step


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def size(nbytes: int) -> str:
    """Bytes as a person reads them."""
    if nbytes < 2**20:
        return f"{nbytes / 2**10:.0f} KB"
    return f"{nbytes / 2**20:.1f} MB" if nbytes < 100 * 2**20 else f"{nbytes / 2**20:.0f} MB"


def plural(count: int, noun: str) -> str:
    """`1 evaluation`, `2 evaluations`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def fidelity(result: Result) -> str | None:
    """How near the picture is to the from-scratch one; None where that was not measured."""
    if result.metrics is None:
        return None
    return (
        "identical to from-scratch" if result.metrics.identical else f"{result.metrics.psnr_db:.1f} dB to from-scratch"
    )


def saving(nfe: int, full: int) -> str:
    """How many times fewer evaluations `nfe` is than `full`."""
    if nfe == 0:
        return "no evaluation at all"
    return f"{full / nfe:.1f}× fewer evaluations" if nfe < full else "every step evaluated"


def seconds(result: Result) -> float:
    """Wall time of the run the user waited for; previews and the comparison are not in it."""
    return sum(result.seconds.values())


def line(kind: str, text: str, *, detail: str = "", share: float | None = None) -> str:
    """HTML of the status line. `kind` is idle, busy, done, warn or error; `share` in [0, 1] draws a progress bar."""
    role = "alert" if kind == "error" else "status"
    bar = "" if share is None else f'<div class="tf-bar"><i style="width:{100 * share:.0f}%"></i></div>'
    more = f'<span class="tf-detail">{escape(detail)}</span>' if detail else ""
    return f'<div class="tf-status tf-{kind}" role="{role}"><p><span>{escape(text)}</span> {more}</p>{bar}</div>'


def progress(step: Step, expected: int | None) -> str:
    """The status line while a run is under way."""
    share = (step.k + 1) / step.steps
    if step.phase == "baseline":
        return line("busy", f"From scratch, for comparison: {step.nfe} of {step.steps} evaluations.", share=share)
    ceiling = "" if expected is None else f" of {expected}" if expected == step.steps else f" of at most {expected}"
    spent = f"{step.nfe}{ceiling} evaluations"
    return line("busy", f"Generating: {spent}, step {step.k + 1} of {step.steps}.", share=share)


def finished(result: Result, steps: int) -> str:
    """The status line after a run: what was used and why, and what it cost."""
    cost = f"{result.cost.nfe} of {plural(steps, 'evaluation')} in {duration(seconds(result))}"
    match = result.plan.match
    if match is not None and not result.from_store:
        cost += f", from “{_short(match.prompt)}” (similarity {match.similarity:.2f}, {match.tier})"
    return line("done", f"{cost}.", detail=result.plan.reason)


def _short(prompt: str, limit: int = 80) -> str:
    return prompt if len(prompt) <= limit else prompt[: limit - 1] + "…"
