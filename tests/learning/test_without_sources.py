"""What is learned for runs without a source, on a small random pipeline, and what a session makes of it."""

import pytest
import torch

import trajflow
from trajflow.calibration import Profile, model_digest
from trajflow.errors import RequestError
from trajflow.learning.known import run_known
from trajflow.learning.pairs import Pair
from trajflow.learning.without_sources import calibrate_alone, run_policy
from trajflow.policies.calibrated import Calibrated

STEPS = 6
PLACES = ("forest", "beach", "harbour", "village", "desert")
LEARNING = [Pair("time", "a hill", f"a {place} at noon", seed, ()) for seed, place in enumerate(PLACES)]
OTHERS = [Pair("time", "a hill", f"a {place} at dusk", 50 + seed, ()) for seed, place in enumerate(PLACES)]


@pytest.fixture(scope="module")
def learned(model):
    [(budget, caching, tried)] = calibrate_alone(model, LEARNING, OTHERS, [3], steps=STEPS)
    assert budget == 3
    return caching, tried


def test_every_method_has_a_policy_within_the_budget_and_a_forecast(learned) -> None:
    caching, tried = learned
    assert set(caching.policies) == {"budcache", "aligned", "solver", "tcc"}
    assert set(caching.forecasts) == {*caching.policies, "fewer-steps", "ab2", "dpm++2m", "unipc"}
    for policy in caching.policies.values():
        decided = [policy.decide(k, ({},)) for k in range(STEPS)]
        assert decided.count("compute") == 3
        assert decided[0] == "compute"
    for forecast in caching.forecasts.values():
        assert forecast.low_db <= forecast.assured_db <= forecast.median_db <= forecast.high_db
    assert 0 < tried.run <= tried.judged
    assert set(tried.seconds) == {"budcache", "aligned", "solver", "tcc"}
    assert caching.forecasts["solver"].median_db > caching.forecasts["fewer-steps"].median_db


def test_an_aligned_grid_is_never_worse_than_the_models_own_on_what_it_was_aligned_on(model, learned) -> None:
    caching, _ = learned
    known = run_known(model, [(pair.target, pair.seed) for pair in LEARNING], STEPS)
    aligned, held = (known.log_error(run_policy(model, known, caching.policies[n])) for n in ("aligned", "budcache"))
    # Float32 rounds by where memory lies.
    assert aligned <= held + 1e-4


def test_the_same_again(model, learned) -> None:
    [(_, again, tried)] = calibrate_alone(model, LEARNING, OTHERS, [3], steps=STEPS)
    caching, before = learned
    assert (again.forecasts, tried.judged, tried.run) == (caching.forecasts, before.judged, before.run)
    assert isinstance(again.policies["solver"], Calibrated)
    assert again.policies["budcache"] == caching.policies["budcache"]
    assert again.policies["aligned"] == caching.policies["aligned"]


def test_a_session_spends_a_budget_by_it_and_starts_the_next_picture_from_the_run(model, learned) -> None:
    profile = Profile(model_digest(model.identity()), STEPS, without_sources={3: learned[0]})
    session = trajflow.Session(model, profile=profile)
    session.generate("a desert at dusk", seed=8, steps=STEPS, budget=3, compare=True)
    assert session.learned.outcomes == (), "the forecasts that learn are those of runs with sources"
    first = session.generate("a village at dusk", seed=9, steps=STEPS, budget=3)
    assert (first.cost.nfe, first.kinds.count("reused"), first.forecast) == (3, 3, first.plan.forecast)
    assert "3 of 6 evaluations" in first.plan.reason
    second = session.generate("a village at noon", seed=9, steps=STEPS, budget=3)
    assert second.plan.sources == (first.key,)
    assert not second.plan.match.is_true, "an approximate source is told from a true one"
    *_, completed = session.complete(first.key)
    assert completed.baseline_cost.nfe == STEPS - 1, "the step at the shared noise is exact already"
    assert completed.metrics is not None


def test_only_what_is_asked_for_is_learned(model) -> None:
    [(_, caching, tried)] = calibrate_alone(model, LEARNING, OTHERS, [4], steps=STEPS, strategies=["tcc"])
    assert (set(caching.policies), tried.judged) == ({"tcc"}, 0)
    policy = caching.policies["tcc"]
    assert (policy.level, [k for k in range(STEPS) if policy.decide(k, ({},)) == "compute"]) == ("blocks", [0, 2, 4])
    with pytest.raises(RequestError, match="Choose of budcache, aligned, solver, tcc"):
        list(calibrate_alone(model, LEARNING, OTHERS, [4], steps=STEPS, strategies=["interval"]))


def test_priors_of_two_branches_are_not_laid_on_one(model, learned) -> None:
    """Without guidance there is no negative branch; blocks are then reused as they are."""
    profile = Profile(model_digest(model.identity()), STEPS, without_sources={3: learned[0]})
    given = {"seed": 9, "steps": STEPS, "budget": 3, "guidance": 1.0}
    plain = trajflow.Session(model).generate("a village at dusk", strategy="tcc", **given)
    moved = trajflow.Session(model, profile=profile).generate("a village at dusk", strategy="tcc", **given)
    assert moved.cost.nfe == plain.cost.nfe == 3
    assert moved.image.tobytes() == plain.image.tobytes()


@pytest.mark.parametrize("strategy", ["interval", "budcache", "solver", "tcc", "aligned"])
def test_only_runs_on_the_models_own_grid_become_sources(model, learned, strategy: str) -> None:
    profile = Profile(model_digest(model.identity()), STEPS, without_sources={3: learned[0]})
    session = trajflow.Session(model, profile=profile)
    result = session.generate("a village at dusk", seed=9, steps=STEPS, budget=3, strategy=strategy)
    moved = not torch.equal(result.plan.sampling.schedule.sigmas, model.schedule(STEPS, (1, 4, 8, 8)).sigmas)
    assert not moved or strategy == "aligned"
    following = session.generate("a village at noon", seed=9, steps=STEPS, budget=3)
    assert bool(following.plan.sources) == (not moved)


def test_what_cannot_be_learned_is_refused(model) -> None:
    with pytest.raises(RequestError, match="budgets from 2 to 5"):
        list(calibrate_alone(model, LEARNING, OTHERS, [6], steps=STEPS))
    with pytest.raises(RequestError, match="share the target"):
        list(calibrate_alone(model, LEARNING, LEARNING, [3], steps=STEPS))


def test_a_model_without_a_stack_to_hold_holds_velocities(make_mixture) -> None:
    class Mixed(make_mixture):
        levels = ("velocity",)

    [(_, caching, _)] = calibrate_alone(Mixed(), LEARNING, OTHERS, [3], steps=STEPS)
    assert set(caching.policies) == {"budcache", "aligned", "solver"}
    assert {policy.level for policy in caching.policies.values()} == {"velocity"}


def test_after_a_resume_the_rest_is_computed_within_its_budget(model) -> None:
    session, steps = trajflow.Session(model), 20
    first = session.generate("a mountain landscape at dusk", seed=9, steps=steps)
    result = session.generate(
        "a landscape of mountains at dusk", seed=9, steps=steps, strategy="resume-budcache", budget=2
    )
    start = result.plan.sampling.start_step
    assert result.plan.sources == (first.key,)
    assert 0 < start <= steps - 3
    assert set(result.kinds[:start]) == {"cached"}
    assert (result.kinds[start], result.kinds.count("computed"), result.cost.nfe) == ("computed", 2, 2)
    assert result.kinds.count("reused") == steps - start - 2
