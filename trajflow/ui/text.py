"""What the page says in words: numbers with their units, and the sentences of the status line."""

from html import escape

from trajflow.base import Cost, Forecast, Result, Spent, Step
from trajflow.cache import Entry
from trajflow.calibration import Learned
from trajflow.plots import foreseen

APPROXIMATE = "That path is approximate: not every step of it was computed."
NO_ANGLE_YET = "Where a run follows a cached path, the angle between the two is drawn here."


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
        return "identical to from-scratch" if result.request.refine and is_full(result) else None
    return (
        "identical to from-scratch" if result.metrics.identical else f"{result.metrics.psnr_db:.1f} dB to from-scratch"
    )


def is_full(result: Result) -> bool:
    """Whether every step was computed, so that the picture is the from-scratch one."""
    own = result.request.steps or len(result.kinds)
    return result.is_final and len(result.kinds) == own and all(kind == "computed" for kind in result.kinds)


def forecast(expected: Forecast) -> str:
    """What to expect of a run before it is made."""
    return f"About {expected.median_db:.0f} dB, {_interval(expected)} expected"


def expectation(result: Result) -> str | None:
    """What was expected before the run, with the measurement where there is one; None where nothing was foreseen."""
    expected = foreseen(result)
    if expected is None:
        return None
    measured = "" if result.metrics is None else f", measured {result.metrics.psnr_db:.1f}"
    return f"expected {_interval(expected)} dB{measured}"


def _interval(expected: Forecast) -> str:
    return f"{expected.low_db:.0f} to {expected.high_db:.0f}"


def refined(result: Result) -> str | None:
    """What each picture of a refined run had cost, and how near it proved to be where that is known."""
    if not result.request.refine or len(result.refinements) < 2:
        return None
    costs = ", ".join(str(each.cost.nfe) for each in result.refinements)
    known = [each.metrics for each in result.refinements if each.metrics is not None]
    nearness = ", ".join("exact" if each.identical else f"{each.psnr_db:.1f}" for each in known)
    return f"pictures after {costs} evaluations" + (f": {nearness.replace(', exact', ' dB, exact')}" if known else "")


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


def progress(step: Step, expected: int | None, *, is_refined: bool = False) -> str:
    """The status line while a run is under way; `expected` is its ceiling of evaluations."""
    share = (step.k + 1) / step.steps
    if step.phase == "baseline":
        return line("busy", f"From scratch, for comparison: {step.nfe} of {step.steps} evaluations.", share=share)
    ceiling = "" if expected is None else f" of {expected}" if expected == step.steps else f" of at most {expected}"
    spent = f"{step.nfe}{ceiling} evaluations"
    if is_refined:
        keeps = "" if step.refinement == 0 else " Stop keeps the best picture so far."
        text = f"Refining, picture {step.refinement + 1}: {spent}, step {step.k + 1} of {step.steps}.{keeps}"
        return line("busy", text, share=step.nfe / expected if expected else share)
    hope = "" if step.forecast is None else f"; about {step.forecast.median_db:.0f} dB as far as seen"
    return line("busy", f"Generating: {spent}, step {step.k + 1} of {step.steps}{hope}.", share=share)


def finished(result: Result, steps: int) -> str:
    """The status line after a run: what was used and why, and what it cost."""
    if result.request.refine and not result.from_store:
        spent = f"{plural(result.cost.nfe, 'evaluation')} in {duration(seconds(result))}"
        exact = "identical to from scratch" if is_full(result) else "the best picture so far"
        return line("done", f"Refined with {spent}: {exact}.", detail=result.plan.reason)
    cost = f"{result.cost.nfe} of {plural(steps, 'evaluation')} in {duration(seconds(result))}"
    match = result.plan.match
    if match is not None and not result.from_store:
        cost += f", from “{_short(match.prompt)}” (similarity {match.similarity:.2f}, {match.tier})"
        # The planner takes approximate paths only where it has no exact one.
        if not match.is_true:
            return line("done", f"{cost}.", detail=f"{result.plan.reason} {APPROXIMATE}")
    return line("done", f"{cost}.", detail=result.plan.reason)


def estimate(nfe: int, steps: int, seconds: float | None, allowed: int | None) -> str:
    """What a run would take at most: of `steps` evaluations in all, where the user allowed so many."""
    if not nfe:
        return "No evaluation."
    share = f"{nfe} of {plural(steps, 'evaluation')}" if nfe < steps else plural(nfe, "evaluation")
    unspent = f" ({allowed} allowed)" if allowed is not None and nfe < allowed else ""
    return f"Up to {share}{unspent}" + (f", about {duration(seconds)}." if seconds else ".")


def no_angle(result: Result) -> str:
    """Why a result has no angle to show."""
    if result.from_store:
        return "Nothing was evaluated, so there is no angle to measure."
    if not result.plan.sources:
        return "Nothing cached was used, so there is no path to measure an angle to."
    return "No step was evaluated beside the cached path, so there is no angle to measure."


def source(entry: Entry) -> tuple[str, str]:
    """What a picture of the history is to the next one, in a word and in a sentence; nothing where that is exact."""
    if entry.is_true or entry.result.metrics is not None:
        return "", ""
    if entry.trajectory is None:
        return "picture only", "Made on a grid of its own: it is kept as a picture, the next one cannot start from it."
    return "approximate", "Not every step was computed, so its path is approximate until the picture is completed."


def completing(step: Step, *, is_shown: bool) -> str:
    """The discreet line while a picture is completed in the background."""
    which = "the exact picture" if is_shown else "an earlier picture exactly"
    text = f"Computing {which} in the background: {step.k + 1} of {step.steps}. Your next edit will start from it."
    return f'<p class="tf-background tf-working" role="status">{text}</p>'


def completed(spent: Cost) -> str:
    """The line once nothing is left to complete; `spent` is what that took."""
    cost = f" after {plural(spent.nfe, 'evaluation')} in the background" if spent.nfe else ""
    return (
        f'<p class="tf-background" role="status">The exact picture is there{cost}; your next edit starts from it.</p>'
    )


def tally(spent: Spent, runs: int, full: int) -> str:
    """What the session's runs have cost so far, beside the `full` evaluations that they would take from scratch."""
    background = f", {spent.background.nfe} more in the background" if spent.background.nfe else ""
    text = (
        f"{plural(spent.waited.nfe, 'evaluation')} waited for{background}; {plural(runs, 'run')} from scratch: {full}."
    )
    return f'<p class="tf-note">{text}</p>'


def learned(known: Learned, *, has_forecasts: bool) -> str:
    """What the session's own measurements have taught about its forecasts."""
    count = len(known.outcomes)
    if not has_forecasts:
        text = "No forecasts: this model has no profile yet (trajflow calibrate makes one)."
    elif not count:
        text = "Forecasts as calibrated; every measured picture of this session will adjust them."
    else:
        width = f"{abs(known.margin_db):.1f} dB {'wider' if known.margin_db > 0 else 'narrower'} on each side"
        text = f"Forecasts learned from {plural(count, 'comparison')} (shift {known.shift_db:+.1f} dB, {width})."
    return f'<p class="tf-note">{text}</p>'


def _short(prompt: str, limit: int = 80) -> str:
    return prompt if len(prompt) <= limit else prompt[: limit - 1] + "…"
