import json
import math
from dataclasses import replace

import pytest

import trajflow
from trajflow.bench.frontier import FromScratch, measure, runs
from trajflow.bench.table import markdown, summarise, write_per_pair
from trajflow.errors import RequestError
from trajflow.learning.pairs import Pair
from trajflow.methods import of_family

STEPS = 6
PAIRS = (
    Pair("time", "a mountain landscape", "a mountain landscape at dusk", 3, ("a snowy forest", "a desert at dusk")),
    Pair("weather", "a mountain landscape", "a foggy mountain landscape", 3),
)
PROMISED = (
    "strategy", "kind", "budget", "pairs", "nfe", "rows", "psnr_db_median", "psnr_db_p10", "ssim_median", "identical",
    "latency_s_median", "baseline_latency_s_median",
)  # fmt: skip


@pytest.fixture(scope="module")
def measurements(model):
    strategies = ("resume", "fewer-steps", "difference", "basis", "baseline")
    return tuple(measure(model, PAIRS, strategies=strategies, budgets=(2, 3, STEPS), steps=STEPS))


def figures(measurements):
    return [(m.strategy, m.budget, m.pair, m.cost, m.metrics, m.sources, m.computed) for m in measurements]


def test_every_pair_is_measured_once_in_every_way(measurements):
    asked = runs(("resume", "fewer-steps", "difference", "basis", "baseline"), (2, 3, STEPS))
    assert asked[-1] == ("baseline", None)
    assert [(m.strategy, m.budget, m.pair) for m in measurements] == [(*run, pair) for pair in PAIRS for run in asked]


def test_no_run_spends_more_than_its_budget(measurements):
    for m in measurements:
        assert 0 < m.cost.nfe <= (m.budget or STEPS)
        assert m.cost.nfe == len(m.computed)
        assert max(m.computed) < STEPS
        # The cached run has the negative branch at the noise.
        assert m.cost.rows == 2 * m.cost.nfe - (m.sources > 0 and m.strategy in of_family("transport"))
        assert m.latency_s > 0
        assert m.baseline_latency_s > 0


def test_the_target_is_made_anew_from_its_own_sources(measurements):
    for m in measurements:
        full = m.strategy == "baseline" or m.budget == STEPS
        assert m.metrics.identical == full, (m.strategy, m.budget)
        # A stored target would have been answered without any evaluation, or appeared as one more source.
        expected = {"resume": 1, "difference": 1, "basis": len(m.pair.cached)}.get(m.strategy, 0)
        assert m.sources == (0 if full else expected)


def test_the_full_budget_is_the_from_scratch_picture(measurements):
    full = [m for m in measurements if m.budget == STEPS or m.strategy == "baseline"]
    assert len(full) == 5 * len(PAIRS)
    assert all(m.metrics.psnr_db == 100 for m in full)


def test_the_same_numbers_come_again_and_alone(model, measurements):
    again = tuple(measure(model, PAIRS[1:], strategies=("basis", "resume"), budgets=(3,), steps=STEPS))
    before = [m for m in measurements if m.pair == PAIRS[1] and m.strategy in ("basis", "resume") and m.budget == 3]
    assert figures(again) == sorted(figures(before), key=lambda figure: figure[0])


def test_borrowed_entries_serve_as_well_as_runs_of_the_session_itself(model, measurements):
    session = trajflow.Session(model)
    pair = PAIRS[0]
    for prompt in pair.cached:
        session.generate(prompt, seed=pair.seed, steps=STEPS, strategy="baseline")
    result = session.generate(pair.target, seed=pair.seed, steps=STEPS, strategy="basis", budget=3, compare=True)
    [measured] = [m for m in measurements if (m.pair, m.strategy, m.budget) == (pair, "basis", 3)]
    assert measured.metrics == result.metrics
    assert measured.cost == result.cost


def test_sources_are_untouched_by_the_runs_that_use_them(model):
    from_scratch = FromScratch(model, STEPS)
    entry = from_scratch("a mountain landscape", 3)
    velocities = entry.trajectory.velocities.clone()
    session = trajflow.Session(model)
    session.adopt(entry)
    session.generate("a mountain landscape at dusk", seed=3, steps=STEPS, strategy="basis", budget=2)
    assert session.entries()[-1] is entry
    assert entry.trajectory.velocities.equal(velocities)
    assert from_scratch("a mountain landscape", 3) is entry


def test_the_planner_may_choose_the_budget(model):
    [measured] = measure(model, PAIRS[:1], strategies=("auto",), budgets=(None,), steps=STEPS)
    assert 0 < measured.cost.nfe <= STEPS
    assert summarise([measured])[0]["budget"] == "auto"


def test_rows_hold_what_is_promised(measurements):
    rows = summarise(measurements)
    assert [row["kind"] for row in rows] == ["time", "weather", "all"] * 13
    for row in rows:
        assert set(PROMISED) <= set(row)
        assert row["pairs"] == (2 if row["kind"] == "all" else 1)
        assert all(math.isfinite(value) for name, value in row.items() if name not in ("strategy", "kind", "budget"))
        assert row["psnr_db_p10"] <= row["psnr_db_median"]
    assert json.loads(json.dumps(rows)) == rows
    [row] = [row for row in rows if (row["strategy"], row["budget"], row["kind"]) == ("basis", STEPS, "all")]
    assert (row["identical"], row["nfe"], row["psnr_db_mean"]) == (2, STEPS, 100)


def test_the_summary_is_of_its_own_group_only(measurements):
    m = measurements[0]
    spread = [replace(m, cost=replace(m.cost, nfe=nfe), latency_s=float(nfe)) for nfe in (1, 2, 6)]
    first, last = summarise(spread)
    assert (first["nfe"], first["nfe_mean"], first["latency_s_median"], first["pairs"]) == (2, 3.0, 2.0, 3)
    assert {**first, "kind": "all"} == last


def test_tables_name_every_row(measurements, tmp_path):
    rows = summarise(measurements)
    lines = markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({len(line) for line in lines}) == 1
    write_per_pair(tmp_path / "pairs.csv", measurements)
    written = (tmp_path / "pairs.csv").read_text().splitlines()
    assert len(written) == 1 + len(measurements)
    assert written[0].startswith("strategy,budget,kind,source,target,seed,history,nfe,rows")


@pytest.mark.parametrize(
    ("strategies", "budgets", "reason"),
    [
        (("teleport",), (3,), "no strategy 'teleport'"),
        (("basis",), (STEPS + 1,), f"The budget is {STEPS + 1}"),
        (("basis",), (0,), "The budget is 0"),
        ((), (3,), "nothing to measure"),
        (("basis",), (), "nothing to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(model, strategies, budgets, reason):
    with pytest.raises(RequestError, match=reason):
        measure(model, PAIRS, strategies=strategies, budgets=budgets, steps=STEPS)
