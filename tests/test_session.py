import gc
import json
import threading
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch

import trajflow
from trajflow.base import Request, Result, Step, Trajectory
from trajflow.cache import PRESETS, SentenceEncoder
from trajflow.calibration import MOST_DB, Learned, Outcome
from trajflow.errors import Cancelled, RequestError
from trajflow.field import recompute_path
from trajflow.metrics import compare_images
from trajflow.planner import FIDELITY

FIRST, SECOND, THIRD = "snowy mountain", "snowy mountain dusk", "red cabin"


def pixels(result: Result) -> np.ndarray:
    return np.asarray(result.image)


def same(a: Result, b: Result) -> bool:
    return np.array_equal(pixels(a), pixels(b))


# Without sources


def test_an_empty_session_runs_the_full_baseline(session) -> None:
    result = session.generate(FIRST)
    assert (result.cost.nfe, result.cost.rows) == (8, 8)
    assert result.kinds == ("computed",) * 8
    assert not result.from_store
    assert result.metrics is result.baseline is None
    assert set(result.seconds) == {"embed", "lookup", "plan", "sample", "decode"}
    assert same(result, session.generate(FIRST, strategy="baseline"))


def test_an_empty_session_with_a_budget_takes_fewer_steps(session) -> None:
    result = session.generate(FIRST, budget=3)
    assert (result.cost.nfe, len(result.kinds)) == (3, 3)


def test_two_prompts_that_the_model_reads_alike_leave_usable_sources(session) -> None:
    """As a tokenizer that ignores case or spacing reads them: both are true, and their velocities are equal."""
    session.generate("snowy mountain")
    session.generate("snowy  mountain", strategy="baseline")
    first, second = (entry.trajectory for entry in session.entries())
    assert torch.equal(first.velocities, second.velocities)
    *steps, result = session.stream(SECOND, strategy="basis", budget=2)
    assert len(result.plan.sources) == 2
    assert torch.isfinite(steps[-1].latents).all()


def test_guidance_doubles_the_rows(session) -> None:
    result = session.generate(FIRST, guidance=3.0)
    assert (result.cost.nfe, result.cost.rows) == (8, 16)


def test_fewer_steps_never_becomes_a_source(session) -> None:
    session.generate(FIRST, strategy="fewer-steps", budget=4)
    [entry] = session.entries()
    assert entry.trajectory is None
    result = session.generate(SECOND)
    assert result.plan.sources == ()
    assert result.cost.nfe == 8


# With sources


@pytest.mark.parametrize("strategy", ["auto", "basis", "difference", "resume", "blend"])
def test_the_second_prompt_starts_from_the_first(session, strategy: str) -> None:
    first = session.generate(FIRST)
    result = session.generate(SECOND, strategy=strategy, budget=3)
    assert result.plan.sources == (first.key,)
    assert result.plan.match.prompt == FIRST
    assert 0.5 < result.plan.match.similarity <= 1.0
    assert result.cost.nfe == 3
    assert result.kinds.count("computed") == 3
    assert set(result.angles) == {k for k, kind in enumerate(result.kinds) if kind == "computed"}
    assert all(0 <= angle <= 180 for angle in result.angles.values())


def test_without_a_budget_the_ladder_decides_within_the_plan(calibrated) -> None:
    calibrated.generate(FIRST)
    spent = []
    for number, fidelity in enumerate((10.0, 40.0, 60.0)):
        result = calibrated.generate(f"{SECOND} {number}", fidelity=fidelity)
        assert len(result.plan.sampling.escalation) == 3
        assert result.cost.nfe == result.kinds.count("computed") == len(result.diagnostics)
        assert 2 <= result.cost.nfe <= result.plan.budget == 5
        spent.append(result.cost.nfe)
    assert spent[0] == 2
    assert spent == sorted(spent)
    assert spent[-1] > 2


def test_without_a_profile_a_quarter_of_the_steps_is_spent_and_nothing_foretold(session) -> None:
    session.generate(FIRST)
    result = session.generate(SECOND)
    assert (result.cost.nfe, result.plan.sampling.escalation) == (2, ())
    assert result.forecast is result.plan.forecast is session.estimate(THIRD).forecast is None


def test_a_budget_of_all_steps_is_the_baseline_whatever_is_cached(session, make_mixture) -> None:
    session.generate(FIRST)
    result = session.generate(SECOND, budget=8)
    assert same(result, trajflow.Session(make_mixture()).generate(SECOND, strategy="baseline"))
    assert result.cost.nfe == 8


def test_the_nearest_prompt_comes_first_among_the_sources(session) -> None:
    keys = {prompt: session.generate(prompt, strategy="baseline").key for prompt in (THIRD, FIRST, "a bowl of fruit")}
    plan = session.generate(SECOND, strategy="basis", budget=2).plan
    assert plan.sources[0] == keys[FIRST]
    assert set(plan.sources) == set(keys.values())


def test_true_sources_are_preferred_to_coasted_ones(session) -> None:
    true = session.generate(THIRD)
    session.generate(SECOND, budget=2)
    plan = session.generate("snowy mountain at dusk", budget=2).plan
    assert plan.sources == (true.key,), "the coasted run is far more similar, and left out"


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"steps": 7}, {"height": 12}, {"width": 12}],
    ids=lambda change: "".join(change),
)
def test_a_run_of_other_settings_is_no_source(session, change: dict) -> None:
    session.generate(FIRST)
    assert session.generate(SECOND, **change).plan.sources == ()
    assert not session.generate(FIRST, **change).from_store


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"negative_prompt": "fog"}, "another negative prompt"),
        ({"guidance": 3.0}, "guidance 4"),
        ({"negative_prompt": "fog", "guidance": 3.0}, "another negative prompt and guidance 4"),
    ],
    ids=["negative prompt", "guidance", "both"],
)
def test_a_run_of_another_negative_prompt_or_guidance_is_a_source_and_not_the_picture(session, change, words) -> None:
    made = session.generate(FIRST, guidance=4.0)
    asked = {"guidance": 4.0, **change}
    assert session.estimate(SECOND, **asked).warning == ""
    result = session.generate(FIRST, **asked, budget=3, compare=True)
    assert (result.from_store, result.plan.sources, result.cost.nfe) == (False, (made.key,), 3)
    assert f"“{FIRST}” with {words}" in result.plan.reason
    assert result.metrics.psnr_db > 5 + compare_images(made.image, result.baseline).psnr_db, "nearer than the old one"
    prompt, negative = map(SentenceEncoder().encode, (FIRST, "fog"))
    guidance, denied = asked["guidance"], negative if "negative_prompt" in change else 0 * negative
    a, b = 4 * prompt, guidance * prompt - (guidance - 1) * denied
    expected = 1 - np.square(a - b).sum() / (2 * np.linalg.norm(a) * np.linalg.norm(b))
    assert result.plan.match.similarity == pytest.approx(expected, abs=1e-5)


def test_a_negative_prompt_that_guidance_does_not_weigh_sets_nothing_apart(session) -> None:
    session.generate(FIRST)
    assert session.generate(FIRST, negative_prompt="fog", budget=3).plan.match.similarity == pytest.approx(1)


# Forecasts


@pytest.fixture
def calibrated(mixture, make_profile) -> trajflow.Session:
    """A session that knows, by hand, what to expect of 2, 3 and 5 evaluations."""
    return trajflow.Session(mixture, profile=make_profile(8, {2: 22.0, 3: 26.0, 5: 32.0}, "the mixture"))


def test_a_fidelity_that_is_asked_for_is_the_plans(calibrated) -> None:
    calibrated.generate(FIRST)
    assert calibrated.generate(SECOND).plan.sampling.fidelity == FIDELITY
    assert calibrated.generate(SECOND, fidelity=30).plan.sampling.fidelity == 30.0
    assert calibrated.generate(SECOND, budget=3).plan.sampling.fidelity is None


def test_forecasts_are_given_before_during_and_after_a_run(calibrated) -> None:
    calibrated.generate(FIRST)
    assert (
        calibrated.estimate(SECOND, budget=3).forecast == calibrated.estimate(SECOND, budget=3, compare=True).forecast
    )
    *steps, result = calibrated.stream(SECOND, budget=3)
    assert calibrated.estimate(SECOND, budget=3).forecast is None, "it is stored"
    assert len(result.diagnostics) == 3
    assert [step.diagnosis for step in steps if step.diagnosis is not None] == list(result.diagnostics)
    assert [diagnosis.k for diagnosis in result.diagnostics] == list(result.plan.sampling.nodes)
    assert steps[-1].forecast == result.forecast
    for forecast in (result.plan.forecast, *(step.forecast for step in steps)):
        assert 0.0 <= forecast.low_db <= forecast.assured_db <= forecast.median_db <= forecast.high_db <= 100.0
    assert result.plan.forecast != result.forecast


def test_nothing_is_forecast_for_what_will_be_exact(calibrated) -> None:
    assert calibrated.generate(FIRST).forecast is None
    for asked in ({"refine": True}, {"budget": 8}, {"strategy": "baseline"}, {"strategy": "resume"}):
        assert calibrated.estimate(SECOND, **asked).forecast is None


def test_a_comparison_is_learned_from_and_moves_the_forecasts_to_come(calibrated) -> None:
    calibrated.generate(FIRST)
    before = calibrated.estimate(THIRD, budget=3).forecast
    result = calibrated.generate(SECOND, budget=3, compare=True)
    [outcome] = calibrated.learned.outcomes
    assert outcome.measured_db == result.metrics.psnr_db
    assert (outcome.low_db, outcome.median_db, outcome.high_db) == (
        result.forecast.low_db, result.forecast.median_db, result.forecast.high_db,
    )  # fmt: skip
    shift, margin = calibrated.learned.shift_db, calibrated.learned.margin_db
    assert shift == pytest.approx((result.metrics.psnr_db - result.forecast.median_db) / 9)
    calibrated.forget(result.key)
    after = calibrated.estimate(THIRD, budget=3).forecast
    assert after.median_db - before.median_db == pytest.approx(shift)
    assert after.low_db - before.low_db == pytest.approx(shift - margin)
    plan = calibrated.generate(THIRD, budget=3).plan
    assert (plan.sampling.adjustment.shift_db, plan.sampling.adjustment.margin_db) == (shift, margin)


def test_what_is_learned_later_is_against_the_profiles_own_forecast(calibrated) -> None:
    """Else a shift once learned would be taken for the profile's, and learned again."""
    calibrated.generate(FIRST)
    calibrated.generate(SECOND, budget=3, compare=True)
    result = calibrated.generate("snowy mountain at noon", budget=3, compare=True)
    shift, margin = result.plan.sampling.adjustment.shift_db, result.plan.sampling.adjustment.margin_db
    assert shift != 0
    outcome = calibrated.learned.outcomes[1]
    assert outcome.median_db == pytest.approx(result.forecast.median_db - shift)
    assert outcome.low_db == pytest.approx(result.forecast.low_db - shift + margin)
    assert outcome.high_db == pytest.approx(result.forecast.high_db - shift - margin)


def test_each_picture_is_learned_from_once(calibrated) -> None:
    calibrated.generate(FIRST)
    compared = calibrated.generate(SECOND, budget=3, compare=True)
    calibrated.generate(SECOND, budget=3, compare=True)
    for _ in calibrated.complete(compared.key):
        pass
    assert len(calibrated.learned.outcomes) == 1


def test_completing_a_run_is_a_comparison_too(calibrated) -> None:
    calibrated.generate(FIRST)
    for prompt, is_known in ((SECOND, False), ("snowy mountain at noon", True)):
        key = calibrated.generate(prompt, budget=3).key
        if is_known:
            calibrated.generate(prompt, strategy="baseline")
        *_, completed = calibrated.complete(key)
        assert calibrated.learned.outcomes[-1].measured_db == completed.metrics.psnr_db
    assert len(calibrated.learned.outcomes) == 2


def test_an_identical_picture_counts_as_in_the_calibration(calibrated) -> None:
    """Prompts that the model reads alike: the source is the answer itself, at 100 dB."""
    calibrated.generate("snowy mountain")
    result = calibrated.generate("snowy  mountain", budget=3, compare=True)
    assert result.metrics.identical
    [outcome] = calibrated.learned.outcomes
    assert outcome.measured_db == MOST_DB


def test_tiers_move_with_what_late_resumes_come_to_and_can_be_set_back(shared_mixture) -> None:
    session = trajflow.Session(shared_mixture, tiers="learned")
    assert session.tiers == PRESETS["published"]
    source = session.generate("snowy mountain")
    resumed = session.generate("dusk forest", strategy="resume", budget=1, compare=True)
    [outcome] = session.learned.resumes
    assert (outcome.similarity, outcome.fraction) == (resumed.plan.match.similarity, 1 - 1 / len(resumed.kinds))
    assert outcome.measured_db == resumed.metrics.psnr_db
    assert source.key in resumed.plan.sources
    assert session.learned.outcomes == (), "no forecast was made"
    exported = json.loads(session.export_learned())
    assert exported["resumes"] == [asdict(outcome)]
    assert exported["tiers"] == [asdict(tier) for tier in session.tiers]
    session.forget_learned()
    assert session.tiers == PRESETS["published"]


def test_what_was_learned_can_be_exported_and_forgotten(calibrated) -> None:
    assert json.loads(calibrated.export_learned()) == {
        "model": "the mixture", "shift_db": 0.0, "margin_db": 0.0, "outcomes": [], "resumes": [],
        "tiers": [asdict(tier) for tier in PRESETS["published"]],
    }  # fmt: skip
    calibrated.generate(FIRST)
    calibrated.generate(SECOND, budget=3, compare=True)
    learned, exported = calibrated.learned, json.loads(calibrated.export_learned())
    assert (exported["shift_db"], exported["margin_db"]) == (learned.shift_db, learned.margin_db)
    assert [Outcome(**each) for each in exported["outcomes"]] == list(learned.outcomes)
    calibrated.forget_learned()
    assert calibrated.learned == Learned()
    assert calibrated.estimate(THIRD, budget=3).forecast == calibrated.generate(THIRD, budget=3).plan.forecast


def test_the_from_scratch_run_of_a_comparison_is_asked_for_as_one_may_ask(calibrated) -> None:
    """A fidelity, which is not for `baseline`, does not go with it."""
    calibrated.generate(FIRST)
    compared = calibrated.generate(SECOND, fidelity=30.0, compare=True)
    plan = calibrated.generate(f"{SECOND} light", budget=2).plan
    assert plan.match.prompt == SECOND
    assert plan.match.key != compared.key
    *_, completed = calibrated.complete(plan.match.key)
    assert completed.request == Request(SECOND, strategy="baseline")


def test_clearing_the_pictures_keeps_what_was_learned(calibrated) -> None:
    calibrated.generate(FIRST)
    calibrated.generate(SECOND, budget=3, compare=True)
    calibrated.clear()
    assert len(calibrated.learned.outcomes) == 1


def test_two_sessions_learn_apart(calibrated) -> None:
    other = trajflow.Session(calibrated.model, profile=calibrated.profile)
    calibrated.generate(FIRST)
    calibrated.generate(SECOND, budget=3, compare=True)
    assert other.learned == Learned()


# Exact repeats


def test_a_run_for_another_fidelity_is_no_exact_repeat(calibrated) -> None:
    calibrated.generate(FIRST)
    first = calibrated.generate(SECOND, fidelity=20.0)
    for other in (None, 45.0):
        result = calibrated.generate(SECOND, fidelity=other)
        assert not result.from_store
        assert result.cost.nfe > 0
        assert calibrated.generate(SECOND, fidelity=other).from_store
    again = calibrated.generate(SECOND, fidelity=20.0)
    assert again.from_store, "though others came after it"
    assert same(again, first)


def test_an_exact_repeat_of_a_true_run_is_shown_at_once(session, mixture) -> None:
    first = session.generate(FIRST)
    calls = mixture.calls
    for asked in ({}, {"budget": 2}, {"strategy": "difference"}, {"strategy": "resume", "budget": 3}):
        events = list(session.stream(f"  {FIRST} ", **asked))
        [repeat] = events
        assert (repeat.from_store, repeat.cost.nfe, repeat.cost.rows) == (True, 0, 0)
        assert same(repeat, first)
        assert repeat.key == first.key
    assert mixture.calls == calls
    assert len(session.entries()) == 1


def test_a_coasted_picture_is_shown_again_only_for_the_same_strategy_and_budget(session) -> None:
    session.generate(FIRST)
    coasted = session.generate(SECOND, strategy="basis", budget=2)
    again = session.generate(SECOND, strategy="basis", budget=2)
    assert again.from_store
    assert again.cost.nfe == 0
    assert same(again, coasted)
    for other in ({"strategy": "basis", "budget": 3}, {"strategy": "auto", "budget": 2}, {"strategy": "resume"}):
        result = session.generate(SECOND, **other)
        assert not result.from_store
        assert result.cost.nfe > 0


def test_the_baseline_is_run_even_when_it_is_stored(session) -> None:
    session.generate(FIRST)
    result = session.generate(FIRST, strategy="baseline")
    assert not result.from_store
    assert result.cost.nfe == 8


def test_repeat_of_a_true_run_with_compare_is_its_own_baseline(session) -> None:
    first = session.generate(FIRST)
    repeat = session.generate(FIRST, compare=True)
    assert repeat.metrics.identical
    assert repeat.metrics.psnr_db == 100.0
    assert repeat.baseline_cost == first.cost
    assert np.array_equal(np.asarray(repeat.baseline), pixels(first))


def test_compare_is_answered_also_for_a_coasted_picture_from_the_store(session) -> None:
    session.generate(FIRST)
    session.generate(SECOND, budget=2)
    repeat = session.generate(SECOND, budget=2, compare=True)
    assert repeat.metrics is not None
    assert repeat.baseline is not None


# Compare


def test_compare_runs_the_baseline_apart_and_measures(session, make_mixture) -> None:
    session.generate(FIRST)
    *steps, result = session.stream(SECOND, strategy="difference", budget=2, compare=True)
    alone = trajflow.Session(make_mixture()).generate(SECOND, strategy="baseline")
    assert [step.phase for step in steps] == ["cached"] * 8 + ["baseline"] * 8
    assert (result.cost.nfe, result.baseline_cost.nfe) == (2, 8)
    assert np.array_equal(np.asarray(result.baseline), pixels(alone))
    error = (pixels(result).astype(float) - pixels(alone).astype(float)) ** 2
    assert result.metrics.psnr_db == pytest.approx(10 * np.log10(255**2 / error.mean()))
    assert not result.metrics.identical
    assert set(result.baseline_seconds) == {"embed", "sample", "decode"}


def test_compare_leaves_a_true_source_that_the_history_does_not_show(session) -> None:
    session.generate(FIRST)
    compared = session.generate(SECOND, budget=2, compare=True)
    assert session.entries()[0].key == compared.key
    assert [entry.prompt for entry in session.entries()] == [SECOND, FIRST]
    following = session.generate("snowy mountain at dusk", budget=2)
    assert following.plan.match.prompt == SECOND
    assert following.plan.match.is_true
    assert compared.key not in following.plan.sources
    exact = session.generate(SECOND, budget=4)
    assert exact.from_store, "the exact picture is there now"
    assert exact.key in {entry.key for entry in session.entries()}, "and listed, as it was asked for"
    session.forget(compared.key)
    assert exact.key in {entry.key for entry in session.entries()}


def test_a_source_is_handed_out_on_a_device_wherever_it_was_kept(session) -> None:
    made = session.generate(FIRST)
    source = session._cache.source(made.key, "", torch.device("meta"))
    assert {tensor.device.type for tensor in (source.noise, source.velocities, source.schedule.sigmas)} == {"meta"}


def test_compare_of_a_full_run_costs_nothing_more(session, mixture) -> None:
    result = session.generate(FIRST, compare=True)
    assert mixture.calls == 8
    assert result.metrics.identical
    assert result.baseline_cost == result.cost
    assert len(session.entries()) == 1


def test_compare_of_fewer_steps_is_against_all_steps(session) -> None:
    result = session.generate(FIRST, strategy="fewer-steps", budget=3, compare=True)
    assert (result.cost.nfe, result.baseline_cost.nfe) == (3, 8)
    assert not result.metrics.identical


def test_a_second_comparison_does_not_run_the_baseline_again(session, mixture) -> None:
    """The first one's from-scratch picture is forgotten only with its own request."""
    full = session.generate(FIRST)
    session.generate(SECOND, budget=2, compare=True)
    calls = mixture.calls
    repeat = session.generate(SECOND, budget=2, compare=True)
    assert mixture.calls == calls
    assert repeat.metrics is not None
    assert full.key in {entry.key for entry in session.entries()}


# Forgetting


def test_forget_drops_the_entry_and_its_companion(session) -> None:
    first = session.generate(FIRST)
    held = session.nbytes
    compared = session.generate(SECOND, budget=2, compare=True)
    assert session.nbytes > held
    session.forget(compared.key)
    assert session.nbytes == held
    assert [entry.key for entry in session.entries()] == [first.key]
    assert not session.generate(SECOND, budget=4).from_store
    session.forget("no such key")


def test_clear_drops_everything(session) -> None:
    session.generate(FIRST)
    session.generate(SECOND, budget=2, compare=True)
    assert 0 < session.nbytes <= session.capacity
    session.clear()
    assert session.nbytes == 0
    assert session.entries() == ()
    assert session.generate(SECOND).plan.sources == ()


def test_the_bytes_are_those_of_the_entries(session) -> None:
    session.generate(FIRST)
    [entry] = session.entries()
    latents = 3 * 8 * 8 * 4
    assert session.nbytes == entry.nbytes == 9 * latents + 3 * 8 * 8 + 384 * 4


def test_the_oldest_run_goes_when_the_cache_is_full(mixture) -> None:
    session = trajflow.Session(mixture, cache_bytes=2 * 8_700)
    for prompt in (FIRST, THIRD, SECOND):
        session.generate(prompt, strategy="baseline")
        assert session.nbytes <= session.capacity
    assert [entry.prompt for entry in session.entries()] == [SECOND, THIRD]


def test_what_the_history_does_not_show_takes_no_memory(mixture) -> None:
    """A companion whose request was evicted has nobody who could forget it."""
    session = trajflow.Session(mixture, cache_bytes=3 * 8_900)
    session.generate(FIRST)
    session.generate(SECOND, budget=2, compare=True)
    session.generate("snowy mountain at dusk", budget=2)
    session.generate("snowy mountain dusk light", budget=2)
    for entry in session.entries():
        session.forget(entry.key)
    assert session.nbytes == 0


def test_a_run_larger_than_the_cache_still_gives_its_picture(mixture) -> None:
    session = trajflow.Session(mixture, cache_bytes=2_000)
    for compare in (False, True):
        result = session.generate(FIRST, compare=compare)
        assert (result.cost.nfe, result.key) == (8, "")
    assert session.nbytes == 0
    assert session.entries() == ()


def test_two_sessions_share_nothing(mixture) -> None:
    mine, yours = trajflow.Session(mixture), trajflow.Session(mixture)
    mine.generate(FIRST)
    assert yours.entries() == ()
    assert yours.nbytes == 0
    assert not yours.generate(FIRST).from_store
    assert yours.generate(SECOND, budget=2).plan.match.key != mine.entries()[0].key
    mine.clear()
    assert len(yours.entries()) == 2


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("after", [3, 7])
def test_a_picture_forgotten_during_its_comparison_stays_forgotten(session, after: int, is_stored: bool) -> None:
    session.generate(FIRST)
    if is_stored:
        session.generate(SECOND, budget=2)
    stream = session.stream(SECOND, budget=2, compare=True)
    steps = [next(stream) for _ in range(after if is_stored else 8 + after)]
    assert steps[-1].phase == "baseline"
    session.forget(session.entries()[0].key)
    *_, result = stream
    assert (result.key, result.metrics is None) == ("", False)
    assert [entry.prompt for entry in session.entries()] == [FIRST]
    assert session.nbytes == session.entries()[0].nbytes


def test_a_picture_completed_during_its_comparison_stays_complete(session) -> None:
    session.generate(FIRST)
    stream = session.stream(SECOND, budget=2, compare=True)
    while next(stream).phase != "baseline":
        pass
    key = session.entries()[0].key
    list(session.complete(key))
    *_, result = stream
    assert result.key == key
    assert next(entry for entry in session.entries() if entry.key == key).is_true


def test_where_there_is_room_for_one_run_the_picture_stays_and_not_what_it_was_compared_with(session) -> None:
    session.generate(FIRST, compare=True)
    small = trajflow.Session(session.model, cache_bytes=session.nbytes)
    result = small.generate(SECOND, budget=4, strategy="interval", compare=True)
    [entry] = small.entries()
    assert (entry.key, entry.result.metrics) == (result.key, result.metrics)


# Stopping


def test_a_stop_during_the_comparison_keeps_the_finished_picture(session) -> None:
    session.generate(FIRST)
    stream = session.stream(SECOND, budget=2, compare=True)
    for _ in range(10):
        assert isinstance(next(stream), Step)
    session.stop()
    with pytest.raises(Cancelled):
        next(stream)
    newest = session.entries()[0]
    assert (newest.prompt, newest.result.metrics) == (SECOND, None)
    compared = session.generate(SECOND, budget=2, compare=True)
    assert compared.from_store
    assert compared.metrics is not None


@pytest.mark.parametrize("at", [0, 3, 6], ids=lambda at: f"step-{at}")
def test_a_stopped_run_raises_keeps_nothing_and_the_session_goes_on(session, at: int) -> None:
    session.generate(FIRST)
    held = session.nbytes
    stream = session.stream(SECOND, budget=2, compare=True)
    for _ in range(at + 1):
        assert isinstance(next(stream), Step)
    session.stop()
    with pytest.raises(Cancelled):
        next(stream)
    assert session.nbytes == held
    assert [entry.prompt for entry in session.entries()] == [FIRST]
    assert session.generate(SECOND, budget=2).cost.nfe == 2


def test_a_run_is_stopped_from_another_thread(session) -> None:
    raised = []

    def work() -> None:
        try:
            for event in session.stream(FIRST, steps=200):
                if event.k == 0:
                    started.set()
                    stopped.wait(30)
        except Cancelled as error:
            raised.append(error)

    started, stopped = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    session.stop()
    stopped.set()
    thread.join(30)
    assert len(raised) == 1
    assert session.entries() == ()


def test_stop_between_runs_stops_nothing(session) -> None:
    session.stop()
    assert session.generate(FIRST).cost.nfe == 8


@pytest.mark.parametrize("after", [1, 5, 8])
def test_an_abandoned_stream_frees_the_session_and_keeps_nothing(session, after: int) -> None:
    session.generate(FIRST)
    stream = session.stream(SECOND, budget=2, compare=True)
    for _ in range(after):
        next(stream)
    stream.close()
    assert [entry.prompt for entry in session.entries()] == [FIRST]
    done = []
    thread = threading.Thread(target=lambda: done.append(session.generate(SECOND, budget=2)), daemon=True)
    thread.start()
    thread.join(30)
    assert [result.cost.nfe for result in done] == [2]


def test_a_stream_that_nobody_reads_on_is_in_nobodys_way(session) -> None:
    """In one thread, where waiting for it would be for ever; and it goes on as if nothing had been."""
    alone = trajflow.Session(session.model).generate(FIRST)
    stream = session.stream(FIRST)
    next(stream)
    assert session.generate(SECOND).cost.nfe == 8
    *_, first = stream
    assert (first.cost.nfe, first.image) == (8, alone.image)
    assert [entry.prompt for entry in session.entries()] == [FIRST, SECOND]


def test_a_stream_that_is_dropped_frees_the_session_and_keeps_nothing(session, monkeypatch) -> None:
    monkeypatch.setattr("trajflow.session.model_lock.PATIENCE", 600.0)
    stream = session.stream(FIRST)
    next(stream)
    assert session._lock.is_called
    del stream
    gc.collect()
    assert not session._lock.is_called
    assert session.entries() == ()
    assert session.spent.waited.nfe == 1


def test_one_step_at_a_time(session, mixture) -> None:
    """Two threads never have the model at once: their steps take turns."""
    inside, together = [0], []
    evaluate = type(mixture).evaluate

    class Watched(type(mixture)):
        def evaluate(self, *asked):
            inside[0] += 1
            together.append(inside[0])
            try:
                return evaluate(self, *asked)
            finally:
                inside[0] -= 1

    shared = trajflow.Session(Watched())
    threads = [
        threading.Thread(target=shared.generate, args=(prompt,), kwargs={"strategy": "baseline"})
        for prompt in (FIRST, SECOND, THIRD)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert together == [1] * 24
    assert {entry.prompt for entry in shared.entries()} == {FIRST, SECOND, THIRD}


def test_what_the_user_waits_for_is_in_the_phases(session) -> None:
    """All of it, but for what happens before the embedding and after the picture: looking for plans begins the run."""
    session.generate(FIRST)
    shares = []
    # The best of several: what a busy machine takes for itself falls outside now and then, the same work would always.
    for _ in range(7):
        began = time.perf_counter()
        result = session.generate(SECOND, strategy="multiple-shooting", budget=6)
        shares.append(sum(result.seconds.values()) / (time.perf_counter() - began))
        session.forget(result.key)
    assert 0.8 <= max(shares) <= 1


def test_a_failing_decoder_keeps_nothing_and_frees_the_session(make_mixture) -> None:
    class Blind(make_mixture):
        def decode(self, x):
            raise RuntimeError("out of memory")

    session = trajflow.Session(Blind())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            session.generate(FIRST)
    assert session.entries() == ()


# What is streamed and kept


def test_the_events_of_a_run_count_up_to_its_result(session) -> None:
    session.generate(FIRST)
    *steps, result = session.stream(SECOND, strategy="basis", budget=3)
    assert [step.k for step in steps] == list(range(8))
    assert tuple(step.kind for step in steps) == result.kinds
    assert [step.nfe for step in steps][-1] == result.cost.nfe == 3
    assert all(step.steps == 8 and step.seconds >= 0 for step in steps)
    assert {step.k: step.angle for step in steps if step.angle is not None} == dict(result.angles)
    sigmas = [step.sigma for step in steps]
    assert sigmas == sorted(sigmas, reverse=True)
    assert np.array_equal(np.asarray(session.decode(steps[-1].latents)), pixels(result))
    torch.testing.assert_close(steps[-1].preview, steps[-1].latents, atol=1e-5, rtol=1e-5)


def test_the_kept_trajectory_recomputes_the_picture(session) -> None:
    session.generate(FIRST)
    result = session.generate(SECOND, budget=3)
    entry = session.entries()[0]
    assert isinstance(entry.trajectory, Trajectory)
    assert entry.key == result.key
    *_, x = recompute_path(entry.trajectory)
    assert np.array_equal(np.asarray(session.decode(x)), pixels(result))


def test_nothing_a_caller_does_to_streamed_latents_reaches_the_cache(session) -> None:
    for event in session.stream(FIRST):
        if isinstance(event, Step):
            event.preview.zero_()
    clean = session.generate(FIRST, strategy="baseline")
    assert same(session.generate(FIRST), clean)


# Estimate


def test_an_estimate_is_of_the_run_without_running_it(session, mixture) -> None:
    before = session.estimate(FIRST)
    assert (before.nfe, before.seconds, before.warning) == (8, None, "")
    session.generate(FIRST)
    calls = mixture.calls
    estimate = session.estimate(SECOND, strategy="difference", budget=3)
    assert mixture.calls == calls
    assert (estimate.nfe, estimate.warning) == (3, "")
    assert estimate.seconds > 0
    assert estimate.reason == session.generate(SECOND, strategy="difference", budget=3).plan.reason
    assert session.estimate(FIRST).nfe == 0
    assert session.estimate(FIRST).seconds == 0.0


def test_an_estimate_of_what_is_stored_counts_what_is_still_to_be_made(session, mixture) -> None:
    session.generate(FIRST)
    asked = {"strategy": "difference", "budget": 3}
    session.generate(SECOND, **asked)
    beside = session.estimate(SECOND, **asked, compare=True)
    assert (beside.nfe, beside.seconds > 0) == (0, True)
    assert "takes 8 evaluations" in beside.reason
    session.generate(SECOND, **asked, compare=True)
    assert session.estimate(SECOND, **asked, compare=True).seconds == 0, "the from-scratch picture is there"
    session.generate(THIRD, strategy="difference")
    assert not session.entries()[0].is_true
    promised, spent = session.estimate(THIRD, strategy="difference", refine=True).nfe, mixture.calls
    *_, refined = session.stream(THIRD, strategy="difference", refine=True)
    assert promised == mixture.calls - spent == refined.cost.nfe > 0
    assert session.estimate(THIRD, strategy="difference", refine=True).seconds == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed (0 -> 1)"),
        ({"steps": 6}, "steps (8 -> 6)"),
        ({"width": 12}, "size"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_estimate_warns_and_names_what_changed(session, change: dict, named: str) -> None:
    session.generate(FIRST)
    assert session.estimate(SECOND).warning == ""
    warning = session.estimate(SECOND, **change).warning
    assert f"Changed since the last picture: {named}." in warning
    assert "starts from scratch" in warning
    both = session.estimate(SECOND, **{"seed": 5, "guidance": 4.0, **change}).warning
    assert named.split(" (")[0] in both
    assert both.count(",") >= 1
    for ignoring in ("baseline", "fewer-steps"):
        assert session.estimate(SECOND, strategy=ignoring, **change).warning == ""


def test_an_estimate_without_a_change_gives_no_warning(session) -> None:
    """A full budget uses nothing cached by choice; a run on another grid left nothing to use."""
    session.generate(FIRST)
    assert session.estimate(SECOND, guidance=5.0, budget=8).warning == "", "what is cached fits"
    assert "starts from scratch" in session.estimate(SECOND, seed=1, budget=8).warning
    assert session.estimate(SECOND, budget=8).warning == ""
    other = trajflow.Session(session.model)
    other.generate(FIRST, budget=3)
    assert other.entries()[0].trajectory is None
    assert "picture: ." not in other.estimate(SECOND).warning


def test_the_estimate_of_a_comparison_counts_the_baseline_in_its_time(session) -> None:
    session.generate(FIRST)
    alone = session.estimate(SECOND, budget=2).seconds
    assert session.estimate(SECOND, budget=2, compare=True).seconds == pytest.approx(5 * alone)


def test_an_unknown_tier_preset_is_refused(mixture) -> None:
    with pytest.raises(RequestError, match="preset"):
        trajflow.Session(mixture, tiers="reckless")


def test_the_tier_preset_decides_where_a_resume_begins(mixture) -> None:
    starts = []
    for tiers in ("conservative", "published", "aggressive"):
        session = trajflow.Session(mixture, tiers=tiers)
        session.generate("a beautiful mountain landscape", steps=20)
        starts.append(session.generate("mountain landscape that is beautiful", steps=20, strategy="resume"))
    assert [result.plan.sampling.start_step for result in starts] == [11, 15, 19]
    assert [result.cost.nfe for result in starts] == [9, 5, 1]


def test_a_run_is_diagnosed_against_its_sources_until_its_from_scratch_path_is_known(session) -> None:
    session.generate(FIRST)
    result = session.generate(SECOND, budget=3)
    alone = session.diagnose(result.key)
    assert {"trajectory_error_to_source", "smoothness", "manifold_final", "switch_angle"} <= set(alone)
    assert "trajectory_error" not in alone
    *_, completed = session.complete(result.key)
    assert completed.metrics is not None
    [entry] = [entry for entry in session.entries() if entry.key == result.key]
    assert entry.is_true
    assert session.diagnose(result.key)["trajectory_error"] == 0.0
    with pytest.raises(RequestError, match="not kept"):
        session.diagnose("no such key")


def test_a_compared_run_is_diagnosed_against_the_from_scratch_path(session) -> None:
    session.generate(FIRST)
    result = session.generate(SECOND, budget=3, compare=True)
    assert 0 < session.diagnose(result.key)["terminal_error"] < 0.5
