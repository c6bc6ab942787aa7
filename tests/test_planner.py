import itertools
import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from trajflow.base import Forecast, Level, Match, Plan, Schedule
from trajflow.calibration import SCALED_NODES, Caching, Learned, Outcome, Profile
from trajflow.field import even_nodes
from trajflow.methods import METHODS
from trajflow.planner import FIDELITY, make_plan
from trajflow.policies.budcache import BudCache
from trajflow.settings import Settings
from trajflow.transitions.basis import Basis, extrapolate
from trajflow.transitions.reuse import Reuse

STEPS = 28
MATCHES = tuple(
    Match(f"key {i}", f"earlier prompt {i}", similarity, "close", True)
    for i, similarity in enumerate((0.93, 0.8, 0.7, 0.2))
)
FRACTION = 0.75


def grid(steps: int) -> Schedule:
    sigmas = torch.linspace(1, 0, steps + 1)
    return Schedule(sigmas, sigmas[:-1])


@pytest.fixture
def plan_for() -> Callable[..., Plan]:
    def make(
        strategy: str = "auto",
        budget: int | None = None,
        matches: tuple[Match, ...] = MATCHES,
        *,
        steps: int = STEPS,
        fraction: float = FRACTION,
        fidelity: float | None = None,
        profile: Profile = Profile(),  # noqa: B008
        learned: Learned = Learned(),  # noqa: B008
        levels: tuple[Level, ...] = ("stack", "blocks", "velocity"),
    ) -> Plan:
        resuming = tuple(replace(match, resume_fraction=fraction) for match in matches)
        settings = Settings("a mountain", "", 0, steps, 3.0, 64, 64, strategy, budget, fidelity)
        return make_plan(settings, resuming, grid, levels, profile, learned)

    return make


EXPECTED = {3: 20.0, 5: 25.0, 8: 30.0}


@pytest.fixture
def calibrated(make_profile) -> Profile:
    return make_profile(STEPS, EXPECTED)


SOME_MATCHES = ((), MATCHES[:1], MATCHES)


@pytest.mark.parametrize("strategy", METHODS)
def test_every_plan_can_be_run(plan_for, calibrated, strategy: str) -> None:
    asked = [(steps, budget) for steps in (1, 2, 3, 5, 8, 28, 50) for budget in {None, 1, steps // 2 or 1, steps}]
    for (steps, budget), profile, matches in itertools.product(asked, (Profile(), calibrated), SOME_MATCHES):
        plan = plan_for(strategy, budget, matches, steps=steps, profile=profile)
        grid_steps = plan.sampling.schedule.steps
        assert plan.strategy == strategy
        assert plan.sampling.method in METHODS
        assert list(plan.sampling.nodes) == sorted(set(plan.sampling.nodes))
        assert 1 <= len(plan.sampling.nodes) <= plan.budget <= steps
        assert all(plan.sampling.start_step <= node < grid_steps for node in plan.sampling.nodes)
        assert strategy == "baseline" or budget is None or plan.budget <= budget
        assert all(len(node_schedule.nodes) <= plan.budget for node_schedule in plan.sampling.escalation)
        assert set(plan.sources) <= {match.key for match in matches}
        assert plan.sources or METHODS[plan.sampling.method].family in ("full", "shorter", "reuse")
        assert (plan.sampling.policy is not None) == isinstance(METHODS[plan.sampling.method].transition, Reuse)
        assert grid_steps == steps or not plan.sources, "sources fit the full grid only"
        if isinstance(METHODS[plan.sampling.method].transition, Basis):
            assert plan.sampling.nodes[0] == 0, "without a first evaluation there is no difference to carry"
            assert all(node_schedule.nodes[0] == 0 for node_schedule in plan.sampling.escalation)
        for node_schedule in (plan.sampling.node_schedule, *plan.sampling.escalation):
            assert {len(node_schedule.slopes), len(node_schedule.corrections), len(node_schedule.forecasters)} <= {
                0,
                len(node_schedule.nodes),
            }


@pytest.mark.parametrize("strategy", METHODS)
def test_every_reason_is_one_sentence_for_the_user(plan_for, calibrated, strategy: str) -> None:
    asked = itertools.product((None, 5, STEPS), SOME_MATCHES, (0.0, 0.01, FRACTION), (Profile(), calibrated))
    for budget, matches, fraction, profile in asked:
        reason = plan_for(strategy, budget, matches, fraction=fraction, profile=profile).reason
        assert re.fullmatch(r"[A-Z“].{20,200}\.", reason), reason
        assert "None" not in reason
        for private in ("key 0", "basis", "direct", "nfe"):
            assert private not in reason


def test_an_empty_session_runs_the_full_baseline_and_says_so(plan_for) -> None:
    plan = plan_for("auto", None, ())
    assert (plan.sampling.method, plan.sampling.nodes, plan.budget) == ("baseline", tuple(range(STEPS)), STEPS)
    assert "Nothing cached" in plan.reason


@pytest.mark.parametrize("strategy", [n for n, s in METHODS.items() if s.family not in ("full", "reuse")])
def test_an_empty_session_with_a_budget_takes_fewer_steps_of_an_own_grid(plan_for, strategy: str) -> None:
    plan = plan_for(strategy, 6, ())
    shorter = METHODS[strategy].family == "shorter"
    solver = strategy if shorter else "fewer-steps"
    assert (plan.sampling.method, plan.sampling.schedule.steps, plan.budget) == (solver, 6, 6)
    assert torch.equal(plan.sampling.schedule.sigmas, grid(6).sigmas)
    assert plan.reason.startswith("Nothing cached fits: ") != shorter


@pytest.mark.parametrize("strategy", METHODS)
def test_a_budget_of_all_steps_is_the_from_scratch_run(plan_for, strategy: str) -> None:
    plan = plan_for(strategy, STEPS)
    assert (plan.sampling.method, plan.sampling.nodes, plan.sources) == ("baseline", tuple(range(STEPS)), ())


def test_the_baseline_ignores_what_is_cached_and_what_it_may_cost(plan_for) -> None:
    for budget in (None, 3):
        plan = plan_for("baseline", budget)
        assert (plan.sampling.method, plan.sources, plan.sampling.nodes) == ("baseline", (), tuple(range(STEPS)))


def test_fewer_steps_ignores_what_is_cached(plan_for) -> None:
    assert plan_for("fewer-steps", 9).sources == ()
    assert plan_for("fewer-steps", 9).sampling.schedule.steps == 9
    assert plan_for("fewer-steps").sampling.schedule.steps == STEPS // 4


@pytest.mark.parametrize("strategy", ["resume", "blend"])
def test_a_resume_takes_the_tiers_share_or_leaves_the_budget(plan_for, strategy: str) -> None:
    tiered, budgeted = plan_for(strategy), plan_for(strategy, 4)
    assert (tiered.sampling.start_step, budgeted.sampling.start_step) == (21, STEPS - 4)
    for plan in (tiered, budgeted):
        assert plan.sources == ("key 0",)
        assert plan.match.key == MATCHES[0].key
        assert plan.sampling.nodes == tuple(range(plan.sampling.start_step, STEPS))
        assert plan.budget == STEPS - plan.sampling.start_step
        assert "earlier prompt 0" in plan.reason
    assert tiered.sampling.method == strategy


def test_even_the_latest_resume_computes_a_step(plan_for) -> None:
    plan = plan_for("resume", fraction=0.99, steps=4)
    assert (plan.sampling.start_step, plan.budget) == (3, 1)


@pytest.mark.parametrize("strategy", ["resume", "published", "resume-budcache"])
def test_a_share_of_less_than_a_step_is_not_called_distant(plan_for, strategy: str) -> None:
    for steps, fraction, said in (
        (1, 0.95, "95% of 1 step leaves"),
        (4, 0.1, "10% of 4 steps leaves"),
        (4, 0.0, "too "),
    ):
        plan = plan_for(strategy, steps=steps, fraction=fraction)
        assert plan.sampling.start_step == 0
        assert said in plan.reason
        assert ("too " in plan.reason) == (fraction == 0)
        assert "first 0" not in plan.reason


def test_difference_takes_the_nearest_source_and_basis_all(plan_for) -> None:
    assert plan_for("difference", 5).sources == ("key 0",)
    for strategy in ("basis", "auto"):
        plan = plan_for(strategy, 5)
        assert plan.sources == tuple(match.key for match in MATCHES)
        assert isinstance(METHODS[plan.sampling.method].transition, Basis)
    assert len(MATCHES) <= METHODS["basis"].most_sources


# Without a profile


@pytest.mark.parametrize("strategy", [name for name in METHODS if METHODS[name].family == "transport"])
def test_without_a_profile_a_transport_takes_a_quarter_of_the_steps_and_forecasts_nothing(
    plan_for, strategy: str
) -> None:
    for steps in (1, 2, 3, 8, 12, 28, 50):
        plan = plan_for(strategy, steps=steps)
        if strategy == "auto" and steps <= 4:
            assert (plan.sampling.method, plan.budget) == ("baseline", steps)
            assert "little to save" in plan.reason
            continue
        assert len(plan.sampling.nodes) == plan.budget == max(1, round(steps / 4))
        assert (
            plan.sampling.escalation,
            plan.sampling.node_schedule.forecasters,
            plan.forecast,
            plan.sampling.fidelity,
        ) == ((), (), None, None)
        assert "a quarter of the steps" in plan.reason


def test_a_fidelity_cannot_be_aimed_at_without_forecasts(plan_for) -> None:
    plan = plan_for(fidelity=35.0)
    assert plan.sampling.fidelity is None
    assert "nothing was calibrated" in plan.reason


def test_a_given_budget_is_spent_at_the_bundled_nodes_or_evenly(plan_for) -> None:
    for budget in range(1, STEPS):
        plan = plan_for("auto", budget)
        assert plan.sampling.nodes == SCALED_NODES.get(budget, even_nodes(STEPS, budget))
        assert (plan.budget, plan.sampling.escalation) == (budget, ())
        assert "quarter" not in plan.reason


# With one


def by_hand(sources: int, count: int, shift_db: float = 0.0, margin_db: float = 0.0) -> Forecast:
    """What `make_profile` expects before a run from the nearest of MATCHES."""
    median = EXPECTED[count] - 5 * math.log10(1 - MATCHES[0].similarity) + shift_db
    return Forecast(median - 6 - margin_db, median - 3 - margin_db, median, median + 6 + margin_db)


def levels(forecast: Forecast) -> tuple[float, ...]:
    return tuple(vars(forecast).values())


@pytest.mark.parametrize("strategy", ["auto", "basis", "difference"])
def test_with_a_profile_the_evaluations_decide_up_to_a_fidelity(plan_for, calibrated, strategy: str) -> None:
    plan = plan_for(strategy, profile=calibrated)
    assert [len(node_schedule.nodes) for node_schedule in plan.sampling.escalation] == sorted(EXPECTED)
    assert (plan.budget, plan.sampling.fidelity) == (8, FIDELITY)
    assert "3 to 8" in plan.reason
    assert "40 dB" in plan.reason
    assert plan_for(strategy, profile=calibrated, fidelity=33.5).sampling.fidelity == 33.5
    assert "33.5 dB" in plan_for(strategy, profile=calibrated, fidelity=33.5).reason


@pytest.mark.parametrize(("fidelity", "count"), [(10.0, 3), (22.0, 3), (23.0, 5), (28.0, 8), (60.0, 8)])
def test_a_run_is_expected_to_be_the_cheapest_that_is_assured_else_the_dearest(
    plan_for, calibrated, fidelity: float, count: int
) -> None:
    """Assured at the nearest prompt: 22.8 dB with 3 evaluations, 27.8 dB with 5, 32.8 dB with 8."""
    plan = plan_for(profile=calibrated, fidelity=fidelity)
    assert plan.sampling.nodes == calibrated.several[count].node_schedule.nodes
    assert levels(plan.forecast) == pytest.approx(levels(by_hand(4, count)))


def test_a_budget_is_spent_as_calibrated_and_forecast(plan_for, calibrated) -> None:
    plan = plan_for(budget=5, profile=calibrated)
    node_schedule = calibrated.several[5].node_schedule
    assert (plan.sampling.node_schedule, plan.budget, plan.sampling.escalation, plan.sampling.fidelity) == (
        node_schedule,
        5,
        (),
        None,
    )
    assert levels(plan.forecast) == pytest.approx(levels(by_hand(4, 5)))
    assert plan_for(budget=6, profile=calibrated).forecast is None


def test_one_source_and_several_have_placements_of_their_own(plan_for, make_profile) -> None:
    one, many = make_profile(STEPS, {3: 20.0}), make_profile(STEPS, {4: 20.0})
    profile = Profile("", STEPS, one.single, many.several)
    assert plan_for(matches=MATCHES[:1], profile=profile).budget == 3
    assert plan_for("difference", profile=profile).budget == 3
    assert plan_for(matches=MATCHES[:2], profile=profile).budget == 4


def test_what_a_session_learned_moves_the_forecast_and_goes_with_the_plan(plan_for, calibrated) -> None:
    learned = Learned((Outcome(30.0, 36.0, 42.0, 27.0),))
    assert (learned.shift_db, learned.margin_db) == pytest.approx((-1.0, 1.6))
    for budget in (None, 8):
        plan = plan_for(budget=budget, profile=calibrated, learned=learned)
        assert (plan.sampling.adjustment.shift_db, plan.sampling.adjustment.margin_db) == (
            learned.shift_db,
            learned.margin_db,
        )
        assert levels(plan.forecast) == pytest.approx(levels(by_hand(4, 8, -1.0, 1.6)))


def test_on_another_grid_nothing_climbs_and_nothing_is_foretold(plan_for, calibrated) -> None:
    plan = plan_for(steps=14, profile=calibrated)
    assert (plan.sampling.escalation, plan.forecast, plan.budget) == ((), None, 4)
    scaled = plan_for(steps=56, budget=5, profile=calibrated)
    assert scaled.sampling.nodes == tuple(2 * node for node in calibrated.several[5].node_schedule.nodes)
    assert (scaled.forecast, scaled.sampling.node_schedule.forecasters) == (None, ())


def test_other_transports_take_the_nodes_but_neither_ladder_nor_forecast(plan_for, calibrated) -> None:
    for strategy in ("shooting", "mpc"):
        plan = plan_for(strategy, 5, profile=calibrated)
        assert plan.sampling.nodes == calibrated.several[5].node_schedule.nodes
        assert plan.forecast is None
        assert plan_for(strategy, profile=calibrated).sampling.escalation == ()


def test_a_profile_without_forecasts_leaves_a_quarter(plan_for, calibrated) -> None:
    silent = {
        n: replace(each, node_schedule=replace(each.node_schedule, forecasters=()))
        for n, each in calibrated.single.items()
    }
    plan = plan_for(profile=Profile("", STEPS, silent, silent))
    assert (plan.budget, plan.sampling.escalation) == (7, ())


def test_extrapolation_follows_the_line_through_the_last_two() -> None:
    line = [(sigma, torch.tensor([2.0 - 3 * sigma])) for sigma in (1.0, 0.75, 0.5)]
    measured = tuple(line)
    torch.testing.assert_close(extrapolate(measured, 0.25, 1.0), torch.tensor([2.0 - 3 * 0.25]))
    torch.testing.assert_close(extrapolate(measured, 0.25, 0.5), torch.tensor([0.5 + 0.375]))
    assert torch.equal(extrapolate(measured, 0.25, 0.0), line[-1][1])
    assert torch.equal(extrapolate(measured[:1], 0.25, 1.0), line[0][1])


def caching(budget: int, medians: dict[str, float]) -> Caching:
    policies = {
        name: BudCache(even_nodes(STEPS, budget), "stack") for name in ("budcache", "solver") if name in medians
    }
    return Caching(policies, {name: Forecast(m - 4, m - 2, m, m + 4) for name, m in medians.items()})


@pytest.fixture
def alone() -> Profile:
    """A reuse policy is the best at 6 evaluations, a solver at 10."""
    reusing = {"budcache": 36.0, "solver": 40.0, "dpm++2m": 38.0}
    return Profile(
        "", STEPS, without_sources={6: caching(6, reusing), 10: caching(10, {"solver": 44.0, "dpm++2m": 46.0})}
    )


def test_a_miss_with_a_budget_takes_what_was_found_best_at_it(plan_for, alone: Profile) -> None:
    plan = plan_for("auto", 6, (), profile=alone)
    assert (plan.sampling.method, plan.sampling.policy, len(plan.sampling.nodes)) == (
        "solver",
        alone.without_sources[6].policies["solver"],
        6,
    )
    assert plan.sampling.schedule.steps == STEPS, "on the model's own grid, so that it can be a source"
    assert plan.forecast == alone.without_sources[6].forecasts["solver"]
    assert "6 of 28 evaluations" in plan.reason
    solver = plan_for("auto", 10, (), profile=alone)
    assert (solver.sampling.method, solver.sampling.schedule.steps) == ("dpm++2m", 10)
    assert solver.forecast == alone.without_sources[10].forecasts["dpm++2m"]


def test_between_calibrated_budgets_the_one_below_is_spent(plan_for, alone: Profile) -> None:
    plan = plan_for("auto", 8, (), profile=alone)
    assert (plan.sampling.method, plan.budget, len(plan.sampling.nodes)) == ("solver", 6, 6)
    assert plan_for("auto", 5, (), profile=alone).sampling.schedule.steps == 5, (
        "below all of them there is only a shorter grid"
    )


def test_a_miss_with_a_fidelity_takes_the_cheapest_that_is_assured(plan_for, alone: Profile) -> None:
    assert plan_for("auto", None, (), fidelity=37.0, profile=alone).budget == 6
    assert plan_for("auto", None, (), fidelity=43.0, profile=alone).budget == 10
    assert plan_for("auto", None, (), fidelity=50.0, profile=alone).budget == STEPS
    assert plan_for("auto", None, (), profile=alone).budget == STEPS, "without being asked nothing is approximated"


def test_a_miss_with_a_fidelity_takes_what_is_surest_not_what_is_best_in_the_middle(plan_for, alone: Profile) -> None:
    forecasts = {"solver": Forecast(30.0, 33.0, 40.0, 45.0), "budcache": Forecast(34.0, 36.0, 38.0, 40.0)}
    profile = replace(
        alone, without_sources={6: replace(caching(6, {"solver": 0, "budcache": 0}), forecasts=forecasts)}
    )
    assert plan_for("auto", None, (), fidelity=35.0, profile=profile).sampling.method == "budcache"
    assert plan_for("auto", 6, (), profile=profile).sampling.method == "solver"


def test_sources_that_are_not_assured_the_fidelity_give_way_to_what_is(plan_for, calibrated, alone: Profile) -> None:
    """With sources 30 dB at most are expected, without 38 and 44 are assured."""
    profile = replace(calibrated, without_sources=alone.without_sources)
    plan = plan_for("auto", profile=profile, fidelity=37.0)
    assert (plan.sampling.method, plan.budget, plan.sources) == ("solver", 6, ())
    assert "too far to assure 37 dB" in plan.reason
    assert plan_for("auto", profile=profile, fidelity=22.0).sources
    assert plan_for("auto", profile=profile, fidelity=50.0).sources, "nothing is assured so much"
    assert plan_for("basis", profile=profile, fidelity=37.0).sources, "as asked"
    assert plan_for("auto", profile=profile).budget == 10, "what is aimed at when nothing is asked counts too"


def test_what_was_calibrated_for_another_grid_is_not_used(plan_for, alone: Profile) -> None:
    plan = plan_for("solver", 6, (), steps=20, profile=alone)
    assert plan.sampling.nodes == even_nodes(20, 6)
    assert "nothing was calibrated" in plan.reason
    assert plan_for("auto", 6, (), steps=20, profile=alone).sampling.method == "fewer-steps"


def test_the_papers_method_without_priors_reuses_blocks_at_even_intervals(plan_for, alone: Profile) -> None:
    for profile in (Profile(), alone):
        plan = plan_for("tcc", 6, profile=profile, levels=("stack", "velocity", "blocks"))
        assert (plan.sampling.policy.level, plan.sampling.nodes) == ("blocks", (0, 5, 10, 15, 20, 25))
        assert "no priors were learned" in plan.reason


def test_reuse_ignores_what_is_cached(plan_for, alone: Profile) -> None:
    for strategy in ("interval", "budcache", "solver"):
        plan = plan_for(strategy, 6, profile=alone)
        assert (plan.sampling.method, plan.sources) == (strategy, ())
    assert plan_for("interval", 6, profile=alone).sampling.nodes == (0, 5, 10, 15, 20, 25)


def test_after_a_resume_only_the_budget_of_the_rest_is_computed(plan_for, alone: Profile) -> None:
    plan = plan_for("resume-budcache", 3, profile=alone)
    assert (plan.sampling.start_step, plan.sources, len(plan.sampling.nodes)) == (21, ("key 0",), 3)
    assert plan.sampling.nodes[0] == 21
    assert plan.sampling.policy == BudCache(plan.sampling.nodes, "stack")
    assert len(plan_for("resume-budcache", 20, profile=alone).sampling.nodes) == 7, "no more than there are"


def test_after_a_resume_what_is_kept_is_what_was_calibrated(plan_for, alone: Profile) -> None:
    policies = {"budcache": BudCache(even_nodes(STEPS, 3), "blocks")}
    profile = replace(alone, without_sources={3: Caching(policies, {})})
    assert plan_for("resume-budcache", 3, profile=profile).sampling.policy.level == "blocks"
    assert plan_for("budcache", 3, profile=profile).sampling.policy == policies["budcache"]


@pytest.mark.parametrize("strategy", ["interval", "budcache", "aligned", "solver", "resume-budcache"])
def test_only_what_the_model_has_is_kept(plan_for, alone: Profile, strategy: str) -> None:
    """Not what a profile says that was learned on another model either."""
    for profile in (Profile(), alone):
        plan = plan_for(strategy, 6, profile=profile, levels=("velocity", "blocks"))
        assert plan.sampling.policy.level == "velocity"
    assert plan_for("auto", 6, (), profile=alone, levels=("velocity", "blocks")).sampling.method == "dpm++2m"
