import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.evidence import report
from benchmarks.judge import load_judge
from benchmarks.policies import (
    ALIGNED,
    COMPARED,
    EVEN,
    FULL,
    LEARNED,
    MANY,
    ONE,
    SCALED,
    SEARCHED,
    Learned,
    Remembering,
    interval_name,
    measure,
    run_way,
    spread_rows,
)
from benchmarks.rows import write_csv
from benchmarks.steps import SOLVERS
from benchmarks.verdicts import judge_claims, markdown, merge, paired_median, summarise
from trajflow.base import Forecast, SamplingPlan
from trajflow.calibration import Caching, Profile
from trajflow.errors import RequestError
from trajflow.learning.batch import Batch
from trajflow.learning.known import run_known
from trajflow.learning.priors import estimate
from trajflow.policies.aligned import Aligned, logits_of
from trajflow.policies.budcache import BudCache
from trajflow.policies.interval import Interval

STEPS, BUDGET = 8, 3
LEARNING = [("a mountain", 1), ("a lake at dusk", 2)]
HELD_OUT = [("snowy forest", 3), ("a red cabin", 4), ("a foggy lake", 5)]
MASK = (0, 3, 6)


@pytest.fixture(scope="module")
def learned(model) -> Learned:
    known = run_known(model, LEARNING, STEPS)
    learned_solver, _ = estimate(model, (known,), BudCache(MASK, "velocity"), "history")
    logits = tuple(logits_of(known.schedule.sigmas, MASK).tolist())
    policies = {
        "budcache": BudCache(MASK, "stack"),
        "aligned": Aligned(MASK, logits, "stack"),
        "solver": learned_solver,
    }
    told = Forecast(20.0, 25.0, 30.0, 35.0)
    made = {"seconds": {str(BUDGET): {"budcache": 12.5}}}
    profile = Profile("", STEPS, without_sources={BUDGET: Caching(policies, {"budcache": told})}, made=made)
    return Learned(LEARNING, profile, {solver: {BUDGET: (0, 3, 6)} for solver in SOLVERS[1:]})


@pytest.fixture(scope="module")
def left_out() -> list[str]:
    return []


@pytest.fixture(scope="module")
def measured(model, learned, left_out):
    return list(measure(model, HELD_OUT, STEPS, [BUDGET], learned, load_judge(), left_out.append))


def test_every_method_is_measured_once_and_what_is_missing_is_said(measured, left_out) -> None:
    names = [each.way.method for each in measured]
    missing = f"{SOLVERS[0]}{SEARCHED}"
    assert sorted(names) == sorted({FULL, *COMPARED} - {missing})
    [said] = left_out
    assert said.startswith(f"{missing} at 3 of 8 is left out")


def test_runs_spend_what_they_compute(measured) -> None:
    spent = {each.way.method: each.nfe for each in measured}
    assert spent[FULL] == STEPS
    assert {nfe for name, nfe in spent.items() if name != FULL} == {BUDGET}
    assert all(len(each.psnr_db) == len(HELD_OUT) for each in measured)


def test_the_full_grid_is_what_the_others_are_compared_with(measured) -> None:
    of = {each.way.method: each for each in measured}
    assert of[FULL].psnr_db == (100.0,) * len(HELD_OUT)
    assert of[FULL].obeyed is None, "the judge knows nothing of these prompts"
    assert all(0 < value < 100 for value in of[EVEN].psnr_db)
    assert of[ALIGNED].psnr_db == of[MANY].psnr_db, "these logits leave the grid as it is"
    assert of[MANY].psnr_db != of[EVEN].psnr_db


def test_seconds_are_those_measured_or_the_profiles(measured) -> None:
    seconds = {each.way.method: each.way.seconds for each in measured}
    assert seconds[MANY] == 12.5
    assert seconds[EVEN] is seconds[LEARNED] is None
    assert all(seconds[name] > 0 for name in (ONE, SCALED, interval_name("blocks", "scale")))


def test_an_interval_may_spend_less_than_its_budget(model, learned, left_out) -> None:
    """Every third of 8 steps is computed within a budget of 3, every second within 4 and 5."""
    nothing = Learned(LEARNING, Profile(), {})
    found = measure(model, HELD_OUT[:1], STEPS, [5], nothing, load_judge())
    spent = {each.way.method: each.nfe for each in found}
    assert spent[interval_name("stack")] == spent[interval_name("stack", "scale")] == 4
    assert spent[EVEN] == 5
    assert not spent.keys() & {MANY, SCALED, ALIGNED, LEARNED}, "nothing was calibrated"


@pytest.mark.parametrize("level", ["stack", "blocks"])
@pytest.mark.parametrize("is_together", [True, False])
def test_priors_of_single_prompts_serve_a_batch_as_they_serve_each(model, level: str, is_together: bool) -> None:
    runs = [run_known(model, [asked], STEPS) for asked in LEARNING]
    calibrated, _ = estimate(model, runs, Interval(3, level), "scale")
    together = run_known(model, HELD_OUT, STEPS)
    if not is_together:
        each = [model.encode(prompt, "", model.defaults.guidance) for prompt, _ in HELD_OUT]
        ones = Batch("", "", each[0].guidance, {}, parts=tuple(each), counts=(1,) * len(each))
        together = replace(together, conditioning=ones)
    plan = SamplingPlan.reusing("budcache", together.schedule, calibrated, budget=STEPS)
    latents, nfe = run_way(model, together, plan)
    assert nfe == 3
    for asked, made in zip(HELD_OUT, latents, strict=True):
        alone, _ = run_way(model, run_known(model, [asked], STEPS), plan)
        assert torch.allclose(alone[0], made, atol=1e-4)
    velocity = BudCache(MASK, "velocity")
    assert spread_rows(velocity, together) is velocity


def test_residuals_are_evaluated_once(model) -> None:
    known = run_known(model, LEARNING[:1], STEPS)
    run = Remembering(known.conditioning, known.schedule, known.path, known.velocities)
    first = run.residual(model, 2, "stack")
    assert run.residual(model, 2, "stack") is first
    assert torch.equal(first["rows/stack"], known.residual(model, 2, "stack")["rows/stack"])
    assert run.residual(model, 2, "blocks").keys() != first.keys()


def test_rows_are_complete_and_gains_are_paired_with_the_best_solver(measured) -> None:
    rows = summarise(measured, STEPS)
    assert [row["method"] for row in rows if row["budget"] == BUDGET] == [
        name for name in COMPARED if name != f"{SOLVERS[0]}{SEARCHED}"
    ]
    solvers = [row for row in rows if row["family"] == "solver"]
    rival = max(solvers, key=lambda row: row["psnr_db_median"])
    even = next(row for row in rows if row["method"] == EVEN)
    assert even["rival"] == rival["method"]
    assert rival["gain_db_median"] == 0.0
    by_prompt = sorted(a - b for a, b in zip(even["psnr_db"], rival["psnr_db"], strict=True))
    assert even["gain_db_median"] == pytest.approx(by_prompt[1], abs=0.02)
    low, high = even["gain_db_interval"]
    assert low <= even["gain_db_median"] <= high
    assert (even["steps"], even["nfe"], even["prompts"]) == (STEPS, BUDGET, len(HELD_OUT))


def row(method: str, psnr_db: list[float], *, budget: int = 6, steps: int = 28, family: str = "reuse", **more) -> dict:
    values = {"psnr_db_median": sorted(psnr_db)[len(psnr_db) // 2], "psnr_db_p10": min(psnr_db), "ssim_median": 0.9}
    values |= {"psnr_db": psnr_db, "obedience": 0.5, "seconds_learning": 7.0, "nfe": budget, "rival": "unipc"}
    gain = {"gain_db_median": None, "gain_db_interval": None}
    return {"steps": steps, "method": method, "family": family, "budget": budget, **values, **gain, **more}


def verdict(rows: list[dict], claim: str) -> dict:
    [found] = [each for each in judge_claims(rows) if claim in each["claim"]]
    return found


@pytest.mark.parametrize(("searched", "is_true"), [(32.0, True), (28.0, False)])
def test_the_searched_mask_is_judged_against_the_even_one(searched: float, is_true: bool) -> None:
    found = verdict([row(EVEN, [30.0, 31.0, 29.0]), row(MANY, [searched] * 3)], "searched mask")
    assert found["is_true"] is is_true
    assert found["db"] == searched - 30.0
    assert found["db_interval"] == [searched - 31.0, searched - 29.0]
    assert found["is_clear"]


def test_a_difference_whose_interval_holds_nothing_is_within_chance() -> None:
    rows = [row(EVEN, [30.0, 31.0, 32.0]), row(MANY, [28.0, 31.5, 33.0])]
    found = verdict(rows, "searched mask")
    assert (found["is_true"], found["is_clear"], found["db"]) == (True, False, 0.5)
    assert "+0.50 dB (-2.00 to +1.00), within chance" in markdown(rows)


@pytest.mark.parametrize("level", ["stack", "blocks"])
@pytest.mark.parametrize("form", ["offset", "scale"])
@pytest.mark.parametrize(("in_order", "is_true"), [(30.5, True), (30.0, False), (29.5, False)])
def test_priors_in_order_are_judged_against_single_pass_ones(level, form, in_order: float, is_true: bool) -> None:
    rows = [row(interval_name(level, form), [in_order]), row(interval_name(level, form, True), [30.0])]
    assert verdict(rows, f"{form}, {level}")["is_true"] is is_true
    assert len(judge_claims(rows)) == 1, "nothing is said of what was not measured"


@pytest.mark.parametrize(("budget", "gain", "is_true"), [(6, 4.0, True), (6, 3.9, False), (10, 3.0, True)])
def test_the_best_reuse_is_judged_against_the_goal_of_its_budget(budget: int, gain: float, is_true: bool) -> None:
    best = row(LEARNED, [34.0], budget=budget, gain_db_median=gain, gain_db_interval=[gain - 1, gain + 1])
    worse = row(EVEN, [33.0], budget=budget, gain_db_median=9.0, gain_db_interval=[8.0, 10.0])
    found = verdict([worse, best], "gains")
    assert (found["is_true"], found["db"]) == (is_true, gain)
    assert f"({LEARNED})" in found["claim"]
    assert not judge_claims([{**best, "budget": 8}]), "there is no goal for 8"


def test_the_interval_of_a_paired_median() -> None:
    assert paired_median([3.0, 4.0, 5.0], [1.0, 2.0, 3.0]) == (2.0, 2.0, 2.0)
    values = [float(i) for i in range(101)]
    median, low, high = paired_median(values, [0.0] * 101)
    assert median == 50.0
    assert 35 < low < 45 < 55 < high < 65, "about 2 x 1.25 x 29 / 10 = 7 to 10 either side"


def test_rows_of_another_grid_are_kept_and_those_of_the_same_replaced(tmp_path) -> None:
    path = tmp_path / "policies.json"
    merge(path, [row(EVEN, [30.0], steps=50)], "of 50", {"model": "tiny"})
    merge(path, [row(EVEN, [20.0])], "of 28, at first", {"model": "tiny"})
    merged = merge(path, [row(EVEN, [25.0]), row(MANY, [26.0])], "of 28", {"model": "tiny"})
    stored = json.loads(path.read_text())
    assert stored["rows"] == merged
    assert [(each["steps"], each["psnr_db"]) for each in merged] == [(28, [25.0]), (28, [26.0]), (50, [30.0])]
    assert stored["commands"] == {"28": "of 28", "50": "of 50"}
    assert [each["is_true"] for each in stored["verdicts"]] == [True]
    path.write_text("[]")
    with pytest.raises(RequestError, match="holds no rows"):
        merge(path, [row(EVEN, [30.0])], "", {})
    assert path.read_text() == "[]"


def test_the_page_shows_the_rows_that_lie_beside_it(tmp_path) -> None:
    rows = [
        row("all steps", [100.0], budget=28, family="full", obedience=0.97),
        row("unipc", [30.0, 31.0, 29.0], family="solver", seconds_learning=None, obedience=None),
        row(EVEN, [31.0], gain_db_median=1.0, gain_db_interval=[0.5, 1.5], nfe=5),
        row(MANY, [32.0, 33.0, 34.0], budget=8),
    ]
    write_csv(tmp_path / "policies.csv", rows)
    page = report._others(tmp_path)
    squeezed = " ".join(page.split())
    assert f"| {EVEN} | 31.0 / 31.0 (+1.0, 5 spent) | – |" in squeezed
    assert f"| {MANY} | – | 33.0 / 32.0 |" in squeezed
    assert "| unipc | 0.900, –, – | – |" in squeezed
    assert "with all steps 97% are" in page
    assert "- **false** at 6 of 28: the best reuse (even mask) gains 4 dB on the best solver (unipc): +1.00 dB" in page
    assert "| all steps |" not in squeezed
    assert markdown(rows) in page


def test_the_command_measures_a_few_prompts_of_the_bundled_model(tmp_path) -> None:
    for name, prompt, seed in (("seen", "a lake", 1), ("unseen", "snowy mountain", 2)):
        text = f"kind,source,target,seed,history\nsubject,a tree,{prompt},{seed},\nsubject,a hill,{prompt},{seed},\n"
        (tmp_path / f"{name}.csv").write_text(text)
    out = tmp_path / "made" / "policies.json"
    asked = ["policies", "--pairs", str(tmp_path / "unseen.csv"), "--learn-from", str(tmp_path / "seen.csv")]
    asked += ["--budgets", "2", "--steps", "4", "--json", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    stored = json.loads(out.read_text())
    assert {row["prompts"] for row in stored["rows"]} == {1}, "a target that two pairs share is made once"
    assert {row["nfe"] for row in stored["rows"]} == {2, 4}
    assert "--steps 4" in stored["command"]
    assert "steps were not searched" in done.output
    overlapping = CliRunner().invoke(app, [*asked[:4], "--learn-from", str(tmp_path / "unseen.csv")])
    assert overlapping.exit_code != 0
