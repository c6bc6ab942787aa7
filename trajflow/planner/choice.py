"""With a source or without one: for a budget whichever calibration lets expect more of, for a fidelity whichever it
assures.

Both forecasts are quantiles measured on calibration prompts: of transport by the nearest prompt's similarity and the
number of sources, of runs without a source at that budget (`learning/`). A run that knows only one forecast keeps its
sources.
"""

from dataclasses import replace

from trajflow.base import Plan


def better_of(transported: Plan, alone: Plan | None) -> Plan:
    """The plan with the higher median forecast; `alone` says in its reason what it was preferred to."""
    if alone is None or alone.forecast is None or transported.forecast is None or transported.match is None:
        return transported
    with_sources, without = transported.forecast.median_db, alone.forecast.median_db
    if without <= with_sources:
        return transported
    reason = (
        f"{transported.match.called} is too far to gain from, "
        f"{with_sources:.0f} dB against {without:.0f} without it: "
        f"{alone.reason[0].lower()}{alone.reason[1:]}"
    )
    return replace(alone, reason=reason)


def assured_of(transported: Plan, alone: Plan | None) -> Plan:
    """The plan with sources, unless even its most evaluations are not assured to reach its fidelity and those of
    `alone`, a plan that is, can be had."""
    fidelity, forecast = transported.sampling.fidelity, transported.forecast
    if alone is None or fidelity is None or forecast is None or transported.match is None:
        return transported
    if forecast.assured_db >= fidelity:
        return transported
    reason = (
        f"{transported.match.called} is too far to assure {fidelity:g} dB, {forecast.assured_db:.0f} dB with "
        f"{transported.budget} evaluations: {alone.reason[0].lower()}{alone.reason[1:]}"
    )
    return replace(alone, reason=reason)
