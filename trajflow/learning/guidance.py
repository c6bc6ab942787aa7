"""What forecasts are off by at other guidance than the model's own, at which they were learned.

Guidance makes the field steeper, and every way of saving evaluations worse. So some of the forecasting pairs are made
at a few other values, from sources made at those and from sources made at the model's own, and the median error of
each kind of forecast is kept (`Profile.at_guidance`).
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from trajflow.base import Forecast, Model
from trajflow.cache import Entry
from trajflow.calibration import MOST_DB, GuidanceShift, Profile
from trajflow.learning.calibrate import Report, silent
from trajflow.learning.pairs import Pair
from trajflow.metrics import compare_images
from trajflow.session import Session

# Of the model's own guidance.
TIMES = (2 / 3, 4 / 3, 2.0)
BUDGETS = (5, 7)
PAIRS = 8


def measure_guidance(
    model: Model, forecasting: Sequence[Pair], profile: Profile, *, report: Report = silent
) -> tuple[GuidanceShift, ...]:
    """The shifts of a profile's forecasts by guidance, rising; none for a model that is not guided.

    Taken from at most `PAIRS` of the pairs, those with a history first, at those of `BUDGETS` that were calibrated.
    """
    own = model.defaults.guidance
    if own <= 1:
        return ()
    plain = replace(profile, guidance=0.0, shifts=())
    usable = sorted((pair for pair in forecasting if pair.is_of_prompts), key=lambda pair: not pair.history)
    chosen = usable[:: max(1, len(usable) // PAIRS)][:PAIRS]
    errors: dict[float, dict[str, list[float]]] = {times: {} for times in TIMES}
    with report("guidance", len(TIMES) * len(chosen)) as done:
        for pair in chosen:
            own_sources = _from_scratch(model, pair, own, profile.steps)
            for times in TIMES:
                _measure(model, pair, times * own, own_sources, plain, errors[times])
                done()
    shifts = [GuidanceShift(1.0), *(_shift(times, errors[times]) for times in TIMES)]
    return tuple(sorted(shifts, key=lambda shift: shift.times))


def _shift(times: float, errors: dict[str, list[float]]) -> GuidanceShift:
    """The medians of what was measured at so many times the model's guidance; 0 where nothing was."""
    off_db = {kind: median(each) for kind, each in errors.items()}
    before_db, during_db = off_db.get("before", 0.0), off_db.get("during", 0.0)
    found = (
        before_db,
        during_db,
        off_db.get("alone", 0.0),
        off_db.get("before, across", before_db) - before_db,
        off_db.get("during, across", during_db) - during_db,
    )
    return GuidanceShift(round(times, 4), *(round(each, 2) for each in found))


def _measure(
    model: Model,
    pair: Pair,
    guidance: float,
    own_sources: tuple[Entry, ...],
    profile: Profile,
    errors: dict[str, list[float]],
) -> None:
    """Add to `errors`, by kind of forecast, what was measured of the pair's target less what was forecast, in dB.

    own_sources: what the pair has cached, made at the model's own guidance.
    """
    asked: dict[str, Any] = {"seed": pair.seed, "steps": profile.steps, "guidance": guidance}
    exact = Session(model, profile=profile).generate(pair.target, strategy="baseline", **asked).image

    def note(kind: str, forecast: Forecast | None, psnr_db: float) -> None:
        if forecast is not None:
            errors.setdefault(kind, []).append(min(MOST_DB, psnr_db) - forecast.median_db)

    for where, sources in (("", _from_scratch(model, pair, guidance, profile.steps)), (", across", own_sources)):
        for budget in (each for each in BUDGETS if each in profile.placements(len(sources))):
            session = Session(model, profile=profile)
            for source in sources:
                session.adopt(source)
            carried = session.generate(pair.target, strategy="basis", budget=budget, **asked)
            psnr_db = compare_images(carried.image, exact).psnr_db
            note(f"before{where}", carried.plan.forecast, psnr_db)
            note(f"during{where}", carried.forecast, psnr_db)
    for budget in (each for each in BUDGETS if each in profile.without_sources):
        alone = Session(model, profile=profile).generate(pair.target, budget=budget, **asked)
        note("alone", alone.plan.forecast, compare_images(alone.image, exact).psnr_db)


def _from_scratch(model: Model, pair: Pair, guidance: float, steps: int) -> tuple[Entry, ...]:
    """The runs of what the pair has cached, the oldest first."""
    session = Session(model)
    for prompt in pair.cached:
        session.generate(prompt, seed=pair.seed, steps=steps, guidance=guidance, strategy="baseline")
    return tuple(reversed(session.entries()))
